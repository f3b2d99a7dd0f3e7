"""A full model: who may wait, who is told to come again, and who is served first.

llama-swap answers 429 to all who would have to wait; so does `queueLimit: 0`. Otherwise requests
wait, and fairly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import DIALECTS, Caller, Crowd, at_rest
from tests.fakes.house import Answer, House

KEYS = {name: f"key-of-{name}" for name in ("holder", "ann", "bob", "cid")}
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
TEXT: dict[str, Any] = {"prompt": "x", "input": "x", "query": "q", "documents": ["a"]}
PRIORITIES = {"high": 9, "middle": 5, "low": -3}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with models that serve one request at a time, and differ in who may wait."""
    folder = tmp_path_factory.mktemp("home")
    house = House(folder)
    cmd = house.command()
    one = {"cmd": cmd, "concurrencyLimit": 1}
    models: dict[str, Any] = {
        "none": {**one, "queueLimit": 0, "aliases": ["nobody waits"]},
        "two": {**one, "queueLimit": 2},
        "many": one,
        "pair": {"cmd": cmd, "concurrencyLimit": 2},
        "hasty": {**one, "queueTimeout": 1},
        "usual": {"cmd": house.command("--parallel", "16")},
        "slow": {**one, "cmd": house.command("--fake", f"load_gate={folder / 'load'}")},
        "broken": {**one, "cmd": house.command("--fake", "die=exit")},
    }
    swapping = dict.fromkeys(("plain", "other", *PRIORITIES), one)
    house.start(
        house.config(
            apiKeys=list(KEYS.values()),
            models=models | swapping,
            maxOvertake=600,
            groups={
                "together": {
                    "swap": False,
                    "exclusive": False,
                    "persistent": True,
                    "members": list(models),
                },
                "turns": {"exclusive": False, "members": list(swapping)},
            },
            routing={"scheduler": {"settings": {"fifo": {"priority": PRIORITIES}}}},
        )
    )
    house.key = KEYS["cid"]
    yield house
    house.stop()


def queue(home: House) -> Any:
    return home.get("/api/queue")


def waiting(home: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = queue(home)["waiting"]
    return found


def hold(crowd: Crowd, model: str, gate: Path) -> Caller:
    """Somebody who keeps a slot of the model until the gate is there."""
    asked = crowd.ask(model, f"gate={gate} tokens=3", key=KEYS["holder"], user="h")
    return asked.until("t0 ")


def line_up(crowd: Crowd, home: House, *arrivals: tuple[str, str, str]) -> list[Caller]:
    """Requests (who, model, name), each of which comes when the one before it waits."""
    callers = []
    before = len(waiting(home))
    for number, (who, model, name) in enumerate(arrivals, before + 1):
        callers.append(crowd.ask(model, key=KEYS[who], user=name))
        home.until(lambda n=number: len(waiting(home)) == n, f"{name} waits")
    return callers


# --- nobody may wait -----------------------------------------------------------------------------

PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/reranking",
    "/rerank",
    "/reranking",
    "/infill",
    "/completion",
    "/v1/audio/speech",
    "/v1/images/generations",
    "/v1/images/edits",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/v/chat/completions",
    "/v/responses",
    "/v/messages",
    "/audioapi/v1/tasks/run",
    "/upstream/none/v1/chat/completions",
    "/upstream/none/anything",
)


