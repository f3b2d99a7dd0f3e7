"""Columns of text, as narrow as what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of columns two spaces apart; a title that starts with `>` aligns its column right."""
    right = [title.startswith(">") for title in titles]
    cells = [
        [title.removeprefix(">") for title in titles],
        *([printable(c) for c in r] for r in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        for row in cells
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def printable(text: str) -> str:
    """`text` without what could steer a terminal: names and logs come from strangers."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
