"""A GGUF's header with its long arrays, which every other reader steps over: for who asks to see.

A vocabulary is some 10 MB of text, so this is read when somebody asks, and never kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from paddock.library.gguf import KEPT_NUMBERS, read_header
from paddock.library.gguf_arrays import Steps
from paddock.library.gguf_cursor import MAX_STRINGS, Cursor
from paddock.library.header import Header

ALL: Final = MAX_STRINGS
"""Longer than any array that a header may have."""
MAX_TEXT: Final = 64 * 1024 * 1024
"""Bytes of strings that are read from one header; the arrays after that are not told."""


class FullHeader(NamedTuple):
    """A header, and what its arrays of strings hold."""

    header: Header
    texts: dict[str, tuple[str, ...]]
    """By key; those that are too long are missing."""


def read_lists(path: Path, longest: int) -> FullHeader:
    """The header of the file at `path` (no link), with arrays of up to `longest` texts.

    Numbers are kept up to that length too, and at least those that `read_header` keeps. Blocking:
    half a second where a large vocabulary is asked for. Raises GgufError and OSError.
    """
    steps = _KeptSteps(longest)
    header = read_header(path, steps, kept_numbers=max(longest, KEPT_NUMBERS))
    keys = [key for key, array in header.arrays.items() if array.element == "string"]
    found = zip(keys, steps.found, strict=False)  # a file that fools the steps is told with less
    return FullHeader(header, {key: texts for key, texts in found if texts is not None})


class _KeptSteps(Steps):
    """Steps over arrays of strings, and keeps the short ones in the order of the header."""

    def __init__(self, longest: int) -> None:
        super().__init__()
        self.found: list[tuple[str, ...] | None] = []
        self._longest = longest
        self._left = MAX_TEXT

    def over(self, cursor: Cursor, count: int) -> None:
        start = cursor.position
        super().over(cursor, count)
        size = cursor.position - start
        if count > self._longest or size > self._left:
            self.found.append(None)
            return
        self._left -= size
        cursor.jump(start)
        self.found.append(tuple(_text(cursor) for _ in range(count)))


def _text(cursor: Cursor) -> str:
    return cursor.take(cursor.take_u64()).decode("utf-8", "replace")
