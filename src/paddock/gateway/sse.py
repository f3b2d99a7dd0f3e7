"""Server-sent events: taking a stream apart, however it was split, and writing one.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html, with two liberties that
old engines need: an event without its final blank line counts, and a field `error` is an event of
that name. `id` and `retry` mean nothing between us and an engine and are skipped.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from paddock.errors import UpstreamLost

MAX_EVENT = 8 << 20
"""Bytes of one event: a whole long answer with room to spare."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")
_DATA_FIELDS = frozenset({b"data", b"error"})


class SseEvent(NamedTuple):
    """One event. `event` is its name, empty when it has none."""

    event: str
    data: bytes


class SseParser:
    """Takes bytes as they arrive, gives the events that are complete."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._line: list[bytes] = []
        """The pieces of a line whose end has not come yet."""
        self._data: list[bytes] = []
        self._name = ""
        self._line_size = self._data_size = 0
        self._skip_newline = False
        """The last piece ended in CR: an LF that follows belongs to it."""
        self._fresh = True

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes, in order. Raises UpstreamLost when one is too large."""
        if self._skip_newline and data:
            data = data.removeprefix(b"\n")
            self._skip_newline = False
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        lines = self._rejoined(data).splitlines()
        self._skip_newline = data.endswith(b"\r")
        rest = b"" if data.endswith((b"\n", b"\r")) else lines.pop()
        events = self._events(lines)
        self._keep(rest)
        return events

    def finish(self) -> list[SseEvent]:
        """The stream ended: the event that was still open, if it has data."""
        return self.feed(b"\n\n") if self._line or self._data else []

    def _rejoined(self, data: bytes) -> bytes:
        """`data` with the beginning of its first line."""
        if self._line:
            data = b"".join((*self._line, data))
            self._line.clear()
            self._line_size = 0
        if self._fresh:
            data = data.removeprefix(_BOM)
            self._fresh = False
        return data

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
            self._check_size()

    def _events(self, lines: list[bytes]) -> list[SseEvent]:
        events: list[SseEvent] = []
        for line in lines:
            if line:
                self._take(line)
                continue
            if self._data:
                events.append(SseEvent(self._name, b"\n".join(self._data)))
                self._data.clear()
                self._data_size = 0
            self._name = ""
        return events

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        elif field in _DATA_FIELDS:
            self._data.append(value[1:] if value.startswith(b" ") else value)
            self._data_size += len(line)
            self._check_size()
            if field == b"error":
                self._name = "error"

    def _check_size(self) -> None:
        if self._line_size + self._data_size > self._max_event:
            raise UpstreamLost(f"the engine sent an event of more than {self._max_event:,} bytes")


def event(data: bytes, name: str = "") -> bytes:
    """One event; each line end in `data` is read back as LF. `name` must be of one line."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"".join(b"data: %b\n" % line for line in _LINE_END.split(data)) + b"\n"


def comment(text: str) -> bytes:
    """A line that clients skip: it shows that the stream lives. `text` must be of one line."""
    return f": {text}\n\n".encode()
