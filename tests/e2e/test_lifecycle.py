"""Loading, swapping and unloading, by hand and by themselves; what is told about it meanwhile."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from tests.fakes.house import House
from tests.fakes.wire import Wire


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with room for one model at a time. Ask for `one_at_a_time`."""
    house = House(tmp_path_factory.mktemp("small"))
    for name in ("llama-a", "llama-b", "slow", "fleeting"):
        house.add(name)
    house.start(
        house.config(
            drainTimeout=2,
            models={
                "llama-a": {"aliases": ["alias of a"]},
                "slow": {"args": "--fake load=0.6"},
                "fleeting": {"ttl": 0.5},
                "a/b": {"cmd": house.command()},
                "unchecked": {"cmd": house.command("--fake", "load=1"), "checkEndpoint": "none"},
                "checked": {
                    "cmd": house.command("--fake", "load=0.3"),
                    "checkEndpoint": "/v1/models",
                    "aliases": ["checked alias"],
                },
                "brief": {"cmd": house.command(), "ttl": 0.5},
                "one-by-one": {"cmd": house.command(), "concurrencyLimit": 1},
                "two-by-two": {"cmd": house.command(), "concurrencyLimit": 2},
                "fixed": {
                    "cmd": house.command().replace("${PORT}", str(free_port())),
                    "proxy": f"http://127.0.0.1:{free_port()}",
                },
                "with-env": {"cmd": house.command(), "env": ["GREETING=hello there"]},
            },
        )
    )
    yield house
    house.stop()


_port: list[int] = []


def free_port() -> int:
    """One port that is free now, the same at every call."""
    if not _port:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            _port.append(sock.getsockname()[1])
    return _port[0]


@pytest.fixture
def one_at_a_time(small: House) -> Iterator[House]:
    """The daemon with room for one model, emptied after the test."""
    yield small
    small.ask("GET", "/unload")


def load(house: House, name: str) -> Any:
    return house.ask("POST", "/api/paddock/load", {"model": name})


# --- by itself ------------------------------------------------------------------------------------


def test_asking_for_a_b_a_swaps_with_one_in_memory_at_a_time(one_at_a_time: House) -> None:
    pids = []
    for name in ("llama-a", "llama-b", "llama-a"):
        assert one_at_a_time.chat(name).status == 200
        assert one_at_a_time.running() == [name]
        pids.append(one_at_a_time.engine_state(name)["pid"])

    assert len(set(pids)) == 3
    assert one_at_a_time.running() == ["llama-a"]


@pytest.mark.parametrize("name", ["fleeting", "brief"])
def test_after_its_ttl_a_model_leaves_memory(one_at_a_time: House, name: str) -> None:
    one_at_a_time.chat(name)

    one_at_a_time.until(lambda: one_at_a_time.running() == [], "the model leaves", patience=10)


def test_a_model_in_use_outlives_its_ttl(one_at_a_time: House) -> None:
    answer = one_at_a_time.chat("fleeting", "fake tokens=8 tps=6")

    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"].endswith("t7 ")


def test_a_request_that_waited_tells_how_long_it_took(one_at_a_time: House) -> None:
    first, second = (one_at_a_time.chat("slow").headers["Server-Timing"] for _ in range(2))

    assert load_time(first) > 500
    assert load_time(second) == 0


def load_time(timing: str) -> float:
    found = re.fullmatch(r"queue;dur=[\d.]+, load;dur=([\d.]+)", timing)
    assert found is not None
    return float(found[1])


def test_requests_for_a_cold_model_load_it_once(one_at_a_time: House) -> None:
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: one_at_a_time.chat("slow"), range(20)))

    assert {answer.status for answer in answers} == {200}
    assert one_at_a_time.engine_state("slow")["completed"] == 20


# --- by hand --------------------------------------------------------------------------------------


def test_loading_and_waiting_answers_when_the_model_is_ready(one_at_a_time: House) -> None:
    answer = load(one_at_a_time, "slow").json()

    assert answer["model"] == "slow"
    assert answer["state"] == "loaded"
    assert answer["load_seconds"] >= 0.6
    assert one_at_a_time.engine_state("slow")["completed"] == 0


