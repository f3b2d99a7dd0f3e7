"""The shapes of models that were asked for, kept: a second plan reads no file."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Final

from paddock.errors import LibraryError
from paddock.library.gguf import read_header
from paddock.library.gguf_arrays import Steps
from paddock.library.header import Header
from paddock.library.model import Model
from paddock.memory.shape import Shape, shape_of

MOST: Final = 256
"""Shapes that are kept; each is some ten kilobytes."""


class Shapes:
    """Shapes by what their models are. Not for two threads at once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Shape] = OrderedDict()

    def known(self, model: Model) -> Shape | None:
        """The shape, if it was asked for before and the model is the same still."""
        return self._kept.get(model.fingerprint) if model.fingerprint else None

    def read(self, model: Model) -> Shape:
        """The shape, read from the model's files. Blocks.

        Raises LibraryError when it has none or they cannot be read, GgufError when one is broken.
        """
        if model.path is None:
            raise LibraryError(f"model {model.id!r} is a command of its own: nobody can plan it")
        try:
            headers = [_header(path) for path in model.shards or (model.path,)]
            others = (*((model.projector,) if model.projector else ()), *model.adapters)
            return shape_of(headers, sum(path.stat().st_size for path in others))
        except OSError as error:
            raise LibraryError(f"{error.filename} cannot be read: {error.strerror}") from error

    def keep(self, model: Model, shape: Shape) -> None:
        """Remember it."""
        self._kept[model.fingerprint] = shape
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)


def _header(path: Path) -> Header:
    return read_header(Path(os.path.realpath(path)), Steps())
