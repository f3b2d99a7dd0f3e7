"""llama-swap's lives of models: loaded, unloaded, left alone, stopped on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.fakes.caller import DIALECTS, Caller, Crowd, lives, load_of
from tests.fakes.house import House

NAMES = ("llama-a", "llama-b", "org/cmd", "spaced out", "short-lived", "gated", "stubborn")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with room for all, and models that live in several ways."""
    house = House(tmp_path_factory.mktemp("home"))
    for name in ("llama-a", "llama-b", "gated"):
        house.add(name)
    cmd = house.command().replace("${MODEL_ID}", '"${MODEL_ID}"')
    gate = house.folder / "gate"
    models: dict[str, Any] = {
        "org/cmd": {"cmd": cmd, "aliases": ["alias/of/it"]},
        "spaced out": {"cmd": cmd},
        "short-lived": {"cmd": cmd, "ttl": 1},
        "gated": {"args": f"--fake load_gate={gate}", "aliases": ["locked"]},
        "stubborn": {"cmd": f"{cmd} --fake ignore_term=1", "unloadTimeout": 0.3},
    }
    house.start(house.config(models=models, maxLoadedModels=20, defaultTtl=0, drainTimeout=20))
    yield house
    house.stop()


@pytest.fixture(autouse=True)
def nothing_loaded(home: House) -> Iterator[None]:
    (home.folder / "gate").unlink(missing_ok=True)
    yield
    home.ask("POST", "/api/models/unload")


def pid_of(home: House, name: str) -> int | None:
    instances = home.get("/api/paddock/instances")["instances"]
    return next((one["pid"] for one in instances if one["model"] == name), None)


def embed(home: House, name: str) -> int:
    return home.ask("POST", "/v1/embeddings", {"model": name, "input": "x"}).status


# --- /running -------------------------------------------------------------------------------------


def test_nothing_runs_at_first(home: House) -> None:
    assert home.get("/running") == {"running": []}


@pytest.mark.parametrize("name", ["llama-a", "org/cmd", "spaced out"])
def test_a_request_makes_it_run(home: House, name: str) -> None:
    assert embed(home, name) == 200
    (running,) = home.get("/running")["running"]

    assert (running["model"], running["state"]) == (name, "ready")


def test_what_loads_is_listed_as_starting(home: House, crowd: Crowd) -> None:
    crowd.ask("gated")
    home.until(lambda: home.running() == ["gated"], "it starts")
    (running,) = home.get("/running")["running"]

    assert running["state"] == "starting"


def test_several_run_at_once(home: House) -> None:
    home.load("llama-a", "org/cmd", "spaced out")

    assert sorted(home.running()) == ["llama-a", "org/cmd", "spaced out"]


# --- unloading ------------------------------------------------------------------------------------

UNLOADS_ALL = [("GET", "/unload", b"OK"), ("POST", "/api/models/unload", b'{"msg": "ok"}')]


@pytest.mark.parametrize(("method", "path", "body"), UNLOADS_ALL)
@pytest.mark.parametrize("loaded", [(), ("llama-a",), ("llama-a", "org/cmd", "spaced out")])
def test_unloading_all_answers_when_nothing_runs(
    home: House, method: str, path: str, body: bytes, loaded: tuple[str, ...]
) -> None:
    home.load(*loaded)
    answer = home.ask(method, path)

    assert (answer.status, answer.body) == (200, body)
    assert home.running() == []


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("llama-a", "llama-a"),
        ("LLAMA-A", "llama-a"),
        ("org/cmd", "org/cmd"),
        ("org%2Fcmd", "org/cmd"),
        ("alias/of/it", "org/cmd"),
        ("spaced%20out", "spaced out"),
    ],
)
def test_unloading_one_by_any_name_leaves_the_others(home: House, path: str, model: str) -> None:
    home.load(model, "llama-b")
    answer = home.ask("POST", f"/api/models/unload/{path}")

    assert (answer.status, answer.text) == (200, "OK")
    assert home.running() == ["llama-b"]


@pytest.mark.parametrize("name", NAMES)
def test_unloading_what_does_not_run_is_fine(home: House, name: str) -> None:
    answer = home.ask("POST", f"/api/models/unload/{quote(name)}")

    assert (answer.status, answer.text) == (200, "OK")


@pytest.mark.parametrize("name", ["nobody", "org", "llama", "alias"])
def test_unloading_what_is_unknown_is_404(home: House, name: str) -> None:
    home.load("llama-a")

    assert home.ask("POST", f"/api/models/unload/{name}").status == 404
    assert home.running() == ["llama-a"]


@pytest.mark.parametrize("name", ["llama-a", "org/cmd"])
def test_after_unloading_the_process_is_gone(home: House, name: str) -> None:
    home.load(name)
    pid = home.engine_state(name)["pid"]
    home.ask("POST", f"/api/models/unload/{name}")

    assert not lives(pid)


def test_a_process_that_does_not_listen_is_killed_after_its_own_time(home: House) -> None:
    home.load("stubborn")
    pid = home.engine_state("stubborn")["pid"]
    assert home.ask("POST", "/api/models/unload/stubborn").status == 200

    assert not lives(pid)


@pytest.mark.parametrize("name", ["llama-a", "org/cmd"])
def test_after_unloading_a_request_loads_it_again(home: House, name: str) -> None:
    home.load(name)
    first = home.engine_state(name)["pid"]
    home.ask("GET", "/unload")

    assert embed(home, name) == 200
    assert home.engine_state(name)["pid"] != first


