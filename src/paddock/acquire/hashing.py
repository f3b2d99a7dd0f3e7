"""The hash of a file that is still coming: it follows the bytes that are complete.

It reads what was written a moment ago, from the kernel's memory and not from the disk. For a large
file a process of its own does that (`hash_child.py`): a thread would take Python's lock from the
downloads and from the daemon ten thousand times a second. A small file is done before such a
process has started, so a thread reads it.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import signal
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from paddock.errors import AcquireError

LARGE: Final = 64 << 20
"""Files from this size on are hashed by a process of its own."""
_PIECE: Final = 64 << 10
"""Bytes of a thread's read: few enough to stay in the processor's cache until they are hashed."""
_NEWS: Final = 4 << 20
"""Of so many bytes at once whoever hashes is told."""
_CHILD: Final = Path(__file__).with_name("hash_child.py")
_CUT: Final = 3
"""The child's status for a file that is shorter than it was told."""
_NUMBER: Final = struct.Struct("=Q")


class Follower:
    """Hashes the bytes `[0, size)` of an open file as far as `advance` allows.

    `result` is awaited on the loop that made it; `stop` ends the thread and the process in any
    case, and is called before the file is closed.
    """

    def __init__(self, fd: int, size: int, *, git: bool = False, large: int = LARGE) -> None:
        """`git`: the sha1 that git names a blob by, not the sha256."""
        self._fd = fd
        self._size = size
        self._git = git
        self._frontier = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._child = self._start_child() if size >= large else None
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[str] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="hash of a pull", daemon=True)
        self._thread.start()

    def advance(self, frontier: int) -> None:
        """All bytes before this one are in the file."""
        if self._frontier + _NEWS <= frontier or self._frontier < frontier == self._size:
            with self._changed:
                self._frontier = frontier
                self._changed.notify()

    async def result(self) -> str:
        """The hash in hexadecimal digits, once all bytes were there; "" for a file cut meanwhile.

        Raises AcquireError when the file cannot be read.
        """
        return await asyncio.shield(self._result)

    async def stop(self) -> None:
        """End it. The file may be closed afterwards. May be called twice."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._child is not None:
            self._child.kill()
        await asyncio.to_thread(self._thread.join)
        self._result.cancel()

    def _work(self) -> None:
        try:
            told = self._by_thread() if self._child is None else self._by_child(self._child)
        except OSError as error:
            self._settle(AcquireError(f"what was downloaded cannot be read: {error.strerror}"))
        except AcquireError as error:
            self._settle(error)
        else:
            self._settle(told)

    # --- by a process ----------------------------------------------------------------------------

    def _start_child(self) -> subprocess.Popen[bytes] | None:
        """None where none can be started: then the thread does it."""
        kind = "git" if self._git else "sha256"
        with suppress(OSError):
            # Opened anew: the lock on the part belongs to this process alone.
            fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                return subprocess.Popen(
                    [sys.executable, "-I", "-S", _CHILD, str(fd), str(self._size), kind],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    pass_fds=(fd,),
                    process_group=0,
                )
            finally:
                os.close(fd)
        return None

    def _by_child(self, child: subprocess.Popen[bytes]) -> str:
        at = 0
        with child:
            with suppress(BrokenPipeError):  # it ended early: its status says why
                while at < self._size and not self._stopped:
                    at = self._wait(at)
                    _stream(child.stdin).write(_NUMBER.pack(at))
            told = _stream(child.stdout).read()
        if child.returncode == 0:
            return told.decode("ascii", "replace")
        if child.returncode == -signal.SIGBUS:
            raise AcquireError(
                "what was downloaded cannot be read: the disk failed, or the file was cut"
            )
        if self._stopped or child.returncode == _CUT:
            return ""
        raise AcquireError(f"the hash could not be computed (status {child.returncode})")

    # --- by a thread -----------------------------------------------------------------------------

    def _by_thread(self) -> str:
        if self._git:
            digest = hashlib.sha1(b"blob %d\0" % self._size, usedforsecurity=False)
        else:
            digest = hashlib.sha256()
        buffer = memoryview(bytearray(_PIECE))
        at = 0
        while at < self._size:
            until = self._wait(at)
            while at < until or self._stopped:
                count = 0 if self._stopped else os.preadv(self._fd, [buffer[: until - at]], at)
                if not count:
                    return ""
                digest.update(buffer[:count])
                at += count
        return digest.hexdigest()

    def _wait(self, at: int) -> int:
        """Until there is more, or it is over; gives how far it may go."""
        with self._changed:
            self._changed.wait_for(lambda: self._frontier > at or self._stopped)
            return max(at, self._frontier)

    def _settle(self, told: str | AcquireError) -> None:
        def settle() -> None:
            if self._result.done():
                return
            if isinstance(told, str):
                self._result.set_result(told)
            else:
                self._result.set_exception(told)
                self._result.exception()  # nobody may ask

        with suppress(RuntimeError):  # the loop has ended, and with it who waited
            self._loop.call_soon_threadsafe(settle)


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that was asked for, so it is there."""
    if pipe is None:
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    return pipe
