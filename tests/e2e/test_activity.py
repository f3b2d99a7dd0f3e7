"""The list of past requests, those that run, and captures, asked of one daemon."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import DIALECTS, Caller, Child, Crowd
from tests.fakes.house import House

Json = dict[str, Any]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two models in memory, one that must wait for room, and a file for the activity."""
    folder = tmp_path_factory.mktemp("activity")
    house = House(folder)
    for name in ("llama-a", "llama-b", "slow"):
        house.add(name)
    house.start(
        house.config(
            maxLoadedModels=2,
            defaultTtl=0,
            drainTimeout=2,
            stallTimeout=1,
            queueTimeout=1,
            store={"path": str(folder / "activity.sqlite")},
            routing={"scheduler": {"settings": {"fifo": {"priority": {"llama-b": 7}}}}},
            models={
                # A start may take its time on a busy machine: only `slow` waits in vain.
                "llama-a": {"aliases": ["nice name"], "queueTimeout": 30},
                "llama-b": {"queueTimeout": 30},
                "dead": {"cmd": house.command("--fake", "die=oom")},
            },
            selectors={"either": {"strategy": "pin", "targets": ["llama-b"]}},
        )
    )
    try:
        house.load("llama-a", "llama-b")
        yield house
    finally:
        house.stop()


@pytest.fixture
def callers(busy: House) -> Iterator[Crowd]:
    crowd = Crowd(busy)
    yield crowd
    crowd.close()


def rows(house: House, query: str = "") -> list[Json]:
    found: list[Json] = house.get(f"/api/metrics/activity?{query}")["data"]
    return found


def row_of(house: House, request_id: str) -> Json:
    """The row of a request, waited for: a client may be answered before its request has ended."""

    def find() -> Json | None:
        return next((row for row in rows(house) if row["request_id"] == request_id), None)

    found: Json = house.until(find, f"request {request_id} has a row")
    return found


def ask(house: House, dialect: str, number: str, *, stream: bool, **fields: Any) -> Json:
    asked = DIALECTS[dialect]
    body = {**asked.body("fake tokens=6 tps=200"), "model": "llama-a", "stream": stream, **fields}
    answer = house.ask("POST", asked.path, body, {"X-Request-Id": number})
    assert answer.status == 200, answer.text
    return row_of(house, number)


# --- rows


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_has_its_tokens_counted(busy: House, dialect: str, stream: bool) -> None:
    row = ask(busy, dialect, f"count-{dialect}-{stream}", stream=stream)

    assert (row["model"], row["resp_status_code"]) == ("llama-a", 200)
    assert row["req_path"] == DIALECTS[dialect].path
    assert row["tokens"]["output_tokens"] == 6
    assert row["tokens"]["input_tokens"] > 0
    expected = DIALECTS[dialect].content_type if stream else "application/json"
    assert row["resp_content_type"].startswith(expected)
    assert row["resp_bytes"] > 0
    assert 0 <= row["queue_ms"] < row["duration_ms"] + 1
    assert "error_msg" not in row
    if stream:
        assert 0 < row["ttft_ms"] <= row["duration_ms"] + 1
        assert row["tokens"]["tokens_per_second"] > 0


def test_an_embedding_has_a_row_and_a_request_for_tokens_has_none(busy: House) -> None:
    body = {"model": "llama-a", "input": "one two three", "content": "x"}
    for path in ("/tokenize", "/v1/embeddings"):
        busy.ask("POST", path, body, {"X-Request-Id": f"quiet{path.replace('/', '-')}"})

    assert row_of(busy, "quiet-v1-embeddings")["tokens"]["input_tokens"] > 0
    assert not [row for row in rows(busy) if row["request_id"] == "quiet-tokenize"]


def test_upstream_requests_for_inference_have_rows_and_others_none(busy: House) -> None:
    body = {"messages": [{"role": "user", "content": "fake tokens=2"}]}
    busy.ask("GET", "/upstream/llama-a/health", headers={"X-Request-Id": "up-health"})
    busy.ask("POST", "/upstream/llama-a/v1/chat/completions", body, {"X-Request-Id": "up-chat"})

    row = row_of(busy, "up-chat")
    assert (row["req_path"], row["tokens"]["output_tokens"]) == ("/v1/chat/completions", 2)
    assert not [row for row in rows(busy) if row["request_id"] == "up-health"]


