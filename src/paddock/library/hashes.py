"""The sha256 of large files, computed once: kept on disk with how each file looked then.

One file is read at a time, so that the disks have room for what the house is there for.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from paddock.errors import StoreError
from paddock.library.digest import Digest, Hashed, Stamp
from paddock.library.durable import replace

log = logging.getLogger(__name__)

FILE_NAME: Final = "hashes.json"
MOST: Final = 20_000
"""Files that are remembered; the oldest are forgotten."""
_PIECE: Final = 1024 * 1024
_TOLD_EVERY: Final = 64 * 1024 * 1024
"""Bytes between two words about the progress."""

Progress = Callable[[int, int], None]
"""Told the bytes that were read, and all there are; on the loop's thread."""


class Hashes:
    """Digests of files by their path. Loop thread only, but for `load`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._known: dict[str, Hashed] = {}
        self._by_digest: dict[Digest, str] = {}
        self._one_at_a_time = asyncio.Lock()

    def load(self) -> None:
        """Take what the disk remembers, or nothing. Blocking; never raises."""
        try:
            told = json.loads(self._file.read_bytes())
            for path, digits, stamp in told[-MOST:]:
                self._keep(Hashed(Path(path), Digest.parse(f"sha256:{digits}"), _stamp(stamp)))
        except FileNotFoundError:
            pass
        except Exception as error:  # noqa: BLE001  # whatever it holds: it is only a memory
            log.warning("the remembered hashes in %s are not used: %s", self._file, error)

    def find(self, digest: Digest) -> Hashed | None:
        """A file that had this digest when it was looked at; `Store.adopt` looks again."""
        known = self._known.get(self._by_digest.get(digest, ""))
        return known if known is not None and known.digest == digest else None

    async def sha256_of(self, path: Path, progress: Progress | None = None) -> Hashed:
        """The digest of a file's bytes; reads them unless the file looks as it did before.

        Cancelling ends the reading. Raises StoreError when the file cannot be read, is no file, or
        changes meanwhile.
        """
        async with self._one_at_a_time:
            known = self._known.get(str(path))
            try:
                if known and await asyncio.to_thread(_looks, path) == known.stamp:
                    return known
                hashed = await _computed(path, progress)
            except OSError as error:
                raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
            self._keep(hashed)
            await asyncio.to_thread(self._save, list(self._known.values()))
            return hashed

    async def remember(self, hashed: Hashed) -> None:
        """Keep what somebody computed while the file was written: it need not be read again."""
        self._keep(hashed)
        await asyncio.to_thread(self._save, list(self._known.values()))

    def _keep(self, hashed: Hashed) -> None:
        path = str(hashed.path)
        self._known.pop(path, None)
        self._known[path] = hashed
        self._by_digest[hashed.digest] = path

    def _save(self, known: list[Hashed]) -> None:
        told = [(str(one.path), one.digest.hex, one.stamp) for one in known[-MOST:]]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace(self._file, json.dumps(told).encode(), beside=self._file.parent)
        except OSError as error:
            log.warning("the hashes of files cannot be kept in %s: %s", self._file, error)


async def _computed(path: Path, progress: Progress | None) -> Hashed:
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def tell(done: int, total: int) -> None:
        if progress is not None:
            loop.call_soon_threadsafe(progress, done, total)

    reading = asyncio.shield(loop.run_in_executor(None, _read, path, stop, tell))
    try:
        return await reading
    except asyncio.CancelledError:
        stop.set()
        raise


def _read(path: Path, stop: threading.Event, tell: Callable[[int, int], None]) -> Hashed:
    """Blocking. Raises StoreError and OSError."""
    digest, done, told = sha256(), 0, 0
    real = os.path.realpath(path)
    fd = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path} is not a regular file")
        while piece := os.read(fd, _PIECE):
            digest.update(piece)
            done += len(piece)
            if stop.is_set() or done > status.st_size:
                break
            if done - told >= _TOLD_EVERY:
                told = done
                tell(done, status.st_size)
        if Stamp.of(os.fstat(fd)) != Stamp.of(status) or done != status.st_size:
            raise StoreError(f"{path} changed while it was read; try again")
    finally:
        os.close(fd)
    tell(done, status.st_size)
    return Hashed(path, Digest(digest.hexdigest()), Stamp.of(status))


def _looks(path: Path) -> Stamp:
    return Stamp.of(path.stat())


def _stamp(told: Any) -> Stamp:
    size, mtime_ns, inode = told
    return Stamp(int(size), int(mtime_ns), int(inode))
