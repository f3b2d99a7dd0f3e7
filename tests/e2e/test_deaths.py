"""An answer that breaks off is an error to its client, wherever and however it broke."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from tests.fakes.caller import (
    DIALECTS,
    Caller,
    Child,
    Crowd,
    Load,
    load_of,
    seconds_until,
)
from tests.fakes.house import House

FAULTS = ("rst_after", "truncate_after", "half_after", "end_after")
"""What breaks an answer while its child lives on."""


def batched(cases: tuple[Any, ...], size: int = 64) -> Iterator[tuple[Any, ...]]:
    """As many at a time as there are slots."""
    for first in range(0, len(cases), size):
        yield cases[first : first + size]


def tokens_in(body: bytearray) -> int:
    """How many tokens were said, which must be the first ones."""
    numbers = [int(number) for number in re.findall(rb'"t(\d+) "', body)]
    assert numbers == list(range(len(numbers)))
    return len(numbers)


def forgiven(house: House, model: str = "llama-a") -> None:
    """Load a model by hand after its child died, as an owner does who does not want to wait."""
    house.load(model)


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon for all deaths."""
    house = House(tmp_path_factory.mktemp("household"))
    house.add("llama-a")
    house.add("llama-b")
    yield house.start(house.config(parallel=64, maxLoadedModels=2))
    house.stop()


@pytest.fixture
def house(household: House) -> Iterator[House]:
    """A daemon with llama-a ready and no failures; after each test its counters are at zero."""
    forgiven(household)
    yield household
    seconds_until(lambda: load_of(household) == Load(0, 0))
    assert household.ask("GET", "/unload").status == 200


def test_a_stream_that_breaks_off_ends_in_an_error_event(house: House, crowd: Crowd) -> None:
    for cases in batched(tuple(product(DIALECTS, FAULTS, range(4), (0, 1)))):
        asked = [
            crowd.ask("llama-a", f"{fault}={tokens} bytewise={bytewise}", dialect=dialect)
            for dialect, fault, tokens, bytewise in cases
        ]
        for (dialect, fault, tokens, _), caller in zip(cases, asked, strict=True):
            # A reset throws away what the other side has not read yet, be it all of it.
            if caller.answer.status == 502:  # nothing had been written
                assert tokens == 0 or fault == "rst_after"
                assert caller.refusal()
                continue
            DIALECTS[dialect].error(caller.finish().body)
            assert caller.whole
            arrived = tokens_in(caller.body)
            assert arrived == tokens or (fault == "rst_after" and arrived < tokens)
    assert Child(house, "llama-a").running == 0


def test_an_answer_that_was_not_whole_is_not_asked_for_again_while_others_are(
    house: House, crowd: Crowd
) -> None:
    """Its connection ended well and serves the next request before anybody looks at the answer."""
    kinds = ("ollama-chat", "ollama-generate")
    for cases in batched(tuple(product(range(1, 8), kinds)) * 8):
        asked = [
            crowd.ask("llama-a", f"end_after={tokens}", dialect=dialect)
            for tokens, dialect in cases
        ]
        for (tokens, _), caller in zip(cases, asked, strict=True):
            caller.finish()
            assert tokens_in(caller.body) == tokens


@pytest.mark.parametrize("bytewise", [0, 1])
def test_an_error_event_of_the_engine_is_passed_on_as_it_is(
    house: House, crowd: Crowd, bytewise: int
) -> None:
    for dialect in DIALECTS:
        switches = f"error_after=2 bytewise={bytewise}"
        body = crowd.ask("llama-a", switches, dialect=dialect).finish().body
        assert DIALECTS[dialect].ending not in body
        assert body.count(b"fake error") == 1
        assert b"fake error" in body.rstrip().rpartition(b"\n")[2]


def test_an_answer_that_breaks_off_is_a_502(house: House, crowd: Crowd) -> None:
    for cases in batched(tuple(product(DIALECTS, (*FAULTS, "error_after"), (0, 3)))):
        asked = [
            crowd.ask("llama-a", f"{fault}={tokens}", dialect=dialect, stream=False)
            for dialect, fault, tokens in cases
        ]
        for (_, fault, _), caller in zip(cases, asked, strict=True):
            assert caller.refusal()
            assert caller.answer.status == (500 if fault == "error_after" else 502)
    assert house.chat("llama-a").status == 200


