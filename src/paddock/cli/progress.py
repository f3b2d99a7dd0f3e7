"""How far something is, on stderr: statuses and bars, redrawn on a terminal, else plain lines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any, Self, TextIO

from paddock.cli.ollama_units import decimal_bytes, span
from paddock.cli.table import fitted, printable
from paddock.cli.terminal import is_terminal, size
from paddock.cli.wrapping import letter_width

_DRAW_SECONDS = 0.06
_PLAIN_SECONDS = 10.0
"""Without a terminal a line tells this often how far it is."""
_PARTS = " ▏▎▍▌▋▊▉█"
_LEAST_BAR = 12
_LEAST_TITLE = 16
"""Columns that a long name leaves to its bar, and those it keeps."""


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
        self._changes = threading.Lock()
        self._ended = threading.Event()
        self._drawing: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._live:
            self._drawing = threading.Thread(target=self._draw_again, daemon=True)
            self._drawing.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawing is None:
            return
        self._ended.set()
        self._drawing.join()
        if self._lines:
            self._write(self._texts())
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
        with self._changes:
            is_new = text not in self._lines
            self._lines.setdefault(text, _Line(text))
        if is_new:
            self._say(text)

    def bar(self, title: str, done: int, total: int) -> None:
        """The line of that title: so many bytes of `total` are done."""
        with self._changes:
            line = self._lines.setdefault(title, _Line(title))
            was_whole = line.is_whole
            line.move(done, total)
        if line.is_whole:
            if not was_whole:
                self._say(line.whole())
        elif line.is_due():
            self._say(line.plain())

    def _say(self, plain: str) -> None:
        if not self._live:
            self._stream.write(f"{plain}\n")
            self._stream.flush()

    def _draw_again(self) -> None:
        """In a thread: what changes is on the screen soon, however long nothing else does."""
        last: list[str] = []
        while not self._ended.wait(_DRAW_SECONDS):
            if (now := self._texts()) != last:
                last = now
                self._write(now)

    def _texts(self) -> list[str]:
        columns, rows = size(self._stream)
        with self._changes:
            shown = list(self._lines.values())[-max(rows - 1, 1) :]
            return [line.text(columns - 1) for line in shown]

    def _write(self, texts: list[str]) -> None:
        up = f"\r\x1b[{self._drawn - 1}A" if self._drawn > 1 else "\r"
        self._stream.write(up + "\n".join(f"{text}\x1b[K" for text in texts))
        self._stream.flush()
        self._drawn = len(texts)


class _Line:
    """One status, or one bar when it has a total."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._done = self._total = self._begun_with = 0
        self._begun = self._told = time.monotonic()

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

    def is_due(self) -> bool:
        """Whether it is time to tell in plain text how far it is; then it is told."""
        now = time.monotonic()
        if now - self._told < _PLAIN_SECONDS:
            return False
        self._told = now
        return True

    def plain(self) -> str:
        """The line without a bar, until all is done."""
        return f"{self._title}{self._share()}{self._end()}"

    def text(self, columns: int) -> str:
        if not self._total:
            return fitted(self._title, columns)
        share = self._share()
        end = f" {self._end()}"
        title = fitted(self._title, max(columns - len(share) - len(end) - _LEAST_BAR, _LEAST_TITLE))
        room = columns - sum(map(letter_width, title)) - len(share) - len(end) - 2
        if room < 1:
            return fitted(title + share + end.lstrip(), columns)
        return f"{title}{share}▕{_bar(self._done / self._total, room)}▏{end}"

    def _share(self) -> str:
        return f": {min(100 * self._done // self._total, 100):3d}% "

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
