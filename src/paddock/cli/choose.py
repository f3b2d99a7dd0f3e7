"""A row of a table, chosen with the arrow keys; what is typed narrows the rows."""

from __future__ import annotations

import codecs
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self, TextIO

from paddock.cli.table import aligned, fitted
from paddock.cli.terminal import is_terminal, size

ENTER, ESCAPE, INTERRUPT, BACK, CLEAR = "\r", "\x1b", "\x03", "\x7f", "\x15"
UP, DOWN, PAGE_UP, PAGE_DOWN, HOME, END = "up", "down", "page up", "page down", "home", "end"

_SEQUENCES: Final = {
    "[A": UP,
    "OA": UP,
    "[B": DOWN,
    "OB": DOWN,
    "[5~": PAGE_UP,
    "[6~": PAGE_DOWN,
    "[H": HOME,
    "OH": HOME,
    "[1~": HOME,
    "[F": END,
    "OF": END,
    "[4~": END,
}
"""What follows ESC for each key that is no letter."""
_ALSO: Final = {"\n": ENTER, "\x08": BACK, "\x10": UP, "\x0e": DOWN, "\x04": ESCAPE}
_SEQUENCE_SECONDS = 0.1
"""A lone ESC is the key; a sequence comes at once, even over a slow line."""
_HELP = "↑ ↓ choose · Enter takes it · type to narrow · Esc leaves"


def can_choose() -> bool:
    """Whether somebody sees what is asked and can answer it."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


class Menu:
    """The rows, what was typed, and which row is pointed at."""

    def __init__(self, rows: Sequence[Sequence[str]], at: int = 0) -> None:
        self._rows = [" ".join(row).casefold() for row in rows]
        self._shown = list(range(len(rows)))
        self._at = at
        self.typed = ""

    @property
    def shown(self) -> Sequence[int]:
        """The rows that what was typed leaves, by their numbers."""
        return self._shown

    @property
    def chosen(self) -> int | None:
        """The number of the row that is pointed at; None when no row is left."""
        return self._shown[self._at] if self._shown else None

    def press(self, key: str, page: int = 10) -> None:
        """Take in a key; one without a meaning changes nothing."""
        steps = {UP: -1, DOWN: 1, PAGE_UP: -page, PAGE_DOWN: page}
        last = len(self._shown) - 1
        if key in steps:
            self._at = min(max(self._at + steps[key], 0), max(last, 0))
        elif key in {HOME, END}:
            self._at = 0 if key == HOME else max(last, 0)
        elif key == BACK:
            self._narrow(self.typed[:-1])
        elif key == CLEAR:
            self._narrow("")
        elif len(key) == 1 and key.isprintable():
            self._narrow(self.typed + key)

    def window(self, height: int) -> range:
        """Which of `shown` are to be seen, so many at most, the one that is pointed at among them.

        It lies in the middle where the rows are more than fit.
        """
        height = max(height, 1)
        begin = min(max(self._at - height // 2, 0), max(len(self._shown) - height, 0))
        return range(begin, min(begin + height, len(self._shown)))

    def _narrow(self, typed: str) -> None:
        """Only rows with every word of it; the pointer stays on its row if that is left."""
        before = self.chosen
        words = typed.casefold().split()
        self.typed = typed
        self._shown = [
            number for number, row in enumerate(self._rows) if all(word in row for word in words)
        ]
        self._at = self._shown.index(before) if before in self._shown else 0


def choose(titles: Sequence[str], rows: Sequence[Sequence[str]], at: int = 0) -> int | None:
    """The number of the row that a person takes on the terminal; None when they leave with Esc.

    `titles` are those of `table`. Raises KeyboardInterrupt for Ctrl-C. However it ends, the
    terminal is as it was and nothing of the question is left on it.
    """
    menu = Menu(rows, at)
    with _Screen(titles, rows, sys.stderr) as screen, _keys(sys.stdin) as keys:
        screen.draw(menu)
        for key in keys:
            if key == INTERRUPT:
                raise KeyboardInterrupt
            if key == ESCAPE:
                return None
            if key == ENTER and menu.chosen is not None:
                return menu.chosen
            menu.press(key, screen.page)
            screen.draw(menu)
    return None


class _Screen:
    """Draws a menu, and draws it anew over itself."""

    def __init__(
        self, titles: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO
    ) -> None:
        self._title, *self._lines = aligned(titles, rows)
        self._stream = stream
        self._drawn = 0
        """Lines above the cursor."""
        self.page = 10
        """Rows that are seen at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write(f"{self._up()}\x1b[J\x1b[?25h")

    def draw(self, menu: Menu) -> None:
        columns, rows = size(self._stream)
        self.page = max(rows - 4, 1)
        lines = [self._cut(f"  {self._title}", columns)]
        for place in menu.window(self.page):
            number = menu.shown[place]
            is_at = number == menu.chosen
            text = self._cut(f"{'>' if is_at else ' '} {self._lines[number]}", columns)
            lines.append(f"\x1b[7m{text}\x1b[m" if is_at else text)
        if not menu.shown:
            lines.append("  nothing has that in it")
        lines.append(self._cut(f"  {menu.typed or _HELP}", columns))
        text = "\x1b[K\n".join(lines)
        self._write(f"\x1b[?25l{self._up()}{text}\x1b[K\x1b[J")
        self._drawn = len(lines) - 1

    @staticmethod
    def _cut(text: str, columns: int) -> str:
        return fitted(text, columns - 1)

    def _up(self) -> str:
        return f"\r\x1b[{self._drawn}A" if self._drawn else "\r"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


@contextmanager
def _keys(stream: TextIO) -> Iterator[Iterator[str]]:
    """The keys that are pressed, until the terminal is gone; meanwhile it neither echoes nor
    waits for whole lines."""
    descriptor = stream.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    raw = termios.tcgetattr(descriptor)
    raw[3] &= ~termios.ISIG  # Ctrl-C is a key here, so that the screen is tidied first
    termios.tcsetattr(descriptor, termios.TCSADRAIN, raw)
    try:
        yield _pressed(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("ignore")
    while piece := os.read(descriptor, 1024):
        text = decoder.decode(piece)
        while text.endswith(ESCAPE) and select.select([descriptor], [], [], _SEQUENCE_SECONDS)[0]:
            text += decoder.decode(os.read(descriptor, 1024))
        yield from keys_of(text)


def keys_of(text: str) -> Iterator[str]:
    """The keys in what a terminal sent; sequences that are not known are left out."""
    at = 0
    while at < len(text):
        if text[at] != ESCAPE:
            yield _ALSO.get(text[at], text[at])
            at += 1
            continue
        end = _sequence_end(text, at + 1)
        if end == at + 1:
            yield ESCAPE
        elif key := _SEQUENCES.get(text[at + 1 : end]):
            yield key
        at = end


def _sequence_end(text: str, at: int) -> int:
    """Where the sequence after an ESC ends; where it begins when there is none."""
    if text[at : at + 1] == "O":
        return min(at + 2, len(text))
    if text[at : at + 1] != "[":
        return at
    end = at + 1
    while end < len(text) and not "@" <= text[end] <= "~":
        end += 1
    return min(end + 1, len(text))
