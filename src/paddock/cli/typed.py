"""Puts typed lines together: three quotes open a block of lines, and three quotes close it."""

from __future__ import annotations

from typing import NamedTuple

QUOTES = '"""'
_BEFORE = ("", "/set system ")
"""What may stand before the quotes that open a block."""


class Entry(NamedTuple):
    """What was typed, whole."""

    text: str
    is_command: bool
    """It begins with a slash, and not inside of quotes."""


class Typed:
    """The lines of one entry."""

    def __init__(self) -> None:
        self._front = ""
        self._lines: list[str] | None = None
        """None while no block is open."""

    @property
    def prompt(self) -> str:
        """What to ask for the next line with."""
        return ">>> " if self._lines is None else "... "

    def feed(self, line: str) -> Entry | None:
        """The entry without its quotes, or None while its block is open."""
        if self._lines is None:
            plain = line.lstrip()
            front = next((b for b in _BEFORE if plain.startswith(b + QUOTES)), None)
            if front is None:
                return Entry(line, plain.startswith("/") and "\n" not in line.strip())
            self._front, self._lines = front, []
            line = plain[len(front + QUOTES) :]
        whole = line.rstrip()
        if not whole.endswith(QUOTES):
            self._lines.append(line)
            return None
        text = "\n".join([*self._lines, whole[: -len(QUOTES)]]).strip("\n")
        entry = Entry(self._front + text, bool(self._front))
        self.drop()
        return entry

    def drop(self) -> None:
        """Forget an open block."""
        self._front, self._lines = "", None