def test_a_row_tells_the_name_that_was_asked_for_the_session_and_the_client(busy: House) -> None:
    body = {"model": "nice name", "messages": [{"role": "user", "content": "fake tokens=1"}]}
    told = {"X-Session-ID": "first", "X-Litellm-Session-Id": "second", "X-Request-Id": "named"}
    busy.ask("POST", "/v1/chat/completions", body, told)

    row = row_of(busy, "named")
    assert (row["model"], row["requested_model"]) == ("llama-a", "nice name")
    assert (row["session_id"], row["remote_ip"], row["client"]) == (
        "first",
        "127.0.0.1",
        "127.0.0.1",
    )
    assert "metadata" not in row


def test_a_row_tells_priority_and_selector(busy: House) -> None:
    body = {"model": "either", "messages": [{"role": "user", "content": "fake tokens=1"}]}
    busy.ask("POST", "/v1/chat/completions", body, {"X-Request-Id": "chosen"})

    row = row_of(busy, "chosen")
    assert row["metadata"] == {"selector": "either", "fifo_priority": "7"}
    assert (row["model"], row["requested_model"]) == ("llama-b", "either")


def test_a_refusal_of_the_engine_is_in_the_row(busy: House) -> None:
    body = {"model": "llama-a", "messages": [{"role": "user", "content": "fake status=400"}]}
    answer = busy.ask("POST", "/v1/chat/completions", body, {"X-Request-Id": "refused"})

    row = row_of(busy, "refused")
    assert (answer.status, row["resp_status_code"]) == (400, 400)
    assert row["error_msg"]


def test_a_model_that_cannot_start_is_in_the_row(busy: House) -> None:
    body = {"model": "dead", "messages": []}
    answer = busy.ask("POST", "/v1/chat/completions", body, {"X-Request-Id": "dead"})

    row = row_of(busy, "dead")
    assert row["resp_status_code"] == answer.status >= 500
    assert row["error_msg"] == answer.json()["error"]["message"]
    assert row["ttft_ms"] is None
    busy.load("llama-a", "llama-b")


def test_a_child_that_dies_is_in_the_row(busy: House, callers: Crowd) -> None:
    caller = callers.ask("llama-b", "tokens=9 crash_after=2")
    number = caller.answer.headers["X-Request-Id"]
    caller.finish()

    row = row_of(busy, number)
    assert (row["resp_status_code"], row["cancel_reason"]) == (200, "")
    assert "died" in row["error_msg"]
    busy.load("llama-b")


def test_a_client_that_leaves_is_in_the_row(busy: House, callers: Crowd) -> None:
    caller = callers.ask("llama-a", "tokens=100000 tps=50").until("t1")
    number = caller.answer.headers["X-Request-Id"]
    caller.leave("rst")

    row = row_of(busy, number)
    assert (row["resp_status_code"], row["cancel_reason"]) == (200, "client_left")


def test_a_client_that_reads_nothing_is_in_the_row(busy: House, callers: Crowd) -> None:
    caller = callers.ask("llama-a", "tokens=20000 big=4000000", receive_buffer=4096)
    number = caller.answer.headers["X-Request-Id"]

    assert row_of(busy, number)["cancel_reason"] == "stalled"


# --- questions about rows


@pytest.fixture(scope="module")
def listed(busy: House) -> House:
    """The daemon, with a few rows whatever ran before."""
    for number in range(5):
        ask(busy, "chat", f"listed-{number}", stream=False)
    return busy


@pytest.mark.parametrize(
    ("query", "count"),
    [("limit=3", 3), ("limit=1", 1), ("limit=999&max_id=2", 2), ("model=nobody", 0)],
)
def test_as_many_rows_as_asked_for_are_told(listed: House, query: str, count: int) -> None:
    assert len(rows(listed, query)) == count


def test_pages_are_counted_and_do_not_overlap(listed: House) -> None:
    first, second = (
        listed.get(f"/api/metrics/activity?limit=2&page={page}&max_id=5") for page in (1, 2)
    )
    assert (first["total"], first["total_pages"], first["page"], first["limit"]) == (5, 3, 1, 2)
    assert [row["id"] for row in first["data"] + second["data"]] == [5, 4, 3, 2]


