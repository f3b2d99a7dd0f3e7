"""Which target a selector chooses."""

from __future__ import annotations

import pytest

from paddock.config.routing import Selector, SelectorSettings
from paddock.gateway.selectors import Candidate, Warmth, choose

AWAY, COLD, STARTING, READY = Warmth.AWAY, Warmth.COLD, Warmth.STARTING, Warmth.READY

State = tuple[Warmth, int]


def chosen(strategy: str, states: list[State], *, spillover: int = 1, turn: int = 0) -> str:
    selector = Selector.model_validate(
        {"strategy": strategy, "targets": ["a"], "settings": SelectorSettings(spillover=spillover)}
    )
    candidates = [Candidate("abcd"[i], *state) for i, state in enumerate(states)]
    return choose(selector, candidates, turn).name


@pytest.mark.parametrize(
    "states",
    [
        [(COLD, 0), (READY, 0)],
        [(AWAY, 0), (READY, 0)],
        [(READY, 9), (READY, 0)],
    ],
)
def test_pin_takes_the_first_whatever_happens(states: list[State]) -> None:
    assert chosen("pin", states) == "a"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([(COLD, 0)], "a"),
        ([(COLD, 0), (COLD, 0)], "a"),
        ([(READY, 9), (READY, 0)], "a"),
        ([(COLD, 0), (READY, 9)], "b"),
        ([(STARTING, 0), (READY, 0)], "b"),
        ([(STARTING, 0), (COLD, 0)], "a"),
        ([(COLD, 0), (STARTING, 0)], "b"),
        ([(COLD, 0), (STARTING, 0), (READY, 0)], "c"),
        ([(AWAY, 0), (COLD, 0)], "b"),
        ([(AWAY, 0), (AWAY, 0)], "a"),
    ],
)
def test_warm_takes_what_answers_soonest(states: list[State], expected: str) -> None:
    assert chosen("warm", states) == expected


@pytest.mark.parametrize(
    ("spillover", "turn", "states", "expected"),
    [
        (1, 0, [(COLD, 0), (COLD, 0)], "a"),
        (1, 5, [(COLD, 0), (COLD, 0)], "a"),
        (1, 0, [(READY, 0), (COLD, 0)], "a"),
        (1, 0, [(COLD, 0), (READY, 0)], "b"),
        (1, 0, [(READY, 1), (COLD, 0)], "b"),
        (2, 0, [(READY, 1), (COLD, 0)], "a"),
        (2, 0, [(READY, 2), (COLD, 0)], "b"),
        (2, 0, [(STARTING, 1), (COLD, 0)], "a"),
        (2, 0, [(STARTING, 2), (COLD, 0)], "b"),
        (2, 0, [(READY, 1), (READY, 0), (COLD, 0)], "b"),
        (2, 0, [(READY, 2), (READY, 1), (COLD, 0)], "b"),
        (2, 0, [(READY, 2), (READY, 2), (COLD, 0)], "c"),
        (2, 0, [(READY, 1), (READY, 1), (COLD, 0)], "a"),
        (2, 1, [(READY, 1), (READY, 1), (COLD, 0)], "b"),
        (2, 2, [(READY, 1), (READY, 1), (COLD, 0)], "a"),
        (1, 0, [(READY, 3), (READY, 2)], "b"),
        (1, 0, [(READY, 2), (READY, 2)], "a"),
        (1, 1, [(READY, 2), (READY, 2)], "b"),
        (1, 4, [(READY, 2), (READY, 2), (READY, 2)], "b"),
        (1, 0, [(READY, 1), (AWAY, 0)], "a"),
        (1, 0, [(AWAY, 0), (COLD, 0)], "b"),
        (1, 0, [(AWAY, 0)], "a"),
        (1, 0, [(READY, 1), (AWAY, 0), (COLD, 0)], "c"),
    ],
)
def test_spillover_fills_what_runs_before_it_starts_more(
    spillover: int, turn: int, states: list[State], expected: str
) -> None:
    assert chosen("spillover", states, spillover=spillover, turn=turn) == expected
