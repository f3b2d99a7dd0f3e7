"""What a load is made of: while that stays the same, so does the memory that it takes.

The same files, the same program with the same libraries, the same flags, the same devices to see.
A port and a name are no part of it.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from paddock.engine.engine import Launch
from paddock.engine.environment import ALLOWED_PREFIXES
from paddock.engine.program import program_stamp
from paddock.library.digest import Stamp
from paddock.library.model import Model

PASSING: Final = frozenset(
    {
        "--port",
        "--host",
        "--alias",
        "--cors-origins",
        "--log-colors",
        "--log-verbosity",
        "--cache-ram",
    }
)
"""Flags that have a value and no part in what is loaded."""
_DEVICES: Final = tuple(one for one in ALLOWED_PREFIXES if one != "LC_")


class Load(NamedTuple):
    """A load that is to be known again."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    files: tuple[Path, ...]
    """Files of the model that the command line does not name."""

    @classmethod
    def of(cls, model: Model, launch: Launch, argv: Sequence[str] = ()) -> Load:
        """The load of a model by this launch, or with these words in the place of the launch's."""
        words = tuple(argv) or launch.argv
        return cls(words, launch.env, launch.address.port, (*model.shards, *model.adapters))


def key(load: Load, *more: object) -> str:
    """What stands for a load and for what else decides it. Blocks: looks at files."""
    words = tuple(_words(load))
    told = (words, tuple(_marks(words, load.files)), _program(words), _devices(load.env), more)
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def _words(load: Load) -> Iterator[str]:
    """The words that matter. A command of the owner's may have its port within a word."""
    inside = str(load.port) if load.port and "--port" not in load.argv else ""
    rest = iter(load.argv)
    for word in rest:
        if word in PASSING:
            next(rest, None)
        else:
            yield word.replace(inside, "PORT") if inside else word


def _marks(words: Iterable[str], files: Iterable[Path]) -> Iterator[Stamp | str]:
    """How every file looks that is named, the program too."""
    named = [Path(word) for word in words if word.startswith("/")]
    for path in (*named, *files):
        try:
            yield Stamp.of(path.stat())
        except (OSError, ValueError):
            yield str(path)


def _program(words: Sequence[str]) -> str:
    """What changes with the program's libraries."""
    if not words:
        return ""
    if words[0] == sys.executable:
        try:
            return importlib.metadata.version("xllamacpp")
        except importlib.metadata.PackageNotFoundError:
            return ""
    return program_stamp(Path(words[0])) if words[0].startswith("/") else ""


def _devices(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, env[name]) for name in env if name.startswith(_DEVICES)))