@pytest.mark.parametrize("key", ["id", "time", "model", "duration", "generated", "ttft", "client"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_rows_are_sorted_either_way(listed: House, key: str, order: str) -> None:
    asked = rows(listed, f"sort={key}&order={order}&limit=999")
    other = rows(listed, f"sort={key}&order={'desc' if order == 'asc' else 'asc'}&limit=999")
    assert [row["id"] for row in asked] == [row["id"] for row in reversed(other)]


def test_rows_of_a_time_are_told(listed: House) -> None:
    newest = rows(listed, "limit=2")
    when = newest[0]["timestamp"]
    assert newest[0]["id"] in {row["id"] for row in rows(listed, f"start={when}&end={when}")}
    assert rows(listed, "end=2001-01-01T00:00:00Z") == []
    assert rows(listed, "start=2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1000", "page=0", "sort=nothing", "order=up", "start=now", "min_id=x"],
)
def test_a_wrong_parameter_is_named(listed: House, query: str) -> None:
    answer = listed.ask("GET", f"/api/metrics/activity?{query}")
    assert answer.status == 400
    assert answer.json()["error"]["param"] == query.partition("=")[0]


def test_stats_sum_up_what_is_listed(listed: House) -> None:
    stats = listed.get("/api/metrics/stats?model=llama-a")
    page = listed.get("/api/metrics/activity?model=llama-a&limit=999")
    assert stats["total_requests"] == page["total"]
    assert stats["total_output_tokens"] == sum(
        row["tokens"]["output_tokens"] for row in page["data"]
    )
    shape = stats["gen_histogram"]
    assert set(shape) == {"bins", "min", "max", "binSize", "p50", "p95", "p99"}
    assert shape["min"] <= shape["p50"] <= shape["p99"] <= shape["max"]
    assert stats["ttft_histogram"]["p50"] > 0


def test_stats_of_nothing_are_empty(listed: House) -> None:
    stats = listed.get("/api/metrics/stats?model=nobody")
    assert stats["total_requests"] == 0
    assert stats["gen_histogram"] is None


def test_rows_are_in_the_owners_file(listed: House) -> None:
    count = listed.get("/api/metrics/activity")["total"]
    with sqlite3.connect(listed.folder / "activity.sqlite") as file:
        assert file.execute("SELECT count(*) FROM requests").fetchone()[0] >= count
    file.close()


# --- requests that run


def running(house: House) -> list[Json]:
    told = house.get("/api/inflight")
    assert told["total"] == len(told["requests"])
    found: list[Json] = told["requests"]
    return found


def one_running(house: House, phase: str) -> Json:
    def find() -> Json | None:
        return next((one for one in running(house) if one["phase"] == phase), None)

    found: Json = house.until(find, f"a request is {phase}")
    return found


def test_a_request_that_runs_is_listed(busy: House, callers: Crowd, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    caller = callers.ask("llama-a", f"tokens=3 gate={gate} gate_at=2").until("t1")

    one = one_running(busy, "streaming")
    assert (one["model"], one["method"], one["remote_ip"]) == ("llama-a", "POST", "127.0.0.1")
    assert one["resp_bytes"] > 0
    assert one["elapsed_ms"] >= 0
    assert one["req_headers"]["Authorization"] == "[REDACTED]"
    assert one["request_id"] == caller.answer.headers["X-Request-Id"]
    gate.touch()
    caller.finish()
    busy.until(lambda: not running(busy), "nothing runs")


def test_a_request_in_its_prompt_is_listed_as_such(
    busy: House, callers: Crowd, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    caller = callers.ask("llama-a", f"tokens=1 gate={gate} gate_at=0", stream=False)
    one_running(busy, "prefill")
    gate.touch()
    caller.finish()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_ended_by_its_id_ends_in_an_error(
    busy: House, callers: Crowd, dialect: str
) -> None:
    caller = callers.ask("llama-a", "tokens=100000 tps=50", dialect=dialect).until("t1")
    one = one_running(busy, "streaming")

    answer = busy.ask("POST", f"/api/inflight/{one['id']}/cancel")

    assert (answer.status, answer.json()) == (200, {"msg": "ok"})
    error = DIALECTS[dialect].error(caller.finish().body)
    assert "cancelled" in error["message"]
    assert caller.whole
    row = row_of(busy, one["request_id"])
    assert (row["cancel_reason"], row["resp_status_code"]) == ("cancelled", 200)
    child = Child(busy, "llama-a")
    busy.until(lambda: child.running == 0, "the generation ended")


def test_a_whole_answer_ended_by_its_id_is_an_error(busy: House, callers: Crowd) -> None:
    caller = callers.ask("llama-a", "tokens=100000 tps=50", stream=False)
    one = one_running(busy, "prefill")
    assert busy.ask("POST", f"/api/inflight/{one['id']}/cancel").status == 200

    assert caller.json()["error"]["code"] == "cancelled"
    assert caller.answer.status == 499
    assert row_of(busy, one["request_id"])["resp_status_code"] == 499


def test_the_connection_of_a_cancelled_request_serves_the_next_one(busy: House) -> None:
    body = json.dumps(
        {"model": "llama-a", "messages": [{"role": "user", "content": "fake tokens=9999 tps=20"}]}
    ).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    with busy.wire() as wire:
        wire.send(head % len(body) + body)
        one = one_running(busy, "prefill")
        busy.ask("POST", f"/api/inflight/{one['id']}/cancel")
        assert wire.answer().status == 499
        wire.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert wire.answer().status == 200


@pytest.mark.parametrize("number", ["0", "999999", "x", "%2e%2e", "1/2"])
def test_nothing_runs_under_that_id(busy: House, number: str) -> None:
    answer = busy.ask("POST", f"/api/inflight/{number}/cancel")
    assert (answer.status, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_request_that_loads_or_waits_can_be_ended(busy: House, callers: Crowd) -> None:
    holders = [
        callers.ask(name, "tokens=100000 tps=20").until("t1") for name in ("llama-a", "llama-b")
    ]
    waiter: Caller = callers.ask("slow", stream=False)
    one = one_running(busy, "queued")
    assert busy.ask("POST", f"/api/inflight/{one['id']}/cancel").status == 200

    assert waiter.json()["error"]["code"] == "cancelled"
    row = row_of(busy, one["request_id"])
    assert (row["model"], row["cancel_reason"]) == ("slow", "cancelled")
    assert row["queue_ms"] > 0
    for holder in holders:
        holder.leave("rst")


def test_a_wait_that_is_over_is_in_the_row(busy: House, callers: Crowd) -> None:
    busy.load("llama-a", "llama-b")
    holders = [
        callers.ask(name, "tokens=100000 tps=20").until("t1") for name in ("llama-a", "llama-b")
    ]
    waiter: Caller = callers.ask("slow", stream=False)
    number = waiter.answer.headers["X-Request-Id"]

    row = row_of(busy, number)
    assert (row["cancel_reason"], row["resp_status_code"]) == ("timeout", 503)
    for holder in holders:
        holder.leave("rst")


# --- captures


def test_a_capture_has_both_sides_as_they_were(busy: House) -> None:
    row = ask(busy, "chat", "captured", stream=True)
    assert row["has_capture"]

    told = busy.get(f"/api/captures/{row['id']}")

    asked = json.loads(base64.b64decode(told["req_body"]))
    assert (told["id"], told["req_path"]) == (row["id"], "/v1/chat/completions")
    assert asked["messages"][0]["content"].startswith("fake tokens=6")
    answer = base64.b64decode(told["resp_body"])
    assert answer.startswith(b"data: {")
    assert answer.endswith(b"data: [DONE]\n\n")
    assert "captured" in told["req_headers"].values()
    assert told["resp_headers"]["Content-Type"].startswith("text/event-stream")


@pytest.mark.parametrize("number", ["0", "999999", "x", "-1", "1/2", "9" * 30])
def test_there_is_no_such_capture(busy: House, number: str) -> None:
    answer = busy.ask("GET", f"/api/captures/{number}")
    assert (answer.status, answer.json()["error"]["code"]) == (404, "not_found")
