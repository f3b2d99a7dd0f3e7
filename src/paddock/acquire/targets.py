"""Under which names a repository's files land in the models folder. Pure.

They land flat, each under its own base name: the library makes a model's name of that. Two things
change it: a projector whose name says nothing gets its model's, as the library pairs them by name,
and files whose names are taken by other ones get the publisher's in front.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from paddock.acquire.hub_names import Kind, parse
from paddock.acquire.remote import RemoteFile
from paddock.errors import AcquireError
from paddock.library.naming import family, has_unshowable

PROJECTOR: Final = "mmproj"
LONGEST: Final = 230
"""Bytes of a name; a part's is a few longer, and file systems take 255."""
_NAMELESS: Final = frozenset({"", "model"})


def names_of(files: Sequence[RemoteFile], repository: str) -> dict[str, str]:
    """The name for each path. Raises AcquireError for one that no file can have here."""
    bases = Counter(_base(file.path) for file in files)
    model = _model_of(files, repository)
    named = {}
    for file in files:
        base = _base(file.path)
        if bases[base] > 1:
            base = file.path.replace("/", "-")
        if parse(file.path).kind is Kind.MMPROJ and family(base) in _NAMELESS:
            base = f"{PROJECTOR}-{model}-{_rest(base)}"
        named[file.path] = _checked(base)
    return named


def with_publisher(name: str, repository: str) -> str:
    """Another name for a file whose own is taken. Raises AcquireError."""
    publisher = repository.partition("/")[0]
    if name.lower().startswith(PROJECTOR):
        return _checked(f"{PROJECTOR}-{publisher}-{_rest(name)}")
    return _checked(f"{publisher}-{name}")


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _rest(name: str) -> str:
    """A projector's name without the word for it: `mmproj-F16.gguf` is `F16.gguf`."""
    if name.lower().startswith(PROJECTOR):
        return name[len(PROJECTOR) :].lstrip("-_.") or "model.gguf"
    return name


def _model_of(files: Sequence[RemoteFile], repository: str) -> str:
    """What the weights among the files are called, else the repository."""
    for file in files:
        told = parse(file.path)
        if told.kind is Kind.MODEL and told.model:
            return told.model
    return repository.rpartition("/")[2].removesuffix("-GGUF") or "model"


def _checked(name: str) -> str:
    if (
        not name
        or name.startswith((".", "-"))
        or "/" in name
        or has_unshowable(name)
        or len(name.encode("utf-8", "replace")) > LONGEST
    ):
        raise AcquireError(f"the hub has a file {name[:100]!r}, and no file here may be called so")
    return name