def test_loading_as_llama_cpps_router_answers_at_once(one_at_a_time: House) -> None:
    answer = one_at_a_time.ask("POST", "/models/load", {"model": "slow"})

    assert answer.json() == {"success": True}
    status = one_at_a_time.get("/v1/models/slow")["status"]["value"]
    assert status in {"loading", "unloaded"}
    one_at_a_time.until(
        lambda: one_at_a_time.get("/v1/models/slow")["status"]["value"] == "loaded", "it is loaded"
    )


def test_loading_what_is_loaded_is_refused_as_the_router_does(one_at_a_time: House) -> None:
    load(one_at_a_time, "llama-a")

    answer = one_at_a_time.ask("POST", "/models/load", {"model": "alias of a"})

    assert answer.status == 400
    assert "already running" in answer.json()["error"]["message"]


def test_unloading_what_is_not_loaded_is_refused_as_the_router_does(one_at_a_time: House) -> None:
    answer = one_at_a_time.ask("POST", "/models/unload", {"model": "llama-a"})

    assert answer.status == 400
    assert "not running" in answer.json()["error"]["message"]


UNLOADS: dict[str, Callable[[House, str], Any]] = {
    "router": lambda house, name: house.ask("POST", "/models/unload", {"model": name}),
    "named": lambda house, name: house.ask("POST", f"/api/models/unload/{name}"),
    "all": lambda house, name: house.ask("POST", "/api/models/unload"),
    "llama-swap": lambda house, name: house.ask("GET", "/unload"),
}


@pytest.mark.parametrize("way", UNLOADS)
@pytest.mark.parametrize("name", ["llama-a", "a/b"])
def test_unloading_answers_when_the_model_is_gone(
    one_at_a_time: House, way: str, name: str
) -> None:
    load(one_at_a_time, name)
    pid = one_at_a_time.engine_state(name)["pid"]

    answer = UNLOADS[way](one_at_a_time, name)

    assert answer.status == 200
    assert one_at_a_time.running() == []
    assert not lives(pid)


def lives(pid: int) -> bool:
    return bool(psutil.pid_exists(pid))


@pytest.mark.parametrize("path", ["a%2Fb", "a/b", "alias%20of%20a"])
def test_a_model_is_unloaded_by_any_of_its_names(one_at_a_time: House, path: str) -> None:
    load(one_at_a_time, "alias of a" if "alias" in path else "a/b")

    assert one_at_a_time.ask("POST", f"/api/models/unload/{path}").text == "OK"
    assert one_at_a_time.running() == []


def test_unloading_all_when_nothing_runs_is_fine(one_at_a_time: House) -> None:
    assert one_at_a_time.ask("GET", "/unload").text == "OK"
    assert one_at_a_time.ask("POST", "/api/models/unload").json() == {"msg": "ok"}


def test_unloading_waits_for_a_running_answer(one_at_a_time: House) -> None:
    load(one_at_a_time, "llama-a")
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(one_at_a_time.chat, "llama-a", "fake tokens=8 tps=10")
        one_at_a_time.until(lambda: active(one_at_a_time), "the answer runs")
        one_at_a_time.ask("POST", "/api/models/unload/llama-a")

        assert answer.result().json()["choices"][0]["finish_reason"] == "stop"


def active(house: House) -> int:
    return sum(one["active"] for one in house.get("/api/paddock/instances")["instances"])


def test_a_model_unloaded_while_it_loads_goes_away(one_at_a_time: House) -> None:
    one_at_a_time.ask("POST", "/models/load", {"model": "slow"})
    one_at_a_time.until(one_at_a_time.running, "it loads")

    one_at_a_time.ask("POST", "/api/models/unload/slow")

    assert one_at_a_time.running() == []


# --- what is told ---------------------------------------------------------------------------------


