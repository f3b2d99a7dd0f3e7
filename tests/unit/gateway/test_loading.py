"""What is said of a wait, in each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paddock.gateway.loading import Comments, Pings, Reasoning, Wait, dialect_of
from paddock.gateway.sse import SseEvent, SseParser

FULL = "all 2 slots are in use"


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (Wait("a", "loading", 1), "loading a"),
        (Wait("a", "loading", 1, "the model is loading", 0.434), "loading a 43 %"),
        (Wait("a", "loading", 1, progress=0.0), "loading a 0 %"),
        (Wait("a", "loading", 3, progress=1.0), "loading a 100 %, position 3"),
        (Wait("a", "loading", 2), "loading a, position 2"),
        (Wait("a", "queued", 2, FULL), f"waiting for a, position 2: {FULL}"),
        (Wait("a", "queued", 1), "waiting for a, position 1"),
    ],
)
def test_words(wait: Wait, words: str) -> None:
    assert str(wait) == words
    assert Comments().news(wait) == f": {words}\n\n".encode()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/chat/completions", Reasoning),
        ("/chat/completions", Reasoning),
        ("/v/chat/completions", Reasoning),
        ("/v1/messages", Pings),
        ("/v1/responses", Comments),
        ("/v1/completions", Comments),
        ("/completion", Comments),
        ("/completions", Comments),
        ("/infill", Comments),
    ],
)
def test_the_dialect_of_a_path(path: str, kind: type) -> None:
    assert isinstance(dialect_of(path, "r1", "a"), kind)


def parsed(frame: bytes) -> list[SseEvent]:
    return SseParser().feed(frame)


def line(frame: bytes) -> Any:
    (event,) = parsed(frame)
    return json.loads(event.data)["choices"][0]["delta"]["reasoning_content"]


def test_lines_of_reasoning_repeat_no_subject() -> None:
    dialect = Reasoning("r1", "a")
    told = [
        dialect.news(Wait("a", "queued", 2, FULL)),
        dialect.news(Wait("a", "queued", 1, FULL)),
        dialect.news(Wait("a", "loading", 1)),
        dialect.news(Wait("a", "loading", 1, progress=0.5)),
        dialect.ready("a", 12.34),
    ]

    assert [line(frame) for frame in told] == [
        f"waiting for a, position 2: {FULL}\n",
        f"position 1: {FULL}\n",
        "loading a\n",
        "50 %\n",
        "a is ready after 12s\n\n",
    ]


def test_a_ping_is_an_event_of_that_name() -> None:
    (event,) = parsed(Pings().news(Wait("a", "loading", 1, "the model is loading", 0.5)))

    assert event.event == "ping"
    assert json.loads(event.data) == {
        "type": "ping",
        "paddock": {
            "model": "a",
            "state": "loading",
            "position": 1,
            "reason": "the model is loading",
            "progress": 0.5,
        },
    }


NAMES = ["a\nb", "a\r\ndata: x", 'a"b', "ü\u2028z", "\udc80", "a\x00b", "\x85"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dialect", [Comments(), Pings(), Reasoning("r1", "a")])
def test_no_name_breaks_a_frame(name: str, dialect: Comments | Pings | Reasoning) -> None:
    wait = Wait(name, "queued", 1, f"{name} serves 1 requests")
    for frame in (dialect.news(wait), dialect.alive(wait), dialect.ready(name, 1.0)):
        head, end, rest = frame.partition(b"\n\n")
        assert (end, rest) == (b"\n\n", b"")
        assert head.startswith((b": ", b"data: ", b"event: ping\ndata: "))
        assert b"\r" not in head
        for event in parsed(frame):
            json.loads(event.data)


@pytest.mark.parametrize("name", NAMES)
def test_comments_of_any_name_are_no_event(name: str) -> None:
    assert parsed(Comments().news(Wait(name, "queued", 1, name))) == []
