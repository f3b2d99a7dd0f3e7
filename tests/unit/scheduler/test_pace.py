from __future__ import annotations

import pytest

from paddock.scheduler.pace import LONGEST, SHORTEST, Pace


def test_nothing_is_known_of_a_model_that_never_ran():
    assert Pace().wait("a", 3, 2) is None


@pytest.mark.parametrize(
    ("seconds", "ahead", "slots", "wait"),
    [
        (4, 0, 1, 4),
        (4, 1, 1, 8),
        (4, 1, 2, 4),
        (4, 2, 2, 8),
        (4, 0, 0, 4),
        (0.01, 0, 1, SHORTEST),
        (500, 9, 1, LONGEST),
    ],
)
def test_who_comes_back_later_finds_those_ahead_served(seconds, ahead, slots, wait):
    pace = Pace()
    pace.record("a", seconds)
    assert pace.wait("a", ahead, slots) == wait


def test_the_newest_requests_count_most():
    pace = Pace()
    pace.record("a", 2)
    for _ in range(20):
        pace.record("a", 10)
    assert pace.wait("a", 0, 1) == pytest.approx(10, abs=0.2)


def test_what_left_the_library_is_forgotten():
    pace = Pace()
    pace.record("a", 2)
    pace.forget("a")
    pace.forget("a")
    assert pace.wait("a", 0, 1) is None
