"""Columns of text, as narrow as what is in them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from paddock.cli.wrapping import letter_width


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of columns two spaces apart; a title that starts with `>` aligns its column right."""
    return "".join(f"{line}\n" for line in aligned(titles, rows))


def aligned(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of `table` one by one, the titles first."""
    right = [title.startswith(">") for title in titles]
    plain = [title.removeprefix(">") for title in titles]
    return [line.rstrip() for line in _aligned([plain, *_clean(rows)], right, "  ")]


def ollama_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of columns as Ollama prints them: all to the left, four spaces after each.

    Without titles it is the rows alone.
    """
    cells = [list(titles)] if titles else []
    lines = _aligned([*cells, *_clean(rows)], [], "    ")
    return "".join(f"{line}    \n" for line in lines)


def _clean(rows: Iterable[Sequence[str]]) -> Iterable[list[str]]:
    return ([printable(cell).translate(_ONE_LINE) for cell in row] for row in rows)


_ONE_LINE = {ord("\n"): " ", ord("\t"): " "}


def _aligned(cells: list[list[str]], right: Sequence[bool], between: str) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = right or [False] * len(widths)
    return (
        between.join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, sides, strict=True)
        )
        for row in cells
    )


def fitted(text: str, columns: int) -> str:
    """`text`, or as much of it as so many columns of a terminal hold, with `…` at its end."""
    if text.isascii() and len(text) <= columns:
        return text
    widths = list(accumulate(map(letter_width, text)))
    if not widths or widths[-1] <= columns:
        return text
    return text[: bisect_right(widths, columns - 1)] + "…" if columns > 0 else ""


def printable(text: str) -> str:
    """`text` without what could steer a terminal: names and logs come from strangers."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
