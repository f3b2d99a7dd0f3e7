"""The daemon's own log: one line per event, on stderr and in a ring that clients may follow."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import AsyncIterator

RING_BYTES = 100 << 10
FOLLOWER_LINES = 1000
TROUBLES = 5

LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

_SECRETS = re.compile(
    r"(?i)((?:authorization|x-api-key)['\"]?\s*[:=]\s*['\"]?(?:bearer |basic )?"
    r"|[?&](?:key|api_key|token)=)[^\s'\"&,]+"
    r"|\b(?:hf_|sk-)[A-Za-z0-9_\-]{8,}"
)


def redact(text: str) -> str:
    """`text` with everything that looks like a key or a token made unreadable."""
    return _SECRETS.sub(lambda found: f"{found[1] or ''}[redacted]", text)


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback and all, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class LogRing(logging.Handler):
    """The last lines of the log, and those who follow it. Records may come from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[str] = deque()
        self._size = 0
        self._troubles: deque[str] = deque(maxlen=TROUBLES)
        self._followers: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record) + "\n"
        self._keep(line)
        if record.levelno >= logging.WARNING:
            self._troubles.append(line.rstrip())
        if self._followers and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell, line)

    def history(self) -> str:
        """The lines that are kept, at most 100 KiB."""
        return "".join(tuple(self._lines))

    def troubles(self) -> tuple[str, ...]:
        """The last warnings and errors, the last of them last."""
        return tuple(self._troubles)

    async def follow(self, *, history: bool = True) -> AsyncIterator[bytes]:
        """Every line from now on, after those that are kept. A slow reader loses lines."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str] = asyncio.Queue(FOLLOWER_LINES)
        self._followers.add(queue)
        try:
            if history:
                yield self.history().encode()
            while True:
                yield (await queue.get()).encode()
        finally:
            self._followers.discard(queue)

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        while self._size > RING_BYTES and len(self._lines) > 1:
            self._size -= len(self._lines.popleft())

    def _tell(self, line: str) -> None:
        for queue in self._followers:
            if not queue.full():
                queue.put_nowait(line)


def configure(level: str) -> LogRing:
    """Send the log of every part to stderr and to a new ring. `level`: debug, info, warning, error.

    Call once, when the daemon starts.
    """
    ring = LogRing()
    handlers: tuple[logging.Handler, ...] = (logging.StreamHandler(sys.stderr), ring)
    for handler in handlers:
        handler.setFormatter(RedactingFormatter(LINE))
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    logging.captureWarnings(capture=True)
    return ring
