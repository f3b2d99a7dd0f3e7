"""Selectors: names that lead to one of several models, chosen for each request.

`choose` is pure: what the targets are doing goes in, the target to ask comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from paddock.config.routing import Selector


class Warmth(IntEnum):
    """How soon a target can answer."""

    AWAY = 0
    """A peer that could not be reached when it was last tried."""
    COLD = 1
    STARTING = 2
    READY = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target of a selector at this moment."""

    name: str
    warmth: Warmth
    in_flight: int
    """Requests it has, those that wait for it too."""

    @property
    def active(self) -> bool:
        """Whether giving it a request starts nothing."""
        return self.warmth >= Warmth.STARTING


def choose(selector: Selector, candidates: Sequence[Candidate], turn: int) -> Candidate:
    """The candidate, of at least one, that a request goes to.

    `turn` counts the requests of this selector: it decides between equals.
    """
    return STRATEGIES[selector.strategy](selector, candidates, turn)


def _pin(_selector: Selector, candidates: Sequence[Candidate], _turn: int) -> Candidate:
    return candidates[0]


def _warm(_selector: Selector, candidates: Sequence[Candidate], _turn: int) -> Candidate:
    return max(candidates, key=lambda candidate: candidate.warmth)  # of equals the first


def _spillover(selector: Selector, candidates: Sequence[Candidate], turn: int) -> Candidate:
    """Active ones until each has its fill; then the next that is not; then the least busy."""
    active = [candidate for candidate in candidates if candidate.active]
    fill = selector.settings.spillover
    cold = [candidate for candidate in candidates if candidate.warmth is Warmth.COLD]
    if cold and all(candidate.in_flight >= fill for candidate in active):
        return cold[0]
    return _least_busy(active or candidates, turn)


def _least_busy(candidates: Sequence[Candidate], turn: int) -> Candidate:
    fewest = min(candidate.in_flight for candidate in candidates)
    equals = [candidate for candidate in candidates if candidate.in_flight == fewest]
    return equals[turn % len(equals)]


Strategy = Callable[[Selector, Sequence[Candidate], int], Candidate]

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {"pin": _pin, "warm": _warm, "spillover": _spillover}
)
