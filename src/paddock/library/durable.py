"""Files that are there whole, or not at all, whatever happens: write, flush, rename, flush."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

READABLE: Final = 0o644
"""Other programs read the store too."""


def replace(path: Path, data: bytes, *, beside: Path) -> None:
    """Give `path` these bytes in one step; the temporary file is made in the folder `beside`.

    Its folder must exist. Blocking; raises OSError, and leaves nothing then.
    """
    handle, temporary = tempfile.mkstemp(dir=beside, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            seal(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def seal(fd: int) -> None:
    """Make an open file readable for others, and its bytes safe from a power cut."""
    os.fchmod(fd, READABLE)
    os.fsync(fd)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it; each new name is safe before anything is put below."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder safe."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
