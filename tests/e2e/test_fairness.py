"""Many who want different models: few swaps, nobody is forgotten, and who cannot wait is told."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from tests.fakes.caller import Caller, Child, Crowd, Load, load_of, seconds_until
from tests.fakes.house import PATIENCE, House

MODELS = ("llama-a", "llama-b", "llama-c", "llama-d")


def starts(house: House, model: str = "") -> int:
    return house.said.count(f"starting {model}")


def finished(caller: Caller) -> bool:
    return b"[DONE]" in caller.finish().body if caller.answer.status == 200 else False


def test_mixed_requests_are_collated(house: House, crowd: Crowd) -> None:
    for name in MODELS:
        house.add(name)
    house.start(house.config(maxOvertake=5))
    chance = random.Random(3)
    wanted = [name for name in MODELS for _ in range(25)]
    chance.shuffle(wanted)
    asked = []
    for name in wanted:
        asked.append(crowd.ask(name, "tokens=10 tps=200"))
        time.sleep(0.01)

    assert all(finished(caller) for caller in asked)
    assert starts(house) <= 12
    assert load_of(house) == Load(0, 0)


def test_a_steady_stream_of_requests_cannot_keep_another_model_out(
    house: House, crowd: Crowd
) -> None:
    for name in MODELS[:2]:
        house.add(name)
    house.start(house.config(maxOvertake=1, parallel=1))
    busy = [crowd.ask("llama-a", "tokens=10 tps=50") for _ in range(30)]
    began = time.monotonic()
    other = crowd.ask("llama-b")

    assert finished(other)
    assert load_of(house).queued > 0, "it was served last"
    assert time.monotonic() - began < 10
    assert all(finished(caller) for caller in busy)


def test_one_client_more_than_may_wait_is_told_at_once(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start(house.config(parallel=1, maxQueue=3))
    busy = crowd.ask("llama-a", "tokens=1000000 tps=20").until("t0 ")
    waiting = [crowd.ask("llama-a", stream=stream) for stream in (True, False, True)]
    seconds_until(lambda: load_of(house).queued == 3)

    for stream in (True, False):
        began = time.monotonic()
        refused = crowd.ask("llama-a", stream=stream)
        assert refused.json()["error"]["code"] == "queue_full"
        assert refused.answer.status == 503
        assert int(refused.answer.headers["Retry-After"]) > 0
        assert time.monotonic() - began < 1

    busy.leave("fin")
    assert all(caller.finish().answer.status == 200 for caller in waiting)


def test_who_waited_as_long_as_allowed_is_told(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.add("llama-b")
    house.start(house.config(queueTimeout=4))  # a slow start of the first must fit in
    crowd.ask("llama-a", "tokens=1000000 tps=20").until("t0 ")
    for waited in [crowd.ask("llama-b", stream=stream) for stream in (True, False)]:
        assert waited.json()["error"]["code"] == "queue_timeout"
        assert waited.answer.status == 503
        assert int(waited.answer.headers["Retry-After"]) > 0
    assert load_of(house) == Load(1, 0)


def test_a_cold_model_starts_once_for_all_though_half_of_them_leave(
    house: House, crowd: Crowd
) -> None:
    gate = house.folder / "gate"
    house.add("llama-a")
    args = f"--fake load_gate={gate}"
    house.start(house.config(parallel=64, models={"llama-a": {"args": args}}))
    asked = [crowd.ask("llama-a", stream=number % 3 > 0) for number in range(200)]
    seconds_until(lambda: load_of(house).queued == 200)
    for number, caller in enumerate(asked[::2]):
        caller.leave(("fin", "rst", "half")[number % 3])
    seconds_until(lambda: load_of(house).queued == 100)
    gate.touch()

    for caller in asked[1::2]:
        assert caller.finish().whole
        assert caller.answer.status == 200
    assert starts(house) == 1
    assert Child(house, "llama-a").state()["completed"] == 100
    assert load_of(house) == Load(0, 0)


def test_two_agents_on_two_models_do_not_thrash(house: House) -> None:
    """Each asks again as soon as it is answered: without a stay that is a swap for each request."""
    for name in MODELS[:2]:
        house.add(name)
    house.start(house.config(minResidency=3, maxOvertake=1))
    ends = time.monotonic() + 12

    def agent(name: str) -> list[float]:
        waits = []
        while (began := time.monotonic()) < ends:
            assert house.chat(name, "fake tokens=3 tps=100").status == 200
            waits.append(time.monotonic() - began)
        return waits

    with ThreadPoolExecutor() as pool:
        waits = [wait for seconds in pool.map(agent, MODELS[:2]) for wait in seconds]

    assert 2 <= starts(house) <= 12 / 3 + 3
    assert len(waits) > 3 * starts(house)
    assert max(waits) < PATIENCE