@pytest.fixture(scope="class")
def held(home: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The daemon, while the only slot of `none` is taken."""
    gate = tmp_path_factory.mktemp("held") / "gate"
    crowd = Crowd(home)
    hold(crowd, "none", gate)
    yield home
    crowd.close()
    home.until(lambda: at_rest(home), "everybody is gone")


OLLAMA_IS_FULL = "server busy, please try again.  maximum pending requests exceeded"


def assert_full(answer: Answer, *, anthropic: bool = False) -> None:
    error = answer.json()["error"]
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert error["type"] == "rate_limit_error"
    assert "none is full" in error["message"]
    assert anthropic or error["code"] == "concurrency_limit"


class TestNobodyMayWait:
    """These share the one who holds the slot."""

    @pytest.mark.parametrize("path", PATHS)
    def test_it_is_429_at_once(self, held: House, path: str) -> None:
        body = {"model": "none", **CHAT, **(TEXT if "messages" not in path else {})}
        answer = held.ask("POST", path, body)

        assert_full(answer, anthropic="messages" in path)

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_a_stream_is_not_begun_for_it(self, held: House, dialect: str) -> None:
        asked = DIALECTS[dialect]
        answer = held.ask("POST", asked.path, {**asked.body("x"), "model": "none", "stream": True})

        if dialect.startswith("ollama"):  # it has one answer for all that is full
            assert (answer.status, answer.json()) == (503, {"error": OLLAMA_IS_FULL})
        else:
            assert_full(answer, anthropic=dialect == "messages")
        assert answer.headers["Content-Type"].startswith("application/json")

    @pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras", "/props"])
    def test_in_a_query(self, held: House, path: str) -> None:
        assert_full(held.ask("GET", f"{path}?model=none"))

    @pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/images/edits"])
    def test_in_a_form(self, held: House, path: str) -> None:
        form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nnone\r\n--b--\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=b"}

        assert_full(held.ask("POST", path, form, kind))

    @pytest.mark.parametrize("name", ["none", "NONE", "nobody waits", "none:latest"])
    @pytest.mark.parametrize("who", KEYS)
    def test_whoever_asks_by_whatever_name(self, held: House, name: str, who: str) -> None:
        key = {"x-api-key": KEYS[who]}

        assert_full(held.ask("POST", "/v1/embeddings", {"model": name, "input": "x"}, key))

    @pytest.mark.parametrize("path", ["/v1/models", "/running", "/api/queue", "/health", "/logs"])
    def test_what_needs_no_model_is_answered(self, held: House, path: str) -> None:
        assert held.ask("GET", path).status == 200

    def test_other_models_answer(self, held: House) -> None:
        answer = held.ask("POST", "/v1/embeddings", {"model": "usual", "input": "x"})

        assert answer.status == 200

    def test_nobody_waits_in_the_end(self, held: House) -> None:
        held.ask("POST", "/v1/embeddings", {"model": "none", "input": "x"})

        assert waiting(held) == []


# --- some may wait -------------------------------------------------------------------------------


def test_as_many_wait_as_may(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "two", tmp_path / "go")
    callers = line_up(crowd, home, ("ann", "two", "1"), ("bob", "two", "2"))
    refused = home.ask("POST", "/v1/embeddings", {"model": "two", "input": "x"})
    (tmp_path / "go").touch()

    assert refused.status == 429
    assert "2 requests wait" in refused.json()["error"]["message"]
    assert refused.json()["error"]["code"] == "concurrency_limit"
    assert all(b"[DONE]" in caller.finish().body for caller in callers)


def test_who_leaves_makes_room_for_another(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "two", tmp_path / "go")
    first, _ = line_up(crowd, home, ("ann", "two", "1"), ("bob", "two", "2"))
    first.leave("rst")
    home.until(lambda: len(waiting(home)) == 1, "one has left")
    (third,) = line_up(crowd, home, ("cid", "two", "3"))
    (tmp_path / "go").touch()

    assert b"[DONE]" in third.finish().body


def test_a_wait_has_an_end(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "hasty", tmp_path / "go")
    answer = home.ask("POST", "/v1/embeddings", {"model": "hasty", "input": "x"})
    (tmp_path / "go").touch()

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "queueTimeout" in answer.text
    assert "hasty" in answer.json()["error"]["message"]


def test_a_command_serves_ten_where_nothing_is_said(
    home: House, crowd: Crowd, tmp_path: Path
) -> None:
    for _ in range(10):
        hold(crowd, "usual", tmp_path / "go")
    line_up(crowd, home, ("ann", "usual", "11"))
    (usual,) = [one for one in queue(home)["running"] if one["model"] == "usual"]
    (tmp_path / "go").touch()

    assert (usual["active"], usual["slots"]) == (10, 10)


# --- who is served first -------------------------------------------------------------------------


def served(home: House, model: str) -> list[str]:
    """The names of the requests that the model got since the holder's, in order."""
    state = home.engine_state(model)
    asked = [json.loads(one["body"]).get("user") for one in state["requests"] if one["body"]]
    last = max(number for number, name in enumerate(asked) if name == "h")
    return [name for name in asked[last + 1 :] if name]


WHO = {"a": "ann", "b": "bob", "c": "cid", "h": "holder"}


@pytest.mark.parametrize(
    ("arrivals", "order"),
    [
        # one alone: in order of arrival
        ("a1", "a1"),
        ("a1 a2 a3", "a1 a2 a3"),
        # each in turn, whoever asked more or earlier
        ("a1 b1", "a1 b1"),
        ("a1 a2 b1", "a1 b1 a2"),
        ("a1 a2 a3 a4 b1", "a1 b1 a2 a3 a4"),
        ("a1 a2 a3 b1 b2", "a1 b1 a2 b2 a3"),
        ("a1 a2 b1 b2 c1", "a1 b1 c1 a2 b2"),
        ("a1 a2 a3 b1 b2 b3 c1 c2 c3", "a1 b1 c1 a2 b2 c2 a3 b3 c3"),
        ("b1 a1 b2 a2 b3 a3", "b1 a1 b2 a2 b3 a3"),
        ("c1 c2 c3 c4 c5 a1 b1", "c1 a1 b1 c2 c3 c4 c5"),
    ],
)
def test_every_key_has_its_turn(
    home: House, crowd: Crowd, tmp_path: Path, arrivals: str, order: str
) -> None:
    hold(crowd, "many", tmp_path / "go")
    callers = line_up(crowd, home, *((WHO[name[0]], "many", name) for name in arrivals.split()))
    (tmp_path / "go").touch()
    for caller in callers:
        assert b"[DONE]" in caller.finish().body

    assert " ".join(served(home, "many")) == order


@pytest.mark.parametrize(
    ("arrivals", "positions"),
    [("a1", [1]), ("a1 a2", [1, 2]), ("a1 b1 c1", [1, 2, 3]), ("a1 a2 a3 b1", [1, 2, 3, 4])],
)
def test_the_queue_tells_the_order_of_arrival(
    home: House, crowd: Crowd, tmp_path: Path, arrivals: str, positions: list[int]
) -> None:
    hold(crowd, "many", tmp_path / "go")
    line_up(crowd, home, *((WHO[name[0]], "many", name) for name in arrivals.split()))
    found = waiting(home)
    (tmp_path / "go").touch()

    assert [one["position"] for one in found] == positions
    assert {one["model"] for one in found} == {"many"}
    assert len({one["client"] for one in found}) == len({name[0] for name in arrivals.split()})
    assert not any(key in str(found) for key in KEYS.values())


def test_never_more_than_the_limit_at_once(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "pair", tmp_path / "go")
    hold(crowd, "pair", tmp_path / "go")
    line_up(crowd, home, ("ann", "pair", "1"), ("bob", "pair", "2"))
    (pair,) = [one for one in queue(home)["running"] if one["model"] == "pair"]
    state = queue(home)
    (tmp_path / "go").touch()

    assert (pair["active"], pair["slots"]) == (2, 2)
    assert len(state["waiting"]) == 2


@pytest.mark.parametrize(
    ("arrivals", "order"),
    [
        ("other high", "high other"),
        ("low other", "other low"),
        ("low middle high", "high middle low"),
        ("other middle low high", "high middle other low"),
    ],
)
def test_a_model_of_higher_priority_comes_first(
    home: House, crowd: Crowd, tmp_path: Path, arrivals: str, order: str
) -> None:
    holder = hold(crowd, "plain", tmp_path / "go")
    before = len(home.said)
    callers = line_up(crowd, home, *(("ann", model, model) for model in arrivals.split()))
    found = {one["model"]: one["priority"] for one in waiting(home)}
    (tmp_path / "go").touch()
    for caller in (holder, *callers):
        assert b"[DONE]" in caller.finish().body

    assert found == {name: PRIORITIES.get(name, 0) for name in arrivals.split()}
    said = home.said[before:]
    assert (
        sorted(arrivals.split(), key=lambda name: said.index(f"starting {name}")) == order.split()
    )


# --- why -----------------------------------------------------------------------------------------


def test_for_a_slot(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "many", tmp_path / "go")
    line_up(crowd, home, ("ann", "many", "1"))
    (one,) = waiting(home)
    (tmp_path / "go").touch()

    assert one["reason"] == "all 1 slots are in use"


def test_for_its_load(home: House, crowd: Crowd) -> None:
    (caller,) = line_up(crowd, home, ("ann", "slow", "1"))
    home.until(lambda: "slow" in str(queue(home)["running"]), "it starts")
    (one,) = waiting(home)
    (home.folder / "load").touch()

    assert one["reason"] == "the model is loading"
    assert b"[DONE]" in caller.finish().body


def test_for_another_model(home: House, crowd: Crowd, tmp_path: Path) -> None:
    holder = hold(crowd, "plain", tmp_path / "go")
    line_up(crowd, home, ("ann", "other", "1"))
    (one,) = waiting(home)
    (tmp_path / "go").touch()

    assert b"[DONE]" in holder.finish().body
    assert one["reason"].startswith("waits for room: plain serves 1 request")
    assert "group turns runs one model at a time" in one["reason"]


def test_for_who_is_before_it(home: House, crowd: Crowd, tmp_path: Path) -> None:
    hold(crowd, "plain", tmp_path / "go")
    line_up(crowd, home, ("ann", "high", "1"), ("bob", "low", "2"))
    reasons = {one["model"]: one["reason"] for one in waiting(home)}
    (tmp_path / "go").touch()

    assert all(not reason.endswith(": ") for reason in reasons.values())
    assert all(reasons.values())


@pytest.mark.parametrize("stream", [True, False])
def test_who_waits_is_told_when_it_cannot_start(home: House, stream: bool) -> None:
    answer = home.ask("POST", "/v1/chat/completions", {"model": "broken", **CHAT, "stream": stream})

    assert answer.status in {500, 502, 503}
    assert "exit code 1" in answer.json()["error"]["message"]