def test_the_routers_events_tell_a_life_in_order(one_at_a_time: House) -> None:
    with one_at_a_time.wire() as wire:
        wire.ask("GET", "/models/sse")
        events = wire.events()
        one_at_a_time.ask("POST", "/models/load", {"model": "slow"})
        loading = until_status(events, "loaded")
        one_at_a_time.ask("POST", "/models/unload", {"model": "slow"})
        leaving = until_status(events, "unloaded")

    assert {event["model"] for event in (*loading, *leaving)} == {"slow"}
    assert {event["event"] for event in (*loading, *leaving)} == {"status_change"}
    values = [one["data"]["progress"]["value"] for one in loading[:-1]]
    assert values == sorted(values)
    assert len(set(values)) > 2
    assert all(0 <= value <= 1 for value in values)
    assert loading[-1]["data"] == {"status": "loaded"}
    assert [one["data"].get("stopping", False) for one in leaving] == [True, False]
    assert leaving[-1]["data"]["exit_code"] == 0


def until_status(events: Iterator[Any], status: str) -> list[Any]:
    told = []
    for event in events:
        told.append(event)
        if event["data"]["status"] == status and "stopping" not in event["data"]:
            return told
    raise AssertionError(f"the events ended before {status}")


def test_many_may_follow_the_events(one_at_a_time: House) -> None:
    with one_at_a_time.wire() as one, one_at_a_time.wire() as other:
        streams = [wire.ask("GET", "/models/sse").events() for wire in (one, other)]
        wait_for_heads(one, other)
        load(one_at_a_time, "llama-a")

        assert {until_status(events, "loaded")[-1]["model"] for events in streams} == {"llama-a"}


def wait_for_heads(*wires: Wire) -> None:
    """Until their answers have begun: from then on they are told everything."""
    for wire in wires:
        assert select.select([wire.sock], [], [], 10)[0]


def test_the_state_of_a_loading_model_shows_its_progress(one_at_a_time: House) -> None:
    one_at_a_time.ask("POST", "/models/load", {"model": "slow"})

    def far() -> Any:
        one = next(iter(one_at_a_time.get("/api/paddock/instances")["instances"]), None)
        return one if one and (one["progress"] or 0) > 0.3 else None

    seen = one_at_a_time.until(far, "it is a third loaded")
    assert (seen["model"], seen["state"]) == ("slow", "starting")


# --- commands of the owner ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checked", "checked alias"])
def test_a_command_is_ready_when_its_check_endpoint_says_so(
    one_at_a_time: House, name: str
) -> None:
    assert one_at_a_time.chat(name).status == 200
    assert one_at_a_time.get("/running")["running"][0]["state"] == "ready"


def test_a_command_without_check_is_asked_as_soon_as_it_runs(one_at_a_time: House) -> None:
    started = time.monotonic()
    load(one_at_a_time, "unchecked")
    loaded_after = time.monotonic() - started

    one_at_a_time.until(lambda: one_at_a_time.chat("unchecked").status == 200, "it answers")
    assert loaded_after < 1


@pytest.mark.parametrize(("name", "limit"), [("one-by-one", 1), ("two-by-two", 2)])
def test_a_concurrency_limit_holds(one_at_a_time: House, name: str, limit: int) -> None:
    load(one_at_a_time, name)
    most = 0
    with ThreadPoolExecutor(6) as crowd:
        text = "fake tokens=4 tps=20"
        answers = [crowd.submit(one_at_a_time.chat, name, text, stream=True) for _ in range(6)]
        while not all(answer.done() for answer in answers):
            most = max(most, active(one_at_a_time))

    assert {answer.result().status for answer in answers} == {200}
    assert most == limit


def test_a_command_may_listen_on_a_port_of_its_own(one_at_a_time: House) -> None:
    assert one_at_a_time.chat("fixed").status == 200
    assert one_at_a_time.get("/running")["running"][0]["proxy"].endswith(f":{free_port()}")


def test_a_command_gets_its_environment(one_at_a_time: House) -> None:
    load(one_at_a_time, "with-env")

    assert one_at_a_time.engine_state("with-env")["env"]["GREETING"] == "hello there"
