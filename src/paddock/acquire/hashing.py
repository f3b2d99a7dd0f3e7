"""The hash of a file that is still coming: a thread reads behind the bytes that are complete.

It reads what was written a moment ago, from the kernel's memory and not from the disk. It reads
with `preadv` and not through a mapping, though that would be a tenth faster: a mapped file that
somebody cuts, or a disk that fails, ends the whole process.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from typing import Final

from paddock.errors import AcquireError

_PIECE: Final = 64 << 10
"""Bytes of a read: small enough to stay in the processor's cache until they are hashed."""


class Follower:
    """Hashes the bytes `[0, size)` of an open file as far as `advance` allows.

    `result` is awaited once, on the loop that made it; `stop` ends the thread in any case.
    """

    def __init__(self, fd: int, size: int, *, git: bool = False) -> None:
        """`git`: the sha1 that git names a blob by, not the sha256."""
        self._fd = fd
        self._size = size
        if git:
            self._hash = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        else:
            self._hash = hashlib.sha256()
        self._frontier = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[str] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name="hash of a pull", daemon=True)
        self._thread.start()

    def advance(self, frontier: int) -> None:
        """All bytes before this one are in the file."""
        with self._changed:
            if frontier > self._frontier:
                self._frontier = frontier
                self._changed.notify()

    async def result(self) -> str:
        """The hash in hexadecimal digits, once all bytes were there; "" for a file cut meanwhile.

        Raises AcquireError when the file cannot be read.
        """
        return await asyncio.shield(self._result)

    async def stop(self) -> None:
        """End the thread. The file may be closed afterwards. May be called twice."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)
        self._result.cancel()

    def _work(self) -> None:
        buffer = memoryview(bytearray(_PIECE))
        try:
            told = self._hash.hexdigest() if self._read(buffer) else ""
        except OSError as error:
            trouble = AcquireError(f"what was downloaded cannot be read again: {error.strerror}")
            self._tell(trouble)
        else:
            self._tell(told)

    def _read(self, buffer: memoryview) -> bool:
        at = 0
        while at < self._size:
            until = self._wait(at)
            while at < until or self._stopped:
                count = 0 if self._stopped else os.preadv(self._fd, [buffer[: until - at]], at)
                if not count:
                    return False
                self._hash.update(buffer[:count])
                at += count
        return True

    def _wait(self, at: int) -> int:
        """Until there is more; gives how far. `at` itself when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._frontier > at or self._stopped)
            return max(at, self._frontier)

    def _tell(self, told: str | AcquireError) -> None:
        def settle() -> None:
            if self._result.done():
                return
            if isinstance(told, str):
                self._result.set_result(told)
            else:
                self._result.set_exception(told)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return  # the loop has ended, and with it who waited
