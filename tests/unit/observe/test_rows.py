import json
from datetime import UTC, datetime
from typing import Any

import pytest

from paddock.observe.answer import Answer
from paddock.observe.record import Asked, Ended
from paddock.observe.rows import row_of

TIMINGS = b'{"timings": {"prompt_n": 3, "predicted_n": 8, "prompt_ms": 20.0}}'
USAGE = b'{"usage": {"prompt_tokens": 3, "completion_tokens": 5}}'


def row(answer=None, status=200, error="", **fields):
    timed: dict[str, Any] = {
        "duration": 2.0,
        "first": 1.0,
        "queued": 0.25,
        "loading": 0.5,
        "cancelled": "",
    }
    return row_of(
        Ended(
            asked=Asked("m", "/v1/x", requested=fields.pop("requested", "")),
            answer=answer or Answer(status),
            began=datetime(2026, 1, 1, tzinfo=UTC),
            status=status,
            error=error,
            **timed | fields,
        )
    )


def test_times_are_milliseconds():
    told = row()
    assert (told.time, told.duration, told.queued, told.loading) == (
        1767225600000,
        2000.0,
        250.0,
        500.0,
    )


@pytest.mark.parametrize(("requested", "told"), [("", "m"), ("alias", "alias")])
def test_a_row_has_the_name_that_was_asked_for(requested, told):
    assert row(requested=requested).requested == told


@pytest.mark.parametrize(
    ("answer", "first", "milliseconds"),
    [
        (Answer(200, events=True), 1.0, 1000.0),
        (Answer(200, events=True), None, None),
        (Answer(200, head=TIMINGS), 1.9, 770.0),
        (Answer(200, head=USAGE), 1.9, None),
        (Answer(200), None, None),
    ],
)
def test_the_time_to_the_first_token(answer, first, milliseconds):
    assert row(answer, first=first).first_token == milliseconds


@pytest.mark.parametrize(
    ("answer", "first", "speed"),
    [
        (Answer(200, events=True, head=USAGE), 1.0, 4.0),
        (Answer(200, events=True, head=USAGE), 2.0, 0.0),
        (Answer(200, events=True, head=USAGE), None, 0.0),
        (Answer(200, head=USAGE), 1.0, 0.0),
        (
            Answer(200, events=True, head=b'{"timings": {"predicted_per_second": 9.5}}'),
            1.0,
            9.5,
        ),
    ],
)
def test_the_speed_is_the_engines_or_what_was_seen(answer, first, speed):
    assert row(answer, first=first).generation_speed == speed


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (json.dumps({"error": {"message": "too long"}}).encode(), "too long"),
        (json.dumps({"error": "plain"}).encode(), "plain"),
        (b"not json", "not json"),
        (b"[1]", "[1]"),
        (b"", ""),
        (b"\xff\xfe", "��"),
        (b"x" * 9000, "x" * 500),
    ],
)
def test_an_engines_refusal_is_told(head, error):
    assert row(Answer(400, head=head), status=400).error == error
    assert row(Answer(200, head=head), status=200).error == ""


def test_our_own_error_wins():
    assert row(Answer(503, head=b"other"), status=503, error="no room").error == "no room"
