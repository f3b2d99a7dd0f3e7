"""A client that leaves ends its request, wherever it is and however it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from tests.fakes.caller import DIALECTS, Child, Crowd, Load, load_of, seconds_until
from tests.fakes.house import House

LEAVING = tuple(product(DIALECTS, (True, False), ("fin", "rst", "half")))
"""Every way to be gone: dialect, whether it asked for a stream, how it left."""

LIMIT = 1.0
"""Generous: what is aimed at is 0.25 s on a quiet machine."""


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon for all who leave, with room for one model."""
    house = House(tmp_path_factory.mktemp("household"))
    for name in ("llama-a", "llama-b", "single", "gated"):
        house.add(name)
    gate = f"--fake load_gate={house.folder / 'gate'}"
    models = {"single": {"parallel": 1}, "gated": {"args": gate}}
    yield house.start(house.config(models=models))
    house.stop()


@pytest.fixture
def house(household: House) -> Iterator[House]:
    """A daemon in which nothing runs, before and after."""
    yield household
    assert household.ask("GET", "/unload").status == 200
    assert load_of(household) == Load(0, 0)


def leave_while_waiting(house: House, crowd: Crowd, model: str, active: int) -> list[float]:
    times = []
    for dialect, stream, way in LEAVING:
        caller = crowd.ask(model, dialect=dialect, stream=stream)
        seconds_until(lambda: load_of(house) == Load(active, 1))
        caller.leave(way)
        times.append(seconds_until(lambda: load_of(house) == Load(active, 0)))
    return times


def leave_while_working(
    house: House, crowd: Crowd, child: Child, switches: str, *, others: int = 0
) -> list[float]:
    times = []
    for dialect, stream, way in LEAVING:
        caller = crowd.ask("llama-a", switches, dialect=dialect, stream=stream)
        seconds_until(lambda: child.running == others + 1)
        caller.leave(way)
        freed = seconds_until(lambda: child.running == others)
        times.append(freed + seconds_until(lambda: load_of(house) == Load(others, 0)))
    return times


def test_a_client_that_leaves_the_queue_of_a_busy_model(house: House, crowd: Crowd) -> None:
    busy = crowd.ask("single", "tokens=100000 tps=20").until("t1 ")

    assert max(leave_while_waiting(house, crowd, "single", active=1)) < LIMIT

    busy.until("t9 ").leave("fin")
    assert house.chat("single").status == 200
    assert Child(house, "single").state()["aborted"] == 1


def test_a_client_that_leaves_while_another_model_has_the_room(house: House, crowd: Crowd) -> None:
    busy = crowd.ask("llama-a", "tokens=100000 tps=20").until("t1 ")

    assert max(leave_while_waiting(house, crowd, "llama-b", active=1)) < LIMIT

    busy.until("t9 ").leave("fin")
    assert house.running() == ["llama-a"]


def test_a_client_that_leaves_while_its_model_loads(house: House, crowd: Crowd) -> None:
    assert max(leave_while_waiting(house, crowd, "gated", active=0)) < LIMIT

    (house.folder / "gate").touch()
    assert house.chat("gated").status == 200
    assert Child(house, "gated").state()["aborted"] == 0
    assert house.said.count("starting gated") == 1


def test_a_client_that_leaves_in_prefill(house: House, crowd: Crowd) -> None:
    house.chat("llama-a")
    child = Child(house, "llama-a")

    assert max(leave_while_working(house, crowd, child, "delay=60")) < LIMIT

    assert child.state()["aborted"] == len(LEAVING)


def test_a_client_that_leaves_while_it_is_served_beside_another(house: House, crowd: Crowd) -> None:
    other = crowd.ask("llama-a", "tokens=100000 tps=20").until("t1 ")
    child = Child(house, "llama-a")

    times = leave_while_working(house, crowd, child, "tokens=100000 tps=50", others=1)

    assert max(times) < LIMIT
    assert child.state()["aborted"] == len(LEAVING)
    other.until("t20 ")


def test_a_client_that_leaves_in_the_middle_of_its_stream(house: House, crowd: Crowd) -> None:
    house.chat("llama-a")
    child = Child(house, "llama-a")
    times = []
    for dialect, _, way in (one for one in LEAVING if one[1]):
        caller = crowd.ask("llama-a", "tokens=100000 tps=100", dialect=dialect).until("t5 ")
        caller.leave(way)
        times.append(seconds_until(lambda: child.running == 0))
        seconds_until(lambda: load_of(house) == Load(0, 0))

    assert max(times) < LIMIT
    assert child.state()["aborted"] == len(times)
