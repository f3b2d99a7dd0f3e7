from __future__ import annotations

import math

import pytest

from paddock.errors import FailureKind
from paddock.scheduler.backoff import CRASH_LOOP, LASTING, Failures, pause

HEALING = sorted(set(FailureKind) - LASTING - {FailureKind.CRASH_LOOP, FailureKind.FILE_MISSING})


@pytest.mark.parametrize("kind", HEALING)
@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, math.inf), (6, math.inf)]
)
def test_pauses_double_until_the_fifth_failure_ends_them(kind, failures, seconds):
    assert pause(kind, failures, 0.0) == seconds


@pytest.mark.parametrize("kind", sorted(LASTING))
def test_what_no_retry_heals_is_not_tried_again(kind):
    assert pause(kind, 1, 0.0) == math.inf


@pytest.mark.parametrize("failures", [4, 5, 50])
def test_a_missing_file_is_looked_for_again_and_again(failures):
    assert pause(FailureKind.FILE_MISSING, failures, 0.0) == 8


def test_jitter_only_lengthens_and_never_by_more_than_a_quarter():
    assert pause(FailureKind.EXITED, 3, 0.0) == 4
    assert pause(FailureKind.EXITED, 3, 1.0) == 5


def fail(failures, model, *times, kind=FailureKind.EXITED, error=None):
    for time in times:
        history = failures.record(model, error(model.id, kind, f"said at {time}"), time, 0.0)
    return history


@pytest.fixture
def failures():
    return Failures()


def test_failures_older_than_a_minute_do_not_count(failures, failure, model):
    history = fail(failures, model(), 0, 20, 40, 60, 80, 100, error=failure)
    assert len(history.times) == 3
    assert not history.final


def test_five_failures_within_a_minute_are_a_crash_loop_with_the_childs_last_words(
    failures, failure, model
):
    fail(failures, model(), 0, 2, 5, 10, 20, error=failure)
    answer = failures.blocking(model(), 1e9).answer(1e9)
    assert answer.kind is FailureKind.CRASH_LOOP
    assert f"failed {CRASH_LOOP} times" in answer.message
    assert "said at 20" in answer.message
    assert answer.output[-1] == "said at 20"
    assert answer.retry_after is None
    assert "paddock load a" in answer.hint


def test_what_no_retry_heals_tells_how_it_is_tried_again(failures, failure, model):
    history = fail(failures, model(), 0, kind=FailureKind.NOT_EXECUTABLE, error=failure)
    answer = history.answer(1)
    assert answer.kind is FailureKind.NOT_EXECUTABLE
    assert answer.retry_after is None
    assert "paddock load a" in answer.hint


def test_a_pause_blocks_until_it_is_over_and_tells_what_is_left(failures, failure, model):
    fail(failures, model(), 10, error=failure)
    assert failures.blocking(model(), 10.4).answer(10.4).retry_after == pytest.approx(0.6)
    assert failures.blocking(model(), 11) is None
    assert failures.blocking(model("b"), 10.4) is None


def test_another_version_has_no_history(failures, failure, model):
    fail(failures, model(), 0, 1, 2, 3, 4, error=failure)
    assert failures.blocking(model("a", "2"), 5) is None
    history = fail(failures, model("a", "2"), 5, error=failure)
    assert len(history.times) == 1


def test_a_forgotten_history_blocks_nothing(failures, failure, model):
    fail(failures, model(), 0, kind=FailureKind.BAD_FLAG, error=failure)
    failures.forget("a")
    failures.forget("a")
    assert failures.blocking(model(), 0) is None
    assert list(failures) == []


def test_every_answer_is_an_error_of_its_own(failures, failure, model):
    history = fail(failures, model(), 0, kind=FailureKind.BAD_FLAG, error=failure)
    first, second = history.answer(1), history.answer(1)
    assert first is not second
    assert first is not history.last
    assert (first.kind, first.message, first.hint, first.output) == (
        (second.kind, second.message, second.hint, second.output)
    )
