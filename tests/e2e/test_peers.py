"""Models of other servers: found, asked with the owner's key, and told apart when they are gone."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Crowd
from tests.fakes.house import House

MESSAGES = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Another Paddock, with a key and models, one of which has a name that we have too."""
    house = House(tmp_path_factory.mktemp("other"))
    command = house.command()
    house.start(
        house.config(
            maxLoadedModels=4,
            defaultTtl=0,
            apiKeys=["their-key"],
            models={
                "far": {"cmd": command, "capabilities": {"context": 4096}},
                "shared": {"cmd": command},
                "twice": {"cmd": command},
                "plain": {"cmd": command},
            },
        )
    )
    house.key = "their-key"
    house.load("far", "shared", "plain")
    yield house
    house.stop()


@pytest.fixture(scope="module")
def child(other: House) -> str:
    """The address of a plain OpenAI server, which needs no key."""
    running = other.get("/running")["running"]
    return str(next(one["proxy"] for one in running if one["model"] == "plain"))


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def here(
    tmp_path_factory: pytest.TempPathFactory, other: House, child: str, closed_port: int
) -> Iterator[House]:
    """A daemon with peers of several kinds."""
    house = House(tmp_path_factory.mktemp("here"))
    command = house.command()
    filters = {
        "stripParams": "temperature",
        "setParams": {"top_p": 0.5},
        "setParamsByID": {"named/twice": {"effort": "full"}, "twice": {"effort": "bare"}},
    }
    house.start(
        house.config(
            maxLoadedModels=4,
            defaultTtl=0,
            models={"shared": {"cmd": command}, "mine": {"cmd": command}},
            peers={
                "other": {"proxy": other.url, "apiKey": "their-key"},
                "named": {"proxy": child, "models": ["twice", "org/deep"], "filters": filters},
                "base": {"proxy": f"{child}/fake/..", "models": ["below"]},
                "gone": {"proxy": f"http://127.0.0.1:{closed_port}", "models": ["lost"]},
                "unasked": {"proxy": f"http://127.0.0.1:{closed_port}"},
                "locked": {"proxy": other.url, "apiKey": "wrong"},
                "hasty": {
                    "proxy": child,
                    "models": ["slow"],
                    "timeouts": {"responseHeader": 0.3},
                },
            },
            selectors={
                "spill": {"strategy": "spillover", "targets": ["mine", "other/far"]},
                "away": {"strategy": "spillover", "targets": ["gone/lost", "mine"]},
            },
        )
    )
    house.until(lambda: len(peer(house, "other")["models"]) == 4, "the other one has told")
    house.until(lambda: peer(house, "gone")["checked"], "the lost one was asked")
    house.until(lambda: peer(house, "locked")["checked"], "the locked one was asked")
    yield house
    house.stop()


def peer(house: House, name: str) -> Any:
    return next(one for one in house.get("/api/paddock/peers")["peers"] if one["id"] == name)


def told(here: House, model: str, **fields: Any) -> Any:
    """What the plain server is asked for this body."""
    answer = here.ask("POST", "/v1/embeddings", {"model": model, "input": "x", **fields})
    assert answer.status == 200, answer.text


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ("other/far", "far"),
        ("OTHER/FAR", "far"),
        ("far", "far"),
        ("far:latest", "far"),
        ("shared", "shared"),
        ("other/shared", "shared"),
        ("other/twice", "twice"),
        ("named/twice", "plain"),
        ("named/org/deep", "plain"),
        ("org/deep", "plain"),
    ],
)
def test_a_peers_model_answers_to_its_names(here: House, asked: str, answers: str) -> None:
    answer = here.chat(asked)

    assert answer.status == 200, answer.text
    assert answer.json()["model"] == answers


def test_our_own_model_wins_over_a_peers(here: House) -> None:
    here.chat("shared")

    assert "shared" in here.running()


def test_a_bare_name_that_two_peers_have_is_unknown(here: House) -> None:
    answer = here.chat("twice")

    assert answer.status == 404
    assert "'other/twice'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("asked", ["other/nothing", "named/far", "nobody/far"])
