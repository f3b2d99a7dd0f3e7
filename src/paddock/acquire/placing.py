"""Final names: a verified part gets its own, and what is here already is linked to another one.

The order is the promise: bytes are verified and flushed before a name is given, and the folder is
flushed before anybody is told. So a crash leaves nothing under a final name, or the whole file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from paddock.acquire.part_journal import journal_of
from paddock.errors import AcquireError, StoreError
from paddock.library import adopt
from paddock.library.digest import Hashed
from paddock.library.durable import flush_folder, make_folders, seal
from paddock.library.store import PARTIAL

PART: Final = ".part"
"""What the name of a file on its way to a models folder ends with; it begins with a dot."""


class CannotPlace(AcquireError):
    """A file cannot get its place; the message says why."""


def part_of(target: Path, *, in_store: bool) -> Path:
    """Where the bytes of `target` are until they are whole."""
    if in_store:
        return target.with_name(f"{target.name}{PARTIAL}")
    return target.with_name(f".{target.name}{PART}")


def place(part: Path, target: Path, *, replacing: bool) -> None:
    """Give a whole and verified part its final name. Blocking.

    `replacing`: a file that is there is the same, or damaged, as in the store. Otherwise it is the
    owner's and stays. Raises CannotPlace.
    """
    try:
        _flush(part)
        if replacing or not os.path.lexists(target):
            part.replace(target)
            flush_folder(target.parent)
            drop(part)
            return
    except OSError as error:
        raise _refused(target, error) from error
    raise CannotPlace(
        f"{target} came to be while it was pulled, and is not touched",
        hint="move it away, and pull again: nothing has to come twice",
    )


def link(here: Hashed, target: Path, *, in_store: bool) -> bool:
    """Make `target` lead to the bytes of a file that is here. Blocking.

    False: they cannot be shared, for instance because they are on another disk.
    """
    try:
        make_folders(target.parent)
        adopt.adopt(here, target, by_reference=in_store)
    except (StoreError, OSError):
        return False
    return True


def drop(part: Path) -> None:
    """Remove a part and its journal. Blocking; raises OSError."""
    part.unlink(missing_ok=True)
    journal_of(part).unlink(missing_ok=True)


def prepare(folder: Path) -> None:
    """Make a folder for parts and final names. Blocking. Raises CannotPlace."""
    try:
        make_folders(folder)
    except OSError as error:
        raise _refused(folder, error) from error


def landing(folders: Iterable[Path]) -> Path:
    """The first models folder that can be written, or made. Blocking. Raises CannotPlace."""
    known = list(folders)
    for folder in known:
        with suppress(StopIteration):
            nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
            if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
                return folder
    told = ", ".join(map(str, known)) or "there is none"
    raise CannotPlace(
        f"no models folder can be written: {told}",
        hint="put a folder of the user who runs Paddock first in `modelsDir`",
    )


def _flush(part: Path) -> None:
    """Readable for other programs, and safe from a power cut."""
    fd = os.open(part, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        seal(fd)
    finally:
        os.close(fd)


def _refused(path: Path, error: OSError) -> CannotPlace:
    return CannotPlace(f"{path} cannot be written: {error.strerror or error}")
