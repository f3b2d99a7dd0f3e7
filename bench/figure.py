"""A measured figure, its limit, and the table of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what Paddock took, what the bare thing took, and what was promised."""

    name: str
    value: float
    unit: str
    direct: float | None = None
    """The same without Paddock, in the same run."""
    limit: float | None = None
    """The promise for `value`, or for the ratio or difference that `value` already is."""
    at_least: bool = False
    """The limit is a lower one."""

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None when there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"kept": self.kept}


def table(figures: Iterable[Figure]) -> str:
    """The figures as text for people."""
    rows = [("figure", "value", "direct", "promise", "")]
    rows += [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    sign = "≥" if figure.at_least else "≤"
    return (
        figure.name,
        f"{_number(figure.value)} {figure.unit}",
        "" if figure.direct is None else _number(figure.direct),
        "" if figure.limit is None else f"{sign} {_number(figure.limit)}",
        {True: "kept", False: "NOT KEPT", None: ""}[figure.kept],
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