def test_a_name_that_no_peer_has_is_unknown(here: House, asked: str) -> None:
    assert here.chat(asked).status == 404


# --- what a peer is asked -------------------------------------------------------------------------


def test_a_peer_is_told_its_own_name_and_the_owners_key(here: House, other: House) -> None:
    body = {"model": "other/far", "input": "x"}
    headers = {"Authorization": "Bearer of-the-client", "Cookie": "c=1", "X-Forwarded-For": "x"}

    here.ask("POST", "/v1/embeddings?x=1", body, headers)

    asked = other.last_request("far")
    assert json.loads(asked["body"]) == {"model": "far", "input": "x"}
    assert asked["path"] == "/v1/embeddings"


def test_the_clients_key_is_passed_on_to_nobody(here: House, other: House) -> None:
    headers = {
        "Authorization": "Bearer of-the-client",
        "X-Api-Key": "of-the-client",
        "Cookie": "session=of-the-client",
        "Anthropic-Version": "2023-06-01",
        "Accept": "text/x-mine",
    }

    here.ask("POST", "/v1/embeddings", {"model": "named/twice", "input": "x"}, headers)

    asked = other.last_request("plain")
    assert "of-the-client" not in json.dumps(asked)
    assert asked["headers"]["anthropic-version"] == "2023-06-01"
    assert asked["headers"]["host"].startswith("127.0.0.1:")


def test_a_path_in_front_is_kept(here: House, other: House) -> None:
    here.ask("POST", "/v1/embeddings", {"model": "base/below", "input": "x"})

    assert other.last_request("plain")["path"] == "/fake/../v1/embeddings"


@pytest.mark.parametrize(
    ("asked", "effort"), [("named/twice", "full"), ("NAMED/TWICE", "full"), ("org/deep", None)]
)
def test_a_peers_filters_are_its_own(
    here: House, other: House, asked: str, effort: str | None
) -> None:
    told(here, asked, temperature=1, top_p=1, keep=1)

    body = json.loads(other.last_request("plain")["body"])
    assert body.pop("effort", None) == effort
    model = "org/deep" if "deep" in asked else "twice"
    assert body == {"model": model, "input": "x", "top_p": 0.5, "keep": 1}


@pytest.mark.parametrize(
    ("path", "child_path"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v/chat/completions", "/chat/completions"),
        ("/v1/messages", "/v1/messages"),
        ("/v1/audio/speech", "/v1/audio/speech"),
        ("/audioapi/v1/tasks/run", "/v1/tasks/run"),
    ],
)
def test_any_endpoint_reaches_a_peer(here: House, other: House, path: str, child_path: str) -> None:
    here.ask("POST", path, {"model": "named/twice", "messages": MESSAGES, "max_tokens": 50})

    assert other.last_request("plain")["path"] == child_path


