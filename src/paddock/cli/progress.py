"""How far something is, on stderr: statuses and bars, redrawn on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any, Self, TextIO

from paddock.cli.ollama_units import decimal_bytes, span
from paddock.cli.table import printable
from paddock.cli.terminal import is_terminal, size

_DRAW_SECONDS = 0.06
_PARTS = " ▏▎▍▌▋▊▉█"


class Progress:
    """Lines on stderr, one for each status and each thing that is moved.

    A context manager: at its end everything is drawn once more, and the cursor is below it.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lines: dict[str, _Line] = {}
        self._live = is_terminal(self._stream)
        self._drawn = 0
        """Lines on the screen, the cursor at the end of the last of them."""
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live and self._lines:
            self._draw()
            self._stream.write("\n")
            self._stream.flush()

    def follow(self, lines: Generator[dict[str, Any]]) -> None:
        """Show the statuses that the daemon streams, until the last; then `lines` is closed."""
        with closing(lines):
            for told in lines:
                status = printable(str(told.get("status") or ""))
                if total := told.get("total"):
                    self.bar(status, int(told.get("completed") or 0), int(total))
                elif status:
                    self.status(status)

    def status(self, text: str) -> None:
        """A new line, unless the same one is there already."""
        if text not in self._lines:
            self._lines[text] = _Line(text)
            self._changed(text)

    def bar(self, title: str, done: int, total: int) -> None:
        """The line of that title: so many bytes of `total` are done."""
        line = self._lines.setdefault(title, _Line(title))
        was_whole = line.is_whole
        line.move(done, total)
        self._changed("" if was_whole or not line.is_whole else line.whole())

    def _changed(self, plain: str) -> None:
        if not self._live:
            if plain:
                self._stream.write(f"{plain}\n")
                self._stream.flush()
        elif time.monotonic() - self._drawn_at >= _DRAW_SECONDS:
            self._draw()

    def _draw(self) -> None:
        columns, rows = size(self._stream)
        shown = list(self._lines.values())[-max(rows - 1, 1) :]
        up = f"\r\x1b[{self._drawn - 1}A" if self._drawn > 1 else "\r"
        text = "\n".join(f"{line.text(columns - 1)}\x1b[K" for line in shown)
        self._stream.write(up + text)
        self._stream.flush()
        self._drawn = len(shown)
        self._drawn_at = time.monotonic()


class _Line:
    """One status, or one bar when it has a total."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._done = self._total = self._begun_with = 0
        self._begun = time.monotonic()

    @property
    def is_whole(self) -> bool:
        return 0 < self._total <= self._done

    def move(self, done: int, total: int) -> None:
        if not self._total:
            self._begun_with = done  # what was there before is not what moves now
        self._done, self._total = done, total

    def whole(self) -> str:
        """The line without a bar, once all is done."""
        return f"{self._title}: 100% {decimal_bytes(self._total)}"

    def text(self, columns: int) -> str:
        if not self._total:
            return self._title[:columns]
        front = f"{self._title}: {min(100 * self._done // self._total, 100):3d}% "
        end = f" {self._end()}"
        room = columns - len(front) - len(end) - 2
        if room < 1:
            return (front + end.lstrip())[:columns]
        return f"{front}▕{_bar(self._done / self._total, room)}▏{end}"

    def _end(self) -> str:
        if self.is_whole:
            return decimal_bytes(self._total)
        moved, seconds = self._done - self._begun_with, time.monotonic() - self._begun
        share = f"{decimal_bytes(self._done)}/{decimal_bytes(self._total)}"
        if moved <= 0 or seconds < 1:
            return share
        rate = moved / seconds
        left = span((self._total - self._done) / rate)
        return f"{share}  {decimal_bytes(rate)}/s  {left}"


def _bar(share: float, width: int) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_PARTS[part] if part else "")).ljust(width)
