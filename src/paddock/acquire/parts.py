"""Which bytes of a file are here, which are on their way, and which is to be asked for next.

Pure: no file, no clock, no loop.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

Span = tuple[int, int]
"""From this byte until before that one."""

_MANY: Final = 64
"""With fewer parts to come they are half as large, so that the last ones end together."""


class Part:
    """A range of the file that one connection brings. Only `Parts` changes it."""

    __slots__ = ("at", "end", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.at = start
        """Where the next byte belongs."""
        self.end = end

    @property
    def left(self) -> int:
        """Bytes that are still missing of it."""
        return self.end - self.at


class Parts:
    """The ranges of one file of `size` bytes, handed out from its begin to its end."""

    def __init__(self, size: int, part_bytes: int, here: Iterable[Span] = ()) -> None:
        """`here`: what is there already, as `spans` told it. Raises ValueError for nonsense."""
        self.size = size
        self._part_bytes = part_bytes
        self._waiting = _gaps(size, tuple(here))
        """Missing and nobody's, a heap by the place in the file."""
        self._open: set[Part] = set()
        self.present = size - sum(end - start for start, end in self._waiting)
        """Bytes that are here."""

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.present == self.size

    @property
    def frontier(self) -> int:
        """All bytes before this one are here."""
        waits = self._waiting[0][0] if self._waiting else self.size
        return min([waits, *(part.at for part in self._open if part.left)])

    def take(self, most: int = 0) -> Part | None:
        """The first range that nobody brings, or None. `most`: its bytes, 0 as is usual.

        Whoever takes it gives it back, complete or not.
        """
        if not self._waiting:
            return None
        start, end = heapq.heappop(self._waiting)
        part = Part(start, min(end, start + (most or self._usual())))
        if part.end < end:
            heapq.heappush(self._waiting, (part.end, end))
        self._open.add(part)
        return part

    def _usual(self) -> int:
        few = self.size - self.present < _MANY * self._part_bytes
        return max(1, self._part_bytes // 2 if few else self._part_bytes)

    def wrote(self, part: Part, count: int) -> None:
        """The next `count` bytes of a part are in the file."""
        if not 0 <= count <= part.left or part not in self._open:
            raise ValueError("more bytes than the part has")
        part.at += count
        self.present += count

    def give_back(self, part: Part) -> None:
        """Its connection is done with it; what is missing of it waits for another one."""
        self._open.discard(part)
        if part.left:
            heapq.heappush(self._waiting, (part.at, part.end))

    def spans(self) -> tuple[Span, ...]:
        """What is here: sorted, none touches another."""
        missing = [*self._waiting, *((part.at, part.end) for part in self._open if part.left)]
        edges = [(0, 0), *sorted(missing), (self.size, self.size)]
        return tuple((end, start) for (_, end), (start, _) in pairwise(edges) if end < start)


def _gaps(size: int, here: tuple[Span, ...]) -> list[Span]:
    """What is missing, sorted, which is a heap too."""
    edges = [(0, 0), *here, (size, size)]
    if size < 0 or any(start > end for start, end in here):
        raise ValueError("a span that ends before it starts")
    if any(end > start for (_, end), (start, _) in pairwise(edges)):
        raise ValueError("spans that overlap, or are not in the file")
    return [(end, start) for (_, end), (start, _) in pairwise(edges) if end < start]