def test_a_line_too_long_to_hold_back_does_not_swallow_the_error(
    house: House, crowd: Crowd
) -> None:
    long = [(d, crowd.ask("llama-a", "big=300000 half_after=0", dialect=d)) for d in DIALECTS]
    for dialect, caller in long:
        if caller.answer.status == 502:  # translated: of half an event nothing is written
            assert caller.refusal()
        else:
            DIALECTS[dialect].error(caller.finish().body)


@pytest.mark.parametrize("bytewise", [0, 1])
def test_a_child_that_crashes_is_told_in_every_stream(
    house: House, crowd: Crowd, bytewise: int
) -> None:
    for crash_after in range(4):
        others = {
            dialect: crowd.ask("llama-a", "tokens=100000 tps=20", dialect=dialect)
            for dialect in DIALECTS
        }
        for other in others.values():
            other.until("t0 ")
        crashed = crowd.ask("llama-a", f"crash_after={crash_after} bytewise={bytewise} code=7")
        if crashed.answer.status == 502:
            assert crash_after == 0
            assert "exit code 7" in crashed.json()["error"]["message"]
        else:
            error = DIALECTS["chat"].error(crashed.finish().body)
            assert "exit code 7" in error["message"]
            assert tokens_in(crashed.body) == crash_after
        for dialect, other in others.items():
            assert "exit code 7" in DIALECTS[dialect].error(other.finish().body)["message"]
        forgiven(house)


def test_a_child_killed_at_random_leaves_no_stream_without_an_end(
    house: House, crowd: Crowd
) -> None:
    chance = random.Random(7)
    complete = 0
    for _ in range(10):
        forgiven(house)
        child = Child(house, "llama-a").state()["pid"]
        asked = [
            (dialect, crowd.ask("llama-a", f"tokens=30 tps={tps}", dialect=dialect))
            for dialect in DIALECTS
            for tps in (40, 100, 200, 400)
        ]
        time.sleep(chance.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
        complete += sum(not broke(dialect, caller) for dialect, caller in asked)
    assert complete < 200, "nothing was killed in time"


def broke(dialect: str, caller: Caller) -> bool:
    """Whether the answer ended in an error; fails when it ended neither so nor well."""
    if caller.answer.status != 200:
        assert caller.answer.status in {502, 503}
        assert caller.refusal()
        return True
    if DIALECTS[dialect].ending in caller.finish().body:
        assert caller.whole
        assert "error" not in caller.body.decode()
        return False
    assert "killed" in DIALECTS[dialect].error(caller.body)["message"]
    return True


def test_a_child_that_dies_before_its_first_byte_is_a_502_with_the_reason(
    house: House, crowd: Crowd
) -> None:
    house.chat("llama-a")
    asked = [
        crowd.ask("llama-a", "delay=60", dialect=dialect, stream=stream)
        for dialect in DIALECTS
        for stream in (True, False)
    ]
    child = Child(house, "llama-a")
    seconds_until(lambda: child.running == len(asked))

    os.kill(child.state()["pid"], signal.SIGSEGV)

    for caller in asked:
        error = caller.refusal()
        assert caller.answer.status == 502
        assert "SIGSEGV" in error
        assert "llama-a" in error


def test_the_death_of_one_model_does_not_touch_another(house: House, crowd: Crowd) -> None:
    healthy = crowd.ask("llama-b", "tokens=40 tps=40").until("t1 ")
    for _ in range(3):
        doomed = crowd.ask("llama-a", "tokens=100000 tps=20").until("t1 ")
        os.kill(Child(house, "llama-a").state()["pid"], signal.SIGKILL)
        DIALECTS["chat"].error(doomed.finish().body)
        forgiven(house)

    assert b"data: [DONE]" in healthy.finish().body
    assert healthy.whole


def test_a_model_whose_child_died_comes_back_with_the_next_request(
    house: House, crowd: Crowd
) -> None:
    DIALECTS["chat"].error(crowd.ask("llama-a", "crash_after=1").finish().body)

    assert house.chat("llama-a").status == 200


def test_a_model_whose_child_dies_again_says_when_it_comes_back(house: House, crowd: Crowd) -> None:
    for _ in range(2):
        crowd.ask("llama-a", "crash_after=1").finish()

    answer = house.chat("llama-a")

    assert answer.status == 503
    assert answer.json()["error"]["code"] == "exited"
    time.sleep(float(answer.headers["Retry-After"]))
    assert house.chat("llama-a").status == 200
