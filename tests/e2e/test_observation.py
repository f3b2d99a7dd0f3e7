"""Events, the machine and metrics of one daemon that keeps little and captures nothing."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Crowd
from tests.fakes.house import PATIENCE, House

Json = dict[str, Any]
KEPT = 5


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("seen"))
    for name in ("llama-a", "llama-b"):
        house.add(name)
    house.start(
        house.config(
            maxLoadedModels=2,
            defaultTtl=0,
            drainTimeout=1,
            captureBuffer=0,
            metricsMaxInMemory=KEPT,
            performance={"every": 1},
            profiles={"work": {"pins": {"x": "llama-a"}}},
            models={"llama-a": {"aliases": ["nice"], "description": "A llama."}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def callers(seen: House) -> Iterator[Crowd]:
    crowd = Crowd(seen)
    yield crowd
    crowd.close()


# --- events


class Listener:
    """A client of /api/events."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.heard: list[tuple[str, Any]] = []

    def until(self, kind: str, check: Callable[[Any], bool] = lambda _: True) -> Any:
        """Read until a message of this kind passes the check; its data."""
        while True:
            told = self._next()
            self.heard.append(told)
            if told[0] == kind and check(told[1]):
                return told[1]

    def _next(self) -> tuple[str, Any]:
        name = ""
        while line := self._answer.readline():
            if line.startswith(b"event:"):
                name = line.partition(b":")[2].strip().decode()
            if line.startswith(b"data:"):
                assert name == "message"
                message = json.loads(line[5:])
                assert set(message) == {"type", "data"}
                return message["type"], json.loads(message["data"])
        raise AssertionError(f"the stream ended; heard {[kind for kind, _ in self.heard]}")


