"""The file that gets a download's bytes: reserved in full first, written in any order, flushed.

Every trouble with the disk is told as an AcquireError, with numbers where the room is the trouble.
Blocking, all of it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from paddock.errors import AcquireError, NoRoom
from paddock.library.durable import READABLE
from paddock.units import format_bytes

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_OFFERED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_BLOCK: Final = 512
"""Bytes that `st_blocks` counts in, on every file system."""
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class PartFile:
    """An open part. Nobody else downloads into it until `close`."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it; its folder must exist. Raises AcquireError."""
        self.path = path
        with self.troubles(0):
            self.fd = os.open(path, _FLAGS, READABLE)
        try:
            self._take()
        except BaseException:
            os.close(self.fd)
            raise

    def _take(self) -> None:
        with self.troubles(0):
            status = os.fstat(self.fd)
            if not stat.S_ISREG(status.st_mode):
                raise AcquireError(f"{self.path} is in the way: it is not a regular file")
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AcquireError(
                    f"{self.path} is being downloaded by another program",
                    hint="wait until it is done, or stop it",
                ) from None

    @property
    def size(self) -> int:
        """Bytes, with those that are only reserved."""
        return os.fstat(self.fd).st_size

    def stretch(self, size: int) -> None:
        """Make the file `size` bytes long. Raises OSError where the disk has no room for that."""
        status = os.fstat(self.fd)
        if size - status.st_blocks * _BLOCK > free_bytes(self.path.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(self.fd, size)

    def reserve(self, start: int, count: int) -> None:
        """Have the disk keep room for so many bytes from there on, if it can do that.

        Raises OSError when there is none.
        """
        try:
            _fallocate(self.fd, start, count)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise

    def cut(self, size: int) -> None:
        """Give back the room behind this byte."""
        with self.troubles(0):
            if self.size > size:
                os.ftruncate(self.fd, size)

    def empty(self) -> None:
        """Forget every byte."""
        with self.troubles(0):
            os.ftruncate(self.fd, 0)

    def write(self, data: memoryview, at: int) -> None:
        """Put bytes at a place. Raises OSError; `troubles` and `told` say what it means."""
        while data:
            count = os.pwrite(self.fd, data, at)
            data = data[count:]
            at += count

    def flush(self) -> None:
        """Make what was written safe from a power cut. Raises OSError."""
        os.fdatasync(self.fd)

    def finish(self) -> None:
        """Flush everything and make it readable for others.

        Raises AcquireError when the name does not lead to this file any more.
        """
        with self.troubles(0):
            os.fchmod(self.fd, READABLE)
            os.fsync(self.fd)
            if not self._has_its_name():
                raise AcquireError(f"{self.path} was removed while it was downloaded")

    def _has_its_name(self) -> bool:
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self.fd))
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """Delete it."""
        with self.troubles(0):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextmanager
    def troubles(self, missing: int) -> Iterator[None]:
        """Tell what the disk refuses inside as an error for people."""
        try:
            yield
        except OSError as error:
            raise told(error, self.path, missing) from error


def told(error: OSError, path: Path, missing: int) -> AcquireError:
    """What a disk's refusal means. `missing`: bytes that have no place yet."""
    if error.errno not in _FULL:
        return AcquireError(f"{path} cannot be written: {error.strerror or error}")
    free = free_bytes(path.parent)
    kind = "the quota of" if error.errno == errno.EDQUOT else "the disk with"
    return NoRoom(
        f"{kind} {path.parent} has not enough room: {format_bytes(missing)} more are needed, "
        f"{format_bytes(free)} are free",
        needed=missing,
        free=free,
        hint="`paddock du` shows what takes room, `paddock rm` gives it back; "
        "then pull again: it goes on where it was",
    )


def free_bytes(folder: Path) -> int:
    """What may still be written there; 0 when that cannot be told."""
    try:
        there = os.statvfs(folder)
    except OSError:
        return 0
    return there.f_bavail * there.f_frsize


def _fallocate(fd: int, start: int, count: int) -> None:
    """Reserve room. Raises OSError.

    The system call itself: the C library's `posix_fallocate` writes to every block where a file
    system cannot do it.
    """
    call = _system_call()
    if call is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    while call(fd, 0, start, count) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@cache
def _system_call() -> Any:
    """Linux' `fallocate(fd, mode, offset, length)`, or None where there is none."""
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate64
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    call.restype = ctypes.c_int
    return call