@pytest.mark.parametrize("dialect", ["chat", "completions", "native"])
def test_better_unloading_lets_a_running_answer_end(
    home: House, crowd: Crowd, tmp_path: Path, dialect: str
) -> None:
    caller = crowd.ask("llama-a", f"gate={tmp_path / 'go'}", dialect=dialect).until("t0 ")
    unload = crowd.came(Caller(home.url, "/api/models/unload/llama-a", {}))
    home.until(lambda: home.get("/api/paddock/instances")["instances"][0]["leaving"], "it leaves")
    (tmp_path / "go").touch()

    assert DIALECTS[dialect].ending in caller.finish().body
    assert unload.answer.status == 200


# --- who waits when it is unloaded, or leaves -----------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/models/unload/gated", "/api/models/unload/locked", "/unload"]
)
@pytest.mark.parametrize("waiting", [1, 3])
def test_who_waits_for_an_unloaded_model_is_told(
    home: House, crowd: Crowd, path: str, waiting: int
) -> None:
    asked = [crowd.ask("gated", stream=False) for _ in range(waiting)]
    home.until(lambda: load_of(home).queued == waiting, "all wait")
    method = "GET" if path == "/unload" else "POST"
    assert home.ask(method, path).status == 200

    for caller in asked:
        assert caller.answer.status == 503
        assert caller.json()["error"]["code"] == "model_gone"
    assert home.running() == []


def test_a_load_that_is_stopped_leaves_no_process(home: House, crowd: Crowd) -> None:
    crowd.ask("gated")
    pid = home.until(lambda: pid_of(home, "gated"), "it has a process")
    home.ask("POST", "/api/models/unload/gated")

    assert not lives(pid)


def test_a_load_that_was_stopped_can_begin_again(home: House, crowd: Crowd) -> None:
    crowd.ask("gated", stream=False)
    home.until(lambda: load_of(home).queued == 1, "it waits")
    home.ask("POST", "/api/models/unload/gated")
    (home.folder / "gate").touch()

    assert embed(home, "gated") == 200


@pytest.mark.parametrize("way", ["fin", "rst"])
@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_who_leaves_is_forgotten(home: House, crowd: Crowd, dialect: str, way: str) -> None:
    staying = crowd.ask("gated", dialect=dialect)
    home.until(lambda: load_of(home).queued == 1, "one waits")
    leaving = crowd.ask("gated", dialect=dialect)
    home.until(lambda: load_of(home).queued == 2, "both wait")
    leaving.leave(way)
    home.until(lambda: load_of(home).queued == 1, "one has left")
    (home.folder / "gate").touch()

    assert DIALECTS[dialect].ending in staying.finish().body


def test_a_load_nobody_waits_for_completes(home: House, crowd: Crowd) -> None:
    caller = crowd.ask("gated")
    home.until(lambda: home.running() == ["gated"], "it starts")
    caller.close()
    home.until(lambda: load_of(home).queued == 0, "nobody waits")
    (home.folder / "gate").touch()

    home.until(lambda: home.get("/running")["running"][0]["state"] == "ready", "it is ready")


@pytest.mark.parametrize("count", [2, 10])
def test_requests_for_a_cold_model_share_one_load(home: House, crowd: Crowd, count: int) -> None:
    asked = [crowd.ask("gated") for _ in range(count)]
    home.until(lambda: load_of(home).queued == count, "all wait")
    (home.folder / "gate").touch()

    assert all(b"[DONE]" in caller.finish().body for caller in asked)
    assert home.engine_state("gated")["completed"] == count


# --- idle time ------------------------------------------------------------------------------------


def test_after_its_ttl_it_leaves(home: House) -> None:
    embed(home, "short-lived")

    home.until(lambda: home.running() == [], "it has left")


def test_a_request_begins_its_ttl_anew(home: House) -> None:
    embed(home, "short-lived")
    pid = home.engine_state("short-lived")["pid"]
    begin = asked = time.monotonic()
    while time.monotonic() < begin + 2:
        now = time.monotonic()
        same = home.engine_state("short-lived")["pid"] == pid
        assert same or time.monotonic() - asked > 0.9  # this machine may stand still for so long
        asked = now
        time.sleep(0.1)


def test_a_running_answer_outlives_the_ttl(home: House, crowd: Crowd, tmp_path: Path) -> None:
    caller = crowd.ask("short-lived", f"gate={tmp_path / 'go'}").until("t0 ")
    time.sleep(1.5)
    (tmp_path / "go").touch()

    assert b"[DONE]" in caller.finish().body


def test_a_ttl_of_zero_is_for_ever(home: House) -> None:
    home.load("llama-a")
    (one,) = home.get("/api/paddock/instances")["instances"]

    assert one["ttl"] == 0
    assert one["expires_in"] is None


# --- llama.cpp's router endpoints -----------------------------------------------------------------


def test_loading_is_refused_for_what_runs(home: House) -> None:
    home.load("llama-a")

    assert home.ask("POST", "/models/load", {"model": "llama-a"}).status == 400


@pytest.mark.parametrize("path", ["/models/load", "/models/unload", "/api/paddock/load"])
@pytest.mark.parametrize(("model", "status"), [("nobody", 404), (None, 400), ("", 400), (7, 400)])
def test_loading_and_unloading_need_a_model(
    home: House, path: str, model: Any, status: int
) -> None:
    assert home.ask("POST", path, {"model": model}).status == status


@pytest.mark.parametrize("name", ["llama-a", "org/cmd", "alias/of/it"])
def test_loading_by_any_name(home: House, name: str) -> None:
    told = home.ask("POST", "/api/paddock/load", {"model": name}).json()

    assert told["state"] == "loaded"
    assert home.running() == [told["model"]]
