"""A stop lets what runs end for a while, then cuts it with an error; it never hangs."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from tests.fakes.caller import DIALECTS, Child, Crowd, lives, load_of, seconds_until
from tests.fakes.house import House

SLACK = 3.0
"""Seconds beyond its limits that a stop may take on a busy machine."""

ENDLESS = "tokens=1000000 tps=10"


def test_streams_get_their_time_and_new_requests_are_refused(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(parallel=64, drainTimeout=4))
    short = [crowd.ask("llama-a", "tokens=15 tps=10") for _ in range(25)]
    long = [
        (dialect, crowd.ask("llama-a", ENDLESS, dialect=dialect))
        for dialect in DIALECTS
        for _ in range(5)
    ]
    for caller in (*short, *(caller for _, caller in long)):
        caller.until("t0 ")
    began = time.monotonic()
    house.signal(signal.SIGTERM)

    seconds_until(lambda: house.chat("llama-a").status == 503)
    refused = house.chat("llama-a")
    assert refused.json()["error"]["code"] == "shutting_down"
    assert refused.headers["Connection"] == "close"
    for caller in short:
        assert b"data: [DONE]" in caller.finish().body
        assert caller.whole
    for dialect, caller in long:
        assert "unloaded" in DIALECTS[dialect].error(caller.finish().body)["message"]
        assert caller.whole
    assert house.wait() == 0
    assert 4 <= time.monotonic() - began < 4 + SLACK


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_cuts_at_once_with_an_error(
    house: House, crowd: Crowd, number: signal.Signals
) -> None:
    house.add("llama-a")
    house.start(house.config(parallel=64))
    streams = [(d, crowd.ask("llama-a", ENDLESS, dialect=d).until("t0 ")) for d in DIALECTS]
    whole = crowd.ask("llama-a", ENDLESS, stream=False)
    child = Child(house, "llama-a")
    seconds_until(lambda: child.running == len(streams) + 1)
    house.signal(number)
    house.until(lambda: "stopping: " in house.said, "it takes the first signal")
    began = time.monotonic()
    house.signal(number)

    for dialect, caller in streams:
        DIALECTS[dialect].error(caller.finish().body)
        assert caller.whole
    assert whole.json()["error"]["message"]
    assert whole.answer.status in {502, 503}
    assert house.wait() == 0
    assert time.monotonic() - began < SLACK


def test_sigint_stops_as_sigterm_does(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start()
    stream = crowd.ask("llama-a", "tokens=20 tps=20").until("t0 ")
    house.signal(signal.SIGINT)

    assert b"data: [DONE]" in stream.finish().body
    assert house.wait() == 0


def test_those_who_wait_are_told_at_once(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.add("llama-b")
    house.start(house.config(parallel=1, drainTimeout=2))
    crowd.ask("llama-a", ENDLESS).until("t0 ")
    waiting = [crowd.ask(model, stream=stream) for model in ("llama-a", "llama-b")
               for stream in (True, False)]  # fmt: skip
    seconds_until(lambda: load_of(house).queued == len(waiting))
    began = time.monotonic()
    house.signal(signal.SIGTERM)

    for caller in waiting:
        assert caller.json()["error"]["code"] == "shutting_down"
        assert caller.answer.status == 503
    assert time.monotonic() - began < 1
    assert house.wait() == 0


def test_a_stop_during_a_load(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(models={"llama-a": {"args": "--fake load=600"}}))
    asked = [crowd.ask("llama-a", stream=stream) for stream in (True, False)]
    seconds_until(lambda: load_of(house).queued == 2)
    child = Child(house, "llama-a")
    seconds_until(lambda: child.state() is not None)
    pid = child.state()["pid"]
    began = time.monotonic()
    house.signal(signal.SIGTERM)

    for caller in asked:
        assert caller.json()["error"]["code"] == "shutting_down"
    assert house.wait() == 0
    assert time.monotonic() - began < SLACK
    assert not lives(pid)


@pytest.mark.parametrize("phase", ["loading", "ready", "streaming"])
def test_children_that_do_not_want_to_go(house: House, crowd: Crowd, phase: str) -> None:
    stubborn = "--fake ignore_term=1 --fake grandchild=1"
    load = " --fake load=600" if phase == "loading" else ""
    house.add("llama-a")
    house.start(house.config(models={"llama-a": {"args": stubborn + load}}, drainTimeout=1))
    caller = crowd.ask("llama-a", ENDLESS if phase == "streaming" else "")
    if phase == "ready":
        caller.finish()
    elif phase == "streaming":
        caller.until("t0 ")
    child = Child(house, "llama-a")
    seconds_until(lambda: (child.state() or {}).get("grandchild", 0) > 0)
    state = child.state()
    began = time.monotonic()
    house.signal(signal.SIGTERM)

    assert house.wait() == 0
    stop_timeout, drain = 2, 1
    assert time.monotonic() - began < stop_timeout + drain + SLACK
    assert not lives(state["pid"])
    assert not lives(state["grandchild"])


def test_event_and_log_streams_end_at_once(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(drainTimeout=3))
    running = crowd.ask("llama-a", ENDLESS).until("t0 ")
    paths = ("/models/sse", "/logs/stream", "/logs/stream/llama-a")
    endless = [crowd.get(path) for path in paths]
    for caller in endless:
        assert caller.answer.status == 200
    began = time.monotonic()
    house.signal(signal.SIGTERM)

    for caller in endless:
        assert caller.finish().whole
    assert time.monotonic() - began < 1
    DIALECTS["chat"].error(running.finish().body)
    assert house.wait() == 0


def test_a_stop_leaves_no_trace_of_its_children(house: House) -> None:
    house.add("llama-a")
    house.start()
    house.chat("llama-a")

    assert house.stop() == 0

    left = [path for path in house.state.rglob("*.json") if "children" in path.parts]
    assert left == []
    assert "Traceback" not in house.said
    assert Path(house.state / "daemon.lock").exists()
