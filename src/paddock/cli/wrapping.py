"""Word wrap for text that comes in pieces."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import combining, east_asian_width

_TAB = 8


class Wrapper:
    """Breaks lines between words, as late as it can: a word is held until its end is known.

    `columns` is asked for every word, since a window changes its size.
    """

    def __init__(self, columns: Callable[[], int]) -> None:
        self._columns = columns
        self._at = 0
        """The column that the next letter would have."""
        self._space = ""
        self._word = ""
        self._word_width = 0

    def feed(self, text: str) -> str:
        """What can be written of `text` and of what was held."""
        return "".join(map(self._take, text))

    def end(self) -> str:
        """What is held; afterwards it begins on a new line."""
        out = self._flush() + self._space
        self._space, self._at = "", 0
        return out

    def _take(self, letter: str) -> str:
        if letter == "\n":
            return f"{self.end()}\n"
        if letter in " \t":
            out = self._flush()
            self._space += letter
            return out
        width = letter_width(letter)
        if width == 2:  # no spaces between words there: a line may end after each sign
            out = self._flush()
            self._hold(letter, width)
            return out + self._flush()
        self._hold(letter, width)
        return self._flush() if self._word_width >= max(self._columns(), 1) else ""

    def _hold(self, letter: str, width: int) -> None:
        self._word += letter
        self._word_width += width

    def _flush(self) -> str:
        """The word, on a new line when it does not fit on this one; then spaces before it go."""
        if not self._word:
            return ""
        before = self._space.expandtabs(_TAB)
        end = self._at + len(before) + self._word_width
        if self._at and end > self._columns():
            out, self._at = f"\n{self._word}", self._word_width
        else:
            out, self._at = f"{self._space}{self._word}", end
        self._space = self._word = ""
        self._word_width = 0
        return out


def letter_width(letter: str) -> int:
    """Columns that a letter takes: 0, 1 or 2."""
    if letter.isascii():
        return 1
    if combining(letter) or letter in "\u200b\u200c\u200d\ufe0e\ufe0f":
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
