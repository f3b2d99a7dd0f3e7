"""The distribution of some values: bars and percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

FEWEST_BARS, MOST_BARS = 5, 20


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars of equal width from `low` to `high`; values that are all the same are one bar."""

    bars: tuple[int, ...]
    low: float
    high: float
    width: float
    p50: float
    p95: float
    p99: float


def histogram(values: Iterable[float]) -> Histogram | None:
    """The distribution of `values`, or None when there are none. The more, the more bars."""
    ordered = sorted(values)
    if not ordered:
        return None
    low, high = ordered[0], ordered[-1]
    count = min(MOST_BARS, max(FEWEST_BARS, math.ceil(math.log2(len(ordered))) + 1))
    width = (high - low) / count
    marks = [percentile(ordered, part) for part in (0.50, 0.95, 0.99)]
    if width == 0:
        return Histogram((len(ordered),), low, high, 0.0, *marks)
    bars = [0] * count
    for value in ordered:
        bars[min(count - 1, int((value - low) / width))] += 1
    return Histogram(tuple(bars), low, high, width, *marks)


def percentile(ordered: list[float], part: float) -> float:
    """The value below which `part` (0..1) of the ordered values lie, between two of them if so."""
    place = part * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (place - math.floor(place)) * (above - below)
