"""Taking a file of the owner's into the store without a copy of its bytes.

A hard link where both are on one file system and the kernel allows it, else a reflink (the file
system shares the blocks), else a symbolic link: a reference, which ends when the owner's file does.
The file keeps its owner and its mode.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from paddock.errors import StoreError
from paddock.library.digest import Hashed, Stamp
from paddock.library.durable import flush_folder, seal

_FICLONE: Final = 0x40049409
"""ioctl_ficlone(2): make this file share all blocks of that one."""


class How(StrEnum):
    """How a file became a blob."""

    PRESENT = "present"
    """The blob was there before."""
    LINKED = "linked"
    REFLINKED = "reflinked"
    REFERENCED = "referenced"


def adopt(hashed: Hashed, blob: Path, *, by_reference: bool = True) -> How:
    """Make `blob` lead to the bytes of the file that was hashed. Blocking.

    Without `by_reference` it is never a symbolic link. Raises StoreError when the file changed
    since it was hashed, or nothing can lead to it.
    """
    file = Path(os.path.realpath(hashed.path))
    _check(file, hashed)
    ways: tuple[tuple[How, Callable[[Path, Path], None]], ...] = (
        (How.LINKED, os.link),
        (How.REFLINKED, _reflink),
        (How.REFERENCED, _reference),
    )
    refused: OSError | None = None
    for how, way in ways if by_reference else ways[:-1]:
        try:
            _put(way, file, blob, hashed)
        except OSError as error:
            refused = error
        else:
            return how
    raise StoreError(
        f"{hashed.path} cannot become a part of the store: {refused and refused.strerror}"
    ) from refused


def _put(way: Callable[[Path, Path], None], file: Path, blob: Path, hashed: Hashed) -> None:
    """Make a temporary name in this way, look what it leads to, and give it the blob's name."""
    with tempfile.TemporaryDirectory(dir=blob.parent, prefix=".adopt-") as folder:
        made = Path(folder, blob.name)
        way(file, made)
        _check(file if way is _reflink else made, hashed)
        made.replace(blob)
    flush_folder(blob.parent)


def _check(file: Path, hashed: Hashed) -> None:
    """Raise StoreError unless this is the file that was hashed, as it was then."""
    try:
        seen = Stamp.of(file.stat())
    except OSError as error:
        raise StoreError(f"{hashed.path} cannot be read: {error.strerror}") from error
    if seen != hashed.stamp:
        raise StoreError(f"{hashed.path} changed while it was taken into the store; try again")


def _reflink(file: Path, made: Path) -> None:
    source = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        with made.open("xb") as target:
            fcntl.ioctl(target, _FICLONE, source)
            seal(target.fileno())
    finally:
        os.close(source)


def _reference(file: Path, made: Path) -> None:
    made.symlink_to(file)


def is_same(hashed: Hashed, blob: Path) -> bool:
    """Whether the blob is this file already, by link or by reference."""
    with suppress(OSError):
        return Stamp.of(blob.stat()) == hashed.stamp
    return False
