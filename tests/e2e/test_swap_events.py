"""llama-swap's `/api/events`: how everything is when a client comes, and what happens then."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Crowd, at_rest
from tests.fakes.house import PATIENCE, House

KINDS = ("logData", "modelStatus", "uiConfig", "profileChanged", "inflight")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with models of all kinds, profiles, and a header of its own for sessions."""
    house = House(tmp_path_factory.mktemp("home"))
    cmd = house.command()
    house.start(
        house.config(
            models={
                "one": {"cmd": cmd, "name": "First", "description": "It is", "aliases": ["uno"]},
                "two": {"cmd": cmd, "unlisted": True},
                "dead": {"cmd": house.command("--fake", "die=exit")},
            },
            groups={"all": {"swap": False, "members": ["one", "two", "dead"]}},
            profiles={"night": {"pins": {"gpt": "one"}}},
            ui={"activity": {"session_id": ["X-Mine"]}},
        )
    )
    yield house
    house.stop()


class Listener:
    """A client of the stream. Every message is checked for its form."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def next(self) -> tuple[str, Any]:
        """Kind and data of the next message."""
        name = ""
        while line := self._stream.readline():
            if line.startswith(b"event:"):
                name = line.partition(b":")[2].strip().decode()
            elif line.startswith(b"data:"):
                assert name == "message"
                message = json.loads(line[5:])
                assert set(message) == {"type", "data"}
                assert isinstance(message["data"], str)
                return message["type"], json.loads(message["data"])
        raise AssertionError("the stream ended")

    def until(self, kind: str, check: Callable[[Any], bool] = lambda _: True) -> Any:
        """The data of the next message of this kind that passes."""
        while True:
            told, data = self.next()
            if told == kind and check(data):
                return data


@contextmanager
def listening(home: House) -> Iterator[Listener]:
    with urllib.request.urlopen(f"{home.url}/api/events", timeout=PATIENCE) as stream:
        yield Listener(stream)


@pytest.fixture
def listener(home: House) -> Iterator[Listener]:
    """One that has heard how everything is, when nothing runs and every request has its row."""
    home.until(lambda: at_rest(home), "nothing runs")
    home.get("/api/metrics/activity")
    with listening(home) as listener:
        listener.until("inflight", lambda data: data["operation"] == "snapshot")
        yield listener


@pytest.fixture
def first(home: House) -> dict[str, Any]:
    """What a client is told before anything happens: the first data of each kind."""
    told: dict[str, Any] = {}
    with listening(home) as listener:
        while not told.keys() >= set(KINDS):
            kind, data = listener.next()
            told.setdefault(kind, data)
    return told


# --- at first ------------------------------------------------------------------------------------


def test_the_answer_is_a_stream_that_nobody_keeps(home: House) -> None:
    with urllib.request.urlopen(f"{home.url}/api/events", timeout=PATIENCE) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in stream.headers["Cache-Control"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_told_at_first(first: dict[str, Any], kind: str) -> None:
    assert kind in first


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("one", {"name": "First", "description": "It is", "unlisted": False, "aliases": ["uno"]}),
        ("two", {"name": "", "description": "", "unlisted": True}),
        ("dead", {"name": "", "description": "", "unlisted": False}),
    ],
)
def test_each_model_is_told(first: dict[str, Any], model: str, told: dict[str, Any]) -> None:
    (found,) = [one for one in first["modelStatus"] if one["id"] == model]
    state = found.pop("state")

    assert state in {"stopped", "starting", "ready", "stopping"}
    assert found == {"id": model, "peerID": "", **told}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("uiConfig", {"activity": {"session_id": ["X-Mine"]}}),
        ("profileChanged", {"active": None}),
        ("inflight", {"operation": "snapshot", "requests": []}),
    ],
)
def test_how_the_rest_is(first: dict[str, Any], kind: str, data: Any) -> None:
    assert first[kind] == data


def test_the_log_so_far_is_told(first: dict[str, Any]) -> None:
    assert first["logData"]["source"] == "proxy"
    assert isinstance(first["logData"]["data"], str)


def test_what_runs_is_told_at_first(home: House, crowd: Crowd, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    caller = crowd.ask("one", f"tokens=3 gate={gate}").until("t0 ")
    with listening(home) as listener:
        told = listener.until("inflight")
        gate.touch()
    caller.finish()

    (one,) = told["requests"]
    assert (told["operation"], one["model"], one["method"]) == ("snapshot", "one", "POST")
    assert one["req_path"] == "/v1/chat/completions"


# --- then ----------------------------------------------------------------------------------------


def state_of(model: str, state: str) -> Callable[[Any], bool]:
    return lambda models: (model, state) in {(one["id"], one["state"]) for one in models}


@pytest.mark.parametrize("model", ["one", "two"])
def test_the_life_of_a_model(home: House, listener: Listener, model: str) -> None:
    home.ask("POST", f"/api/models/unload/{model}")
    home.load(model)
    listener.until("modelStatus", state_of(model, "ready"))
    home.ask("POST", f"/api/models/unload/{model}")
    listener.until("modelStatus", state_of(model, "stopped"))


def test_a_model_that_dies_is_stopped_again(home: House, listener: Listener) -> None:
    assert home.chat("dead").status >= 500
    listener.until("modelStatus", state_of("dead", "stopped"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_comes_and_goes_and_has_a_row(
    home: House, crowd: Crowd, listener: Listener, tmp_path: Path, stream: bool
) -> None:
    gate = tmp_path / "gate"
    caller = crowd.ask("uno", f"tokens=3 gate={gate}", stream=stream)
    request = listener.until("inflight", lambda data: "request" in data)["request"]
    gate.touch()
    gone: set[str] = set()
    row = 0
    while request["id"] not in gone or not row:
        kind, data = listener.next()
        if kind == "inflight" and data["operation"] == "remove":
            gone.add(data["id"])
        row = data["id"] if kind == "activity" else row

    assert (request["model"], request["requested_model"]) == ("one", "uno")
    assert request["phase"] in {"queued", "loading", "prefill", "streaming"}
    (told,) = home.get(f"/api/metrics/activity?min_id={row}&max_id={row}")["data"]
    assert told["request_id"] == caller.finish().answer.headers["X-Request-Id"]


def test_a_request_that_is_ended_goes(
    home: House, crowd: Crowd, listener: Listener, tmp_path: Path
) -> None:
    crowd.ask("one", f"gate={tmp_path / 'never'}").until("t0 ")
    request = listener.until("inflight", lambda data: "request" in data)["request"]
    home.ask("POST", f"/api/inflight/{request['id']}/cancel")
    gone = listener.until("inflight", lambda data: data["operation"] == "remove")

    assert gone["id"] == request["id"]


def test_a_profile_is_switched_on_and_off(home: House, listener: Listener) -> None:
    for name in ("night", None):
        home.ask("PUT", "/api/profiles/active", {"name": name})
        listener.until("profileChanged", {"active": name}.__eq__)


def test_the_daemons_own_words_are_told(home: House, listener: Listener) -> None:
    home.ask("POST", "/api/models/unload/one")
    home.load("one")
    listener.until(
        "logData", lambda data: data["source"] == "proxy" and "starting one" in data["data"]
    )


def test_a_models_words_are_told(home: House, listener: Listener) -> None:
    home.ask("POST", "/api/models/unload/one")
    home.load("one")
    listener.until("logData", lambda data: data["source"] == "upstream" and data["data"].strip())


@pytest.mark.parametrize("count", [2, 5])
def test_all_clients_are_told(home: House, count: int) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(listening(home)) for _ in range(count)]
        for listener in listeners:
            listener.until("inflight")
        home.ask("PUT", "/api/profiles/active", {"name": "night"})
        for listener in listeners:
            listener.until("profileChanged", lambda data: data["active"] == "night")
    home.ask("PUT", "/api/profiles/active", {"name": None})


def test_another_configuration_is_told(home: House, listener: Listener) -> None:
    file = home.folder / "paddock.yaml"
    good = json.loads(file.read_text())
    file.write_text(json.dumps(good | {"ui": {"activity": {"session_id": []}}}))
    home.ask("POST", "/api/paddock/reload")
    listener.until("uiConfig", lambda data: data == {"activity": {"session_id": []}})
    file.write_text(json.dumps(good))
    home.ask("POST", "/api/paddock/reload")
    listener.until("uiConfig", lambda data: data == {"activity": {"session_id": ["X-Mine"]}})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_only_read(home: House, method: str) -> None:
    assert home.ask(method, "/api/events", b"").status == 405
