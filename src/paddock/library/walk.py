"""Finding the files: everything under the models folders that is named like a GGUF.

Nothing outside the folders is looked at. A link counts only when it leads to a place inside them;
linked folders are not entered, for what they hold is found where it is. Names that begin with a dot
(snapshots, thumbnails, downloads on their way) are passed by.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddock.library.model import LeftOut
from paddock.library.naming import has_unshowable, is_gguf_name, showable


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file named like a GGUF."""

    path: str
    name: str
    """Without its folder."""
    target: str
    """The file itself: `path`, or where the link at `path` leads."""
    size: int
    mtime_ns: int
    inode: int
    device: int = 0

    @property
    def folder(self) -> str:
        """The folder it is in."""
        return self.path[: -len(self.name) - 1]


@dataclass(slots=True)
class Walk:
    """What was found. Files and left-out ones are in no particular order."""

    files: list[Found] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    folders: dict[tuple[int, int], str] = field(default_factory=dict)
    """Paths of the folders that were looked into, by device and inode."""
    passed_by: frozenset[tuple[int, int]] = frozenset()
    """Folders that are not to be looked into, by device and inode."""
    _roots: tuple[str, ...] = ()

    def leave_out(self, path: str, reason: str) -> None:
        """Keep why something is not a model."""
        self.left_out.append(LeftOut(Path(showable(path)), reason))

    def holds(self, real_path: str) -> bool:
        """Whether a path without links lies in the folders, or is one of them."""
        return any(f"{real_path}/".startswith(f"{root.rstrip('/')}/") for root in self._roots)


def walk(roots: Sequence[Path], passed_by: Sequence[Path] = ()) -> Walk:
    """Look through the folders and all below them, but for `passed_by`. Blocking; never raises."""
    absolute = [root.absolute() for root in roots]
    found = Walk(
        _roots=tuple(os.path.realpath(root) for root in absolute),
        passed_by=frozenset(filter(None, map(identity_of, passed_by))),
    )
    waiting = [str(root) for root in absolute]
    while waiting:
        waiting += _look_into(waiting.pop(), found)
    return found


def identity_of(path: str | Path) -> tuple[int, int] | None:
    """Device and inode of what is there, links followed; None when nothing is."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _look_into(path: str, found: Walk) -> list[str]:
    """Sort out one folder's entries; gives the folders in it."""
    try:
        status = os.stat(path)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in found.folders or identity in found.passed_by:
            return []  # named twice, inside another one, or mounted into itself
        with os.scandir(path) as entries:
            found.folders[identity] = path
            return [entry.path for entry in entries if _sort_out(entry, found)]
    except OSError as error:
        found.leave_out(path, f"this folder cannot be read: {_reason(error)}")
        return []


def _sort_out(entry: os.DirEntry[str], found: Walk) -> bool:
    """Note an entry; True when it is a folder to look into."""
    if entry.name.startswith("."):
        return False
    is_folder = entry.is_dir(follow_symlinks=False)
    named = is_gguf_name(entry.name)
    if (is_folder or named) and has_unshowable(entry.name):
        found.leave_out(entry.path, "its name has control characters or is not UTF-8; rename it")
        return False
    try:
        if entry.is_symlink():
            _note_link(entry, named, found)
        elif named:
            _note(entry, entry.path, entry.stat(follow_symlinks=False), found)
    except FileNotFoundError:
        pass  # gone since the folder was read
    except OSError as error:
        if named:
            found.leave_out(entry.path, f"cannot be read: {_reason(error)}")
    return is_folder


def _note_link(entry: os.DirEntry[str], named: bool, found: Walk) -> None:
    try:
        target = os.path.realpath(entry.path, strict=True)
        status = os.stat(target, follow_symlinks=False)  # noqa: PTH116
    except FileNotFoundError:
        if named:
            found.leave_out(entry.path, "a link to nothing")
        return
    is_folder = stat.S_ISDIR(status.st_mode)
    if found.holds(target):
        if named:
            _note(entry, target, status, found)
    elif named or is_folder:
        found.leave_out(
            entry.path,
            "a link out of the models folder; to use what it leads to, add that to modelsDir",
        )


def _note(entry: os.DirEntry[str], target: str, status: os.stat_result, found: Walk) -> None:
    if stat.S_ISREG(status.st_mode):
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        found.files.append(Found(entry.path, entry.name, target, *stamp))
    else:
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "a device")
        found.leave_out(entry.path, f"{kind}, not a file")


_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
