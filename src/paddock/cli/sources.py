"""The files that a Modelfile names: found, checked, hashed, and read in pieces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from glob import has_magic
from pathlib import Path
from typing import NamedTuple

from paddock.errors import PaddockError

PIECE = 1 << 20

_ENDINGS = (".gguf", ".bin", ".safetensors")


class BadSource(PaddockError):
    """What a Modelfile names cannot become a model."""


class Sources(NamedTuple):
    """What a model is made from: another model, files, or both."""

    base: str
    """The name of a model; "" = files only."""
    files: dict[str, Path]
    """By the names that they are sent under."""
    adapters: dict[str, Path]

    @property
    def all(self) -> list[tuple[str, Path]]:
        """Every file with its name."""
        return [*self.files.items(), *self.adapters.items()]


def find(froms: Iterable[str], adapters: Iterable[str], folder: Path) -> Sources:
    """What FROM and ADAPTER lines mean for a Modelfile in `folder`. Raises BadSource."""
    base = ""
    files: list[Path] = []
    for text in froms:
        found = _files(text, folder)
        if found:
            files += found
        elif base:
            raise BadSource(
                f"FROM names two models, {base} and {text}",
                hint="name one, and files beside it",
            )
        else:
            base = text
    lora = [path for text in adapters for path in _adapter(text, folder)]
    return Sources(base, _named(files), _named(lora))


def _files(text: str, folder: Path) -> list[Path]:
    """The files that a FROM means; none when it is the name of a model."""
    path = folder / Path(text).expanduser()
    if path.is_dir():
        return _of_folder(path, text)
    if has_magic(text) and not path.exists():
        return _checked(sorted(_matches(path)), f"{text} matches no file")
    if path.exists():
        return _checked([path], "")
    if text.startswith(("/", "./", "../", "~")) or text.lower().endswith(_ENDINGS):
        raise BadSource(f"FROM {text}: there is no {path}")
    return []


def _matches(path: Path) -> list[Path]:
    folder = Path(path.anchor) if path.is_absolute() else Path()
    return list(folder.glob(str(path.relative_to(folder))))


def _of_folder(path: Path, text: str) -> list[Path]:
    if any(path.glob("*.safetensors")) and not any(path.glob("*.gguf")):
        raise BadSource(
            f"{text} holds safetensors, and Paddock runs GGUF files",
            hint="make one with llama.cpp's convert_hf_to_gguf.py",
        )
    return _checked(sorted(path.glob("*.gguf")), f"the folder {text} holds no .gguf file")


def _adapter(text: str, folder: Path) -> list[Path]:
    path = folder / Path(text).expanduser()
    if path.is_dir():
        return _of_folder(path, text)
    return _checked([path], "")


def _checked(paths: list[Path], none: str) -> list[Path]:
    """The same paths, each one of a GGUF that can be read."""
    if not paths:
        raise BadSource(none)
    for path in paths:
        if not path.is_file():
            raise BadSource(f"{path} is no file")
        try:
            with path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise BadSource(f"{path} cannot be read: {error.strerror}") from error
        if magic != b"GGUF":
            raise BadSource(f"{path} is no GGUF file")
    return paths


def _named(paths: Iterable[Path]) -> dict[str, Path]:
    """Each path by its file's name, with a number in front of one that is there already."""
    named: dict[str, Path] = {}
    for path in paths:
        name = path.name if path.name not in named else f"{len(named)}/{path.name}"
        named[name] = path
    return named


def digest(path: Path, moved: Callable[[int, int], None]) -> str:
    """`sha256:…` of a file; `moved(done, size)` is told how far it is. Raises BadSource."""
    sha = hashlib.sha256()
    for piece in pieces(path, moved):
        sha.update(piece)
    return f"sha256:{sha.hexdigest()}"


def pieces(path: Path, moved: Callable[[int, int], None]) -> Iterator[bytes]:
    """The bytes of a file; `moved(done, size)` after each piece. Raises BadSource."""
    done = 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while piece := file.read(PIECE):
                yield piece
                done += len(piece)
                moved(done, max(size, done))
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}") from error
