"""Log files of models: appended and rotated by one thread that never makes the loop wait."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import threading
from itertools import pairwise
from pathlib import Path

log = logging.getLogger(__name__)

FILE_BYTES = 5 << 20
FILES = 3
"""A log and its older parts: `x.log`, `x.log.1`, `x.log.2`."""
WAITING_BYTES = 4 << 20
"""Text that may wait for the disk; more is dropped and counted."""
CLOSE_SECONDS = 5.0


def file_name(model: str) -> str:
    """A file name for a model's log: readable, contained, and no two models share one."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", model).lstrip(".")[:100]
    if safe == model:
        return f"{safe}.log"
    return f"{safe}-{hashlib.sha256(model.encode()).hexdigest()[:8]}.log"


class LogFiles:
    """Appends text to files of one folder. `write` may be called from any thread."""

    def __init__(self, folder: Path, *, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._waiting: dict[str, list[bytes]] = {}
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="log files", daemon=True)
        self.dropped = 0
        """Texts that were lost because the disk was too slow."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def write(self, name: str, text: str) -> None:
        """Append `text` to the file `name`, soon. Never blocks."""
        data = text.encode("utf-8", "replace")
        with self._changed:
            if self._closed or self._size + len(data) > WAITING_BYTES:
                self.dropped += 1
                return
            self._waiting.setdefault(name, []).append(data)
            self._size += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Write what waits and end the thread. Blocking, at most five seconds. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        broken: set[str] = set()
        while batch := self._next_batch():
            for name, parts in batch.items():
                try:
                    self._append(self._folder / name, b"".join(parts))
                    broken.discard(name)
                except OSError as error:
                    if name not in broken:
                        log.warning("cannot write the log %s: %s", name, error)
                    broken.add(name)

    def _next_batch(self) -> dict[str, list[bytes]]:
        """All that waits; empty once closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch, self._waiting, self._size = self._waiting, {}, 0
            return batch

    def _append(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(data) > self._file_bytes:
            _rotate(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            os.write(descriptor, data[-self._file_bytes :])
        finally:
            os.close(descriptor)


def _rotate(path: Path) -> None:
    parts = [path, *(path.with_name(f"{path.name}.{age}") for age in range(1, FILES))]
    for newer, older in reversed(tuple(pairwise(parts))):
        if newer.exists():
            newer.replace(older)