@contextmanager
def listening(house: House) -> Iterator[Listener]:
    with urllib.request.urlopen(f"{house.url}/api/events", timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Listener(answer)


def test_a_client_is_told_first_how_everything_is(seen: House) -> None:
    with listening(seen) as listener:
        snapshot = listener.until("inflight")

    assert snapshot == {"operation": "snapshot", "requests": []}
    told = dict(listener.heard)
    assert set(told) >= {"logData", "modelStatus", "uiConfig", "profileChanged", "inflight"}
    assert told["uiConfig"] == {
        "activity": {"session_id": ["X-Session-ID", "X-Litellm-Session-Id"]}
    }
    assert told["profileChanged"] == {"active": None}
    models = {model["id"]: model for model in told["modelStatus"]}
    assert models["llama-a"] == {
        "id": "llama-a",
        "name": "",
        "description": "A llama.",
        "state": models["llama-a"]["state"],
        "unlisted": False,
        "peerID": "",
        "aliases": ["nice"],
    }
    first = next(data for kind, data in listener.heard if kind == "logData")
    assert first["source"] == "proxy"


def state_is(model: str, state: str) -> Callable[[Any], bool]:
    return lambda models: any(m["id"] == model and m["state"] == state for m in models)


def test_a_models_life_is_told(seen: House) -> None:
    seen.ask("GET", "/unload")
    with listening(seen) as listener:
        listener.until("modelStatus", state_is("llama-b", "stopped"))
        seen.load("llama-b")
        listener.until("modelStatus", state_is("llama-b", "ready"))
        seen.ask("POST", "/api/models/unload/llama-b")
        listener.until("modelStatus", state_is("llama-b", "stopped"))
    sources = {data["source"] for kind, data in listener.heard if kind == "logData"}
    assert sources == {"proxy", "upstream"}


def test_a_request_is_told_from_its_beginning_to_its_row(seen: House, callers: Crowd) -> None:
    with listening(seen) as listener:
        listener.until("inflight")
        caller = callers.ask("llama-a", "tokens=9999 tps=50").until("t1")
        number = caller.answer.headers["X-Request-Id"]

        def is_ours(data: Any, least: int = 0) -> bool:
            request = data.get("request", {})
            ours = request.get("request_id") == number
            return bool(ours and request["resp_bytes"] >= least)

        came = listener.until("inflight", is_ours)
        assert came["operation"] == "upsert"
        listener.until("inflight", lambda data: is_ours(data, 500))
        caller.leave("rst")
        gone = listener.until("inflight", lambda data: data["operation"] == "remove")
        assert gone["id"] == came["request"]["id"]
        row = listener.until("activity")
    rows = seen.get("/api/metrics/activity")["data"]
    assert [one["id"] for one in rows if one["request_id"] == number] == [row["id"]]


def test_a_request_that_runs_is_in_the_first_snapshot(seen: House, callers: Crowd) -> None:
    callers.ask("llama-a", "tokens=9999 tps=50").until("t1")
    with listening(seen) as listener:
        snapshot = listener.until("inflight")
    assert [one["phase"] for one in snapshot["requests"]] == ["streaming"]
    assert all(one["req_headers"]["Authorization"] == "[REDACTED]" for one in snapshot["requests"])


def test_a_profile_that_is_switched_is_told(seen: House) -> None:
    with listening(seen) as listener:
        listener.until("inflight")
        seen.ask("PUT", "/api/profiles/active", {"name": "work"})
        assert listener.until("profileChanged") == {"active": "work"}
        seen.ask("PUT", "/api/profiles/active", {"name": None})
        assert listener.until("profileChanged") == {"active": None}


def test_a_changed_configuration_is_told(seen: House) -> None:
    file = seen.folder / "paddock.yaml"
    good = file.read_text()
    with listening(seen) as listener:
        listener.until("inflight")
        file.write_text("{ not: [yaml")
        refused = listener.until("configChanged")
        assert refused["ok"] is False
        assert refused["problems"]
        changed = json.loads(good)
        changed["ui"] = {"activity": {"session_id": ["X-Mine"]}}
        file.write_text(json.dumps(changed))
        assert listener.until("configChanged", lambda told: told["ok"])["needs_restart"] == []
        assert listener.until("uiConfig") == {"activity": {"session_id": ["X-Mine"]}}
        file.write_text(good)
        listener.until("configChanged", lambda told: told["ok"])


def test_a_client_that_leaves_is_followed_no_more(seen: House) -> None:
    for _ in range(3):
        with listening(seen) as listener:
            listener.until("inflight")
    assert seen.chat("llama-a", "fake tokens=1").status == 200


# --- the list in memory


def test_only_the_newest_requests_are_remembered(seen: House) -> None:
    for _ in range(KEPT + 2):
        seen.chat("llama-a", "fake tokens=1")
    page = seen.get("/api/metrics/activity")
    assert page["total"] == len(page["data"]) == KEPT


def test_without_a_buffer_nothing_is_captured(seen: House) -> None:
    seen.chat("llama-a", "fake tokens=1")
    row = seen.get("/api/metrics/activity")["data"][0]
    assert row["has_capture"] is False
    assert seen.ask("GET", f"/api/captures/{row['id']}").status == 404


# --- the machine


def test_the_machine_is_looked_at_again_and_again(seen: House) -> None:
    told = seen.until(
        lambda: (p := seen.get("/api/performance"))["sys_stats"][1:] and p, "two looks"
    )
    first, second = told["sys_stats"][:2]
    assert told["enabled"] is True
    assert first["timestamp"] < second["timestamp"]
    assert len(second["cpu_util_per_core"]) >= 1
    assert 0 < second["mem_used_mb"] <= second["mem_total_mb"]
    assert all(set(net) == {"name", "bytes_recv", "bytes_sent"} for net in second["net_io"])
    later = seen.get(f"/api/performance?after={first['timestamp']}")["sys_stats"]
    assert first["timestamp"] not in {one["timestamp"] for one in later}


@pytest.mark.parametrize("after", ["yesterday", "1", "2026-01-01"])
def test_a_wrong_time_is_named(seen: House, after: str) -> None:
    answer = seen.ask("GET", f"/api/performance?after={after}")
    assert (answer.status, answer.json()["error"]["param"]) == (400, "after")


def test_the_hardware_is_told(seen: House) -> None:
    seen.until(lambda: seen.ask("GET", "/api/hardware").status == 200, "the machine is known")
    told = seen.get("/api/hardware")
    assert told["schema_version"] == 1
    assert told["capture"]["detector"]["name"] == "paddock"
    assert told["cpu"]["logical_thread_count"] >= 1
    assert told["memory"]["capacity_bytes"] > 0
    assert isinstance(told["accelerators"], list)
    (engine,) = told["engines"]
    assert (engine["name"], engine["problem"]) == ("fake", "")
    host = told["host"]
    assert 0 < host["free_bytes"] <= host["available_bytes"] < host["total_bytes"]


def test_what_models_hold_is_told(seen: House) -> None:
    seen.chat("llama-a", "fake tokens=1")
    seen.until(lambda: seen.ask("GET", "/api/hardware").status == 200, "the machine is known")
    told = seen.get("/api/hardware?fresh=1")
    (held,) = [one for one in told["instances"] if one["model"] == "llama-a"]
    assert (held["state"], held["engine"]) == ("ready", "fake")
    assert held["resident_bytes"] > 0
    assert told["host"]["ours_bytes"] >= held["resident_bytes"]


def test_the_version_is_told(seen: House) -> None:
    assert set(seen.get("/api/version")) == {"version", "commit", "build_date"}


METRIC = re.compile(r"^[a-z_]+(\{([a-z_]+=\"[^\"]*\",?)*\})? [0-9.e+-]+$")


def test_metrics_are_what_prometheus_reads(seen: House) -> None:
    seen.chat("llama-a", "fake tokens=3")
    seen.until(lambda: seen.get("/api/performance")["sys_stats"][1:], "two looks")

    answer = seen.ask("GET", "/metrics")

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert [line for line in lines if not line.startswith("# ") and not METRIC.match(line)] == []
    names = {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    assert names >= {
        "llamaswap_cpu_util_percent",
        "llamaswap_memory_used_bytes",
        "llamaswap_load_average",
        "llamaswap_network_bytes_total",
        "paddock_requests_total",
        "paddock_tokens_total",
        "paddock_time_to_first_token_seconds_bucket",
        "paddock_queue_wait_seconds_sum",
        "paddock_model_starts_total",
    }
    assert any(
        line.startswith('paddock_requests_total{model="llama-a",status="200"}') for line in lines
    )


def test_a_daemon_that_must_not_look_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    try:
        house.start(house.config(performance={"disabled": True}))
        assert house.ask("GET", "/api/performance").status == 503
        assert house.get("/api/version")["version"]
        answer = house.ask("GET", "/metrics")
        assert (answer.status, answer.json()["error"]["code"]) == (503, "not_observed")
        now = datetime.now(UTC).isoformat().replace("+", "%2B")
        assert house.get(f"/api/metrics/activity?start={now}")["data"] == []
    finally:
        house.stop()


@pytest.mark.parametrize("content", [b"no database at all" * 99, None])
def test_a_store_that_cannot_be_used_is_told_at_the_start(
    tmp_path: Path, content: bytes | None
) -> None:
    house = House(tmp_path)
    path = tmp_path / "store.sqlite"
    path.mkdir() if content is None else path.write_bytes(content)
    try:
        with pytest.raises(AssertionError, match=r"store\.sqlite cannot be used"):
            house.start(house.config(store={"path": str(path)}))
        assert "Traceback" not in house.said
        assert "store.path" in house.said
        assert house.wait() == 1
    finally:
        house.stop()
