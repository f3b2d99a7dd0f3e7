"""The last lines of a log, and those who follow it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

RING_BYTES = 100 << 10
FOLLOWER_LINES = 1000


class LineRing:
    """Keeps the last lines of a log. Lines may come from any thread."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0
        self._followers: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.listeners: list[Callable[[str], None]] = []
        """Are given every line too, in the thread it comes from; must not block."""

    def add(self, text: str) -> None:
        """Take a line, or some of them; each ends in a newline."""
        self._lines.append(text)
        self._size += len(text)
        while self._size > RING_BYTES and len(self._lines) > 1:
            self._size -= len(self._lines.popleft())
        if self._followers and self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell, text)
        for listen in self.listeners:
            listen(text)

    def history(self) -> str:
        """The lines that are kept, at most 100 KiB."""
        return "".join(tuple(self._lines))

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

    def _tell(self, text: str) -> None:
        for queue in self._followers:
            if not queue.full():
                queue.put_nowait(text)
