"""What a model's child prints: lines in a bounded ring, for followers, and for the log file.

Output is untrusted: it may be endless, binary, or hold sequences that drive a terminal. Lines are
cut, decoded with replacement, and freed of control characters before anyone sees them. Nor do they
see secrets that the child was given, and which it may repeat.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import islice
from typing import Self

RING_LINES = 2000
RING_CHARACTERS = 256 << 10
LINE_BYTES = 8192
"""A longer line is cut here."""
BURST_LINES = 1000
"""Lines taken from one read; a child that floods its output must not keep the loop busy."""
FOLLOWER_LINES = 4000
"""Lines that a follower may be behind before it loses the oldest."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Lines:
    """Cuts a stream of bytes into lines of clean text."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._part = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *whole, rest = data.split(b"\n")
        lines = []
        left_out = len(whole) - BURST_LINES
        for piece in whole[:BURST_LINES]:
            self._take(piece)
            lines.append(clean(bytes(self._part), self._limit))
            self._part.clear()
        if left_out > 0:
            lines.append(f"[{left_out} lines left out: too many at once]")
        self._take(rest)
        return lines

    def _take(self, piece: bytes) -> None:
        # One byte over the limit is kept, to know that the line was cut.
        self._part += piece[: self._limit + 1 - len(self._part)]

    def end(self) -> list[str]:
        """The last line, when it did not end in a newline."""
        last = [clean(bytes(self._part), self._limit)] if self._part else []
        self._part.clear()
        return last


def clean(line: bytes, limit: int = LINE_BYTES) -> str:
    """One line as text that is safe to show: what a terminal would end up with, no controls."""
    text = line[:limit].decode("utf-8", "replace").rstrip("\r")
    shown = _CONTROLS.sub("", _ESCAPES.sub("", text.rpartition("\r")[2]))
    return f"{shown} [cut]" if len(line) > limit else shown


class Ear:
    """Hears both streams of one child and tells an `Output` the lines."""

    def __init__(
        self,
        output: Output,
        report: Callable[[str], bool],
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`report` sees each line of stdout first, and keeps it to itself by returning True.
        `note` sees each line of stderr.
        """
        self._output = output
        self._report = report
        self._note = note
        self._out = Lines()
        self._err = Lines()

    def stdout(self, data: bytes) -> None:
        """What the child wrote to stdout."""
        self._output.add(line for line in self._out.feed(data) if not self._report(line))

    def stderr(self, data: bytes) -> None:
        """What the child wrote to stderr."""
        lines = self._err.feed(data)
        for line in lines:
            self._note(line)
        self._output.add(lines)

    def end(self) -> None:
        """The child is gone: take the lines that it did not finish."""
        self._output.add(self._out.end() + self._err.end())


class Output:
    """The last lines that the children of one model printed. Loop thread only."""

    def __init__(self, write: Callable[[str], None], mask: Callable[[str], str]) -> None:
        """`write` takes text for the log file; it must not block. `mask` hides what is secret."""
        self._write = write
        self._mask = mask
        self._ring: deque[str] = deque()
        self._size = 0
        self._followers: set[Follower] = set()
        self.count = 0
        """Lines ever added."""

    def add(self, lines: Iterable[str]) -> None:
        """Take lines as they come."""
        fresh = [self._mask(line) for line in lines]
        if not fresh:
            return
        for line in fresh:
            self._ring.append(line)
            self._size += len(line)
        self.count += len(fresh)
        while len(self._ring) > RING_LINES or self._size > RING_CHARACTERS:
            self._size -= len(self._ring.popleft())
        for follower in tuple(self._followers):
            follower.offer(fresh)
        self._write("\n".join(fresh) + "\n")

    def tail(self, lines: int = RING_LINES, *, since: int = 0) -> tuple[str, ...]:
        """The last lines that are still kept, oldest first; none older than number `since`."""
        wanted = min(lines, self.count - since, len(self._ring))
        return tuple(islice(self._ring, len(self._ring) - max(0, wanted), None))

    def subscribe(self, history: int = RING_LINES) -> Follower:
        """The last `history` lines, then all that come. Use it as a context manager."""
        return Follower(self._followers, self.tail(history))


class Follower:
    """Iterates over lines as they come; leave its `with` block to end it."""

    def __init__(self, followers: set[Follower], history: Iterable[str]) -> None:
        self._followers = followers
        self._waiting = deque(history)
        self._lost = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def __enter__(self) -> Self:
        self._followers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; an iterator that waits ends at once. Idempotent."""
        self._closed = True
        self._followers.discard(self)
        self._arrived.set()

    def offer(self, lines: Iterable[str]) -> None:
        """Take lines. The oldest are lost when too many wait."""
        self._waiting.extend(lines)
        while len(self._waiting) > FOLLOWER_LINES:
            self._waiting.popleft()
            self._lost += 1
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            while self._waiting:
                if self._lost:
                    lost, self._lost = self._lost, 0
                    yield f"[{lost} lines lost: the reader was too slow]"
                yield self._waiting.popleft()
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()