def test_a_form_reaches_a_peer_with_its_own_name(here: House, other: House) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%b\r\n--b--\r\n'

    answer = here.ask(
        "POST",
        "/v1/audio/transcriptions",
        part % b"other/far",
        {"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert answer.json()["text"].startswith("heard")
    assert other.last_request("far")["body"].encode() == part % b"far"


def test_a_query_reaches_a_peer_with_its_own_name(here: House, other: House) -> None:
    assert here.get("/props?model=other/far")["model_alias"] == "far"
    assert other.last_request("far")["path"] == "/props?model=far"


def test_a_peer_is_not_reached_by_upstream(here: House) -> None:
    assert here.ask("GET", "/upstream/other/far/props").status == 404


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["other/far", "named/twice"])
def test_a_stream_of_a_peer_arrives_piece_by_piece(
    here: House, crowd_here: Crowd, tmp_path: Path, asked: str
) -> None:
    gate = tmp_path / "gate"
    body = {"model": asked, "messages": MESSAGES, "stream": True}
    body["fake"] = {"gate": str(gate), "gate_at": 2, "tokens": 4}
    with here.wire() as wire:
        wire.ask("POST", "/v1/chat/completions", body=json.dumps(body).encode())
        early = wire.bytes_until(b'"t1 "')
        gate.touch()
        rest = wire.bytes_until(b"[DONE]")

    assert b'"t0 "' in early
    assert b'"t3 "' in rest


@pytest.fixture
def crowd_here(here: House) -> Iterator[Crowd]:
    crowd = Crowd(here)
    yield crowd
    crowd.close()


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_its_request_at_the_peer(
    here: House, other: House, tmp_path: Path, stream: bool
) -> None:
    body = {"model": "other/far", "messages": MESSAGES, "stream": stream}
    body["fake"] = {"gate": str(tmp_path / "never")}

    with here.wire() as wire:
        wire.ask("POST", "/v1/chat/completions", body=json.dumps(body).encode())
        here.until(lambda: other.engine_state("far")["running"] == 1, "it runs at the peer")
        assert peer(here, "other")["in_flight"] == 1

    here.until(lambda: other.engine_state("far")["running"] == 0, "it has ended at the peer")
    here.until(lambda: peer(here, "other")["in_flight"] == 0, "it is not counted any more")


def test_a_peer_that_breaks_off_ends_the_stream_with_an_error(here: House) -> None:
    body = {"model": "named/twice", "messages": MESSAGES, "stream": True}

    answer = here.ask(
        "POST", "/v1/chat/completions", {**body, "fake": {"tokens": 9, "rst_after": 3}}
    )

    assert answer.events()[-1] != "[DONE]"
    error = json.loads(answer.events()[-1])["error"]
    assert error["code"] == "peer_lost"
    assert error["message"].startswith("peer named: ")


# --- errors ---------------------------------------------------------------------------------------


def test_a_refusal_of_a_peer_is_passed_on(here: House) -> None:
    answer = here.chat("named/twice", fake={"status": 418})

    assert answer.status == 418
    assert answer.json()["error"]["message"] == "fake status"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("asked", ["gone/lost", "lost", "unasked/anything"])
def test_a_peer_that_is_not_there_is_a_502_with_a_hint(
    here: House, asked: str, stream: bool
) -> None:
    answer = here.chat(asked, stream=stream)

    assert answer.status == 502
    error = answer.json()["error"]
    assert error["code"] == "peer_lost"
    assert "does not take connections" in error["message"]
    assert "proxy" in error["hint"]


def test_an_error_of_a_peer_has_the_shape_of_its_dialect(here: House) -> None:
    answer = here.ask("POST", "/v1/messages", {"model": "gone/lost", "messages": MESSAGES})

    assert answer.status == 502
    assert answer.json()["type"] == "error"


def test_a_peer_that_says_nothing_in_time_is_given_up(here: House) -> None:
    answer = here.chat("hasty/slow", fake={"delay": 60})

    assert answer.status == 502
    assert "responseHeader" in answer.json()["error"]["message"]


# --- selectors ------------------------------------------------------------------------------------


def active(house: House, model: str) -> int:
    views = house.get("/api/paddock/instances")["instances"]
    return next(one["active"] for one in views if one["model"] == model)


def test_spillover_goes_to_a_peer_when_ours_is_full(here: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    here.load("mine")
    fields = {"stream": True, "fake": {"gate": str(gate)}}
    thread = threading.Thread(target=here.chat, args=("spill",), kwargs=fields)
    thread.start()
    try:
        here.until(lambda: active(here, "mine") == 1, "ours is busy")
        answer = here.chat("spill")
    finally:
        gate.touch()
        thread.join(30)

    assert answer.json()["model"] == "far"


def test_spillover_avoids_a_peer_that_is_away(here: House) -> None:
    assert here.chat("away").json()["model"] == "mine"


# --- what is told of them -------------------------------------------------------------------------


def listed(house: House, **headers: str) -> dict[str, Any]:
    answer = house.ask("GET", "/v1/models", headers=headers).json()
    return {entry["id"]: entry for entry in answer["data"]}


def test_peers_models_are_listed_by_their_whole_names(here: House) -> None:
    entries = listed(here)

    ids = {name for name, entry in entries.items() if entry["meta"]["llamaswap"]["type"] == "peer"}
    assert ids == {
        *("other/far", "other/shared", "other/twice", "other/plain"),
        *("named/twice", "named/org/deep", "base/below", "gone/lost", "hasty/slow"),
    }
    assert entries["other/far"]["name"] == "other: far"
    assert entries["other/far"]["context_length"] == entries["other/far"]["meta"]["n_ctx"] == 4096
    assert entries["other/far"]["meta"]["llamaswap"] == {"type": "peer", "peerID": "other"}


@pytest.mark.parametrize(
    ("name", "value", "reachable"),
    [
        ("other/far", "loaded", True),
        ("named/twice", "loaded", True),
        ("gone/lost", "unloaded", False),
    ],
)
def test_the_status_of_a_peers_model_says_whether_it_is_there(
    here: House, name: str, value: str, reachable: bool
) -> None:
    status = listed(here)[name]["status"]

    assert (status["value"], status["reachable"]) == (value, reachable)
    assert bool(status["error"]) != reachable
    assert status["checked"]


def test_a_peers_model_is_found_by_any_of_its_names(here: House) -> None:
    for name in ("other/far", "other%2Ffar", "far"):
        assert here.get(f"/v1/models/{name}")["id"] == "other/far"


def test_a_peer_is_told_with_its_health_and_without_its_key(here: House, other: House) -> None:
    told = peer(here, "other")

    assert told.items() >= {"proxy": other.url, "reachable": True, "error": ""}.items()
    assert told["models"] == ["far", "plain", "shared", "twice"]
    assert "does not take connections" in peer(here, "gone")["error"]
    assert "their-key" not in here.ask("GET", "/api/paddock/peers").text


def test_a_peer_that_refuses_our_key_says_so(here: House) -> None:
    told = peer(here, "locked")

    assert told["reachable"] is True
    assert "401" in told["error"]
    assert told["models"] == []


def test_a_paddock_that_asks_is_not_told_of_our_peers(here: House) -> None:
    entries = listed(here, **{"X-Paddock-Via": "someone"})

    assert set(entries) == {"mine", "shared", "spill", "away"}


# --- circles --------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One of two daemons that are each other's peers."""
    ports = free_ports(2)
    houses = [House(tmp_path_factory.mktemp(f"circle{number}")) for number in range(2)]
    try:
        for house, mine, theirs in zip(houses, ports, reversed(ports), strict=True):
            house.add(f"llama-{house is houses[0]}")
            url = f"http://127.0.0.1:{theirs}"
            peers = {
                "next": {"proxy": url, "models": ["round"]},
                "real": {"proxy": url, "refresh": 10},
            }
            door = {"openai": {"host": "127.0.0.1", "port": mine}}
            house.start(house.config(listen=door, peers=peers))
        for house in houses:
            house.until(lambda house=house: peer(house, "real")["models"], "the other has told")
        yield houses[0]
    finally:
        for house in houses:
            house.stop()


def test_a_request_that_comes_back_is_stopped(circle: House) -> None:
    answer = circle.chat("next/round")

    assert answer.status == 508
    assert answer.json()["error"]["code"] == "peer_loop"


def test_a_peers_peers_are_not_listed_again(circle: House) -> None:
    assert peer(circle, "real")["models"] == ["llama-false"]
    assert circle.chat("real/llama-false").status == 200


def test_too_many_hops_are_stopped(here: House) -> None:
    via = {"X-Paddock-Via": ", ".join(f"d{number}" for number in range(20))}

    answer = here.ask("POST", "/v1/embeddings", {"model": "other/far", "input": "x"}, via)

    assert answer.status == 508


# --- time -----------------------------------------------------------------------------------------


def test_the_doors_do_not_wait_for_a_peer_that_says_nothing(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        house = House(tmp_path)
        started = time.monotonic()
        try:
            house.start(house.config(peers={"deaf": {"proxy": url}}))
            told = peer(house, "deaf")
            elapsed = time.monotonic() - started
        finally:
            assert house.stop() == 0

    assert told["reachable"] is None
    assert elapsed < 12
