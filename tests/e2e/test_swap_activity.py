"""llama-swap's list of past requests, its sums, captures, and the end of requests that run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.fakes.caller import DIALECTS, Crowd
from tests.fakes.house import Answer, House

Row = dict[str, Any]
MODELS = ("one", "two", "org/three")
PATHS = ("/v1/chat/completions", "/v1/embeddings", "/v1/completions")
COUNT = 18
"""Requests of the fixture, model by model and path by path in turn."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with loaded models, and a few requests behind it."""
    house = House(tmp_path_factory.mktemp("home"))
    models: dict[str, Any] = {name: {"cmd": house.command()} for name in MODELS}
    models["one"]["aliases"] = ["nice"]
    models["server"] = {"cmd": f"{house.engine} --port ${{PORT}} --model {house.engine}"}
    house.start(house.config(models=models, maxLoadedModels=9, groups=together(*models)))
    for number in range(COUNT):
        path = PATHS[number // 3 % 3]
        told = {"model": MODELS[number % 3], "input": "x", "prompt": "x", "max_tokens": 2}
        house.ask("POST", path, told | {"messages": [{"role": "user", "content": f"n {number}"}]})
    house.until(lambda: total(house) == COUNT, "all have a row")
    yield house
    house.stop()


def together(*names: str) -> dict[str, Any]:
    return {"all": {"swap": False, "exclusive": False, "members": list(names)}}


def total(home: House) -> int:
    return int(home.get("/api/metrics/activity?limit=1")["total"])


def page(home: House, **asked: Any) -> Any:
    """A page of the fixture's rows."""
    query = urlencode({"max_id": COUNT, **asked}, doseq=True)
    return home.get(f"/api/metrics/activity?{query}")


def ids(home: House, **asked: Any) -> list[int]:
    return [row["id"] for row in page(home, **asked)["data"]]


NEWEST = list(range(COUNT, 0, -1))

# --- which rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, NEWEST),
        ({"limit": 1}, NEWEST[:1]),
        ({"limit": 5}, NEWEST[:5]),
        ({"limit": 5, "page": 2}, NEWEST[5:10]),
        ({"limit": 5, "page": 4}, NEWEST[15:]),
        ({"limit": 5, "page": 5}, []),
        ({"limit": 18}, NEWEST),
        ({"limit": 999}, NEWEST),
        ({"page": 2}, []),
        ({"order": "asc"}, NEWEST[::-1]),
        ({"order": "ASC", "limit": 2}, [1, 2]),
        ({"order": "desc"}, NEWEST),
        ({"sort": "id", "order": "asc", "limit": 3, "page": 2}, [4, 5, 6]),
        ({"min_id": 17}, [18, 17]),
        ({"min_id": 18}, [18]),
        ({"min_id": 19}, []),
        ({"max_id": 2}, [2, 1]),
        ({"max_id": 0}, []),
        ({"min_id": 4, "max_id": 6}, [6, 5, 4]),
        ({"min_id": 6, "max_id": 4}, []),
        ({"model": "one"}, [16, 13, 10, 7, 4, 1]),
        ({"model": "org/three"}, [18, 15, 12, 9, 6, 3]),
        ({"model": ["one", "two"], "min_id": 13}, [17, 16, 14, 13]),
        ({"model": ["one", ""], "min_id": 13}, [16, 13]),
        ({"model": "nobody"}, []),
        ({"model": ["nobody", "two"], "limit": 2}, [17, 14]),
        ({"model": "two", "limit": 2, "page": 2}, [11, 8]),
        ({"model": "", "limit": 2}, [18, 17]),
        ({"limit": "", "page": "", "sort": "", "order": "", "min_id": ""}, NEWEST),
        ({"start": "2001-01-01T00:00:00Z"}, NEWEST),
        ({"start": "2001-01-01T00:00:00+02:00", "limit": 1}, [18]),
        ({"start": "2999-01-01T00:00:00Z"}, []),
        ({"end": "2001-01-01T00:00:00.123Z"}, []),
        ({"end": "2999-01-01T00:00:00Z", "limit": 1}, [18]),
        ({"more": "unknown parameters are ignored", "limit": 1}, [18]),
    ],
)
def test_rows_that_are_asked_for(home: House, asked: dict[str, Any], expected: list[int]) -> None:
    assert ids(home, **asked) == expected


@pytest.mark.parametrize(
    ("limit", "pages"), [(1, 18), (4, 5), (5, 4), (6, 3), (17, 2), (18, 1), (999, 1)]
)
def test_pages_are_counted(home: House, limit: int, pages: int) -> None:
    told = page(home, limit=limit)

    assert (told["total"], told["total_pages"]) == (COUNT, pages)
    assert (told["limit"], told["page"]) == (limit, 1)


@pytest.mark.parametrize("limit", [1, 4, 7])
def test_pages_together_are_all_rows_once(home: House, limit: int) -> None:
    pages = range(1, COUNT // limit + 2)

    assert [one for number in pages for one in ids(home, limit=limit, page=number)] == NEWEST


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", lambda row: row["id"]),
        ("time", lambda row: row["timestamp"]),
        ("model", lambda row: row["model"]),
        ("req_path", lambda row: row["req_path"]),
        ("resp_status_code", lambda row: row["resp_status_code"]),
        ("prompt", lambda row: row["tokens"]["input_tokens"]),
        ("generated", lambda row: row["tokens"]["output_tokens"]),
        ("cached", lambda row: row["tokens"]["cache_tokens"]),
        ("duration", lambda row: row["duration_ms"]),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_rows_are_in_order(home: House, key: str, value: Any, order: str) -> None:
    found = [value(row) for row in page(home, sort=key, order=order)["data"]]

    assert found == sorted(found, reverse=order == "desc")
    assert len(found) == COUNT


WRONG: dict[str, tuple[Any, ...]] = {
    "limit": (0, -1, 1000, "x", "1.5", "1e2", "5 5", 10**30),
    "page": (0, -1, "x", "1.0", 10**30),
    "min_id": (-1, "x", "0x1", 10**20),
    "max_id": (-1, "x", "1,2", 10**20),
    "sort": ("nothing", "id;", "id desc", "1", "has_capture"),
    "order": ("up", "ascending", "1"),
    "start": ("now", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "1700000000"),
    "end": ("now", "2026-02-30T00:00:00Z", "2026-01-01"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_parameter_is_400_and_named(home: House, name: str, value: Any) -> None:
    answer = home.ask("GET", f"/api/metrics/activity?{urlencode({name: value})}")

    assert answer.status == 400
    error = answer.json()["error"]
    assert error["param"] == name
    assert name in error["message"]


# --- what a row tells ----------------------------------------------------------------------------

FIELDS = {
    "id",
    "timestamp",
    "model",
    "req_path",
    "resp_content_type",
    "resp_status_code",
    "tokens",
    "duration_ms",
    "has_capture",
    # better: what theirs lack
    "requested_model",
    "ttft_ms",
    "queue_ms",
    "load_ms",
    "client",
    "cancel_reason",
    "session_id",
    "remote_ip",
    "request_id",
    "resp_bytes",
}


def newest(home: House, number: str) -> Row:
    """The row of the request with this id."""

    def find() -> Row | None:
        rows = home.get("/api/metrics/activity?limit=999")["data"]
        return next((row for row in rows if row["request_id"] == number), None)

    found: Row = home.until(find, f"{number} has a row")
    return found


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, COUNT])
def test_a_row_has_all_fields(home: House, number: int) -> None:
    (row,) = page(home, min_id=number, max_id=number)["data"]

    assert set(row) == FIELDS
    assert row["model"] == MODELS[(number - 1) % 3]
    assert row["req_path"] == PATHS[(number - 1) // 3 % 3]
    assert row["resp_status_code"] == 200
    assert set(row["tokens"]) == {
        "cache_tokens",
        "draft_tokens",
        "draft_acc_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_per_second",
        "tokens_per_second",
    }


@pytest.mark.parametrize(
    ("headers", "session"),
    [
        ({}, ""),
        ({"X-Session-ID": "first"}, "first"),
        ({"X-Litellm-Session-Id": "second"}, "second"),
        ({"X-Session-ID": "first", "X-Litellm-Session-Id": "second"}, "first"),
        ({"x-session-id": "any case"}, "any case"),
        ({"X-Other": "none"}, ""),
    ],
)
def test_the_session_of_a_row(home: House, headers: dict[str, str], session: str) -> None:
    number = f"session-{len(headers)}-{session or 'none'}".replace(" ", "-")
    home.ask(
        "POST",
        "/v1/embeddings",
        {"model": "nice", "input": "x"},
        headers | {"X-Request-Id": number},
    )
    row = newest(home, number)

    assert (row["session_id"], row["model"], row["requested_model"]) == (session, "one", "nice")


@pytest.mark.parametrize("path", ["/tokenize", "/detokenize", "/apply-template"])
def test_what_generates_nothing_has_no_row(home: House, path: str) -> None:
    number = f"quiet{path.replace('/', '-')}"
    home.ask("POST", path, {"model": "one", "content": "x"}, {"X-Request-Id": number})
    home.ask("POST", "/v1/embeddings", {"model": "one"}, {"X-Request-Id": f"{number}-after"})
    newest(home, f"{number}-after")

    found = home.get("/api/metrics/activity?limit=999")["data"]
    assert number not in {row["request_id"] for row in found}


@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
@pytest.mark.parametrize("fault", ["end_after=2", "truncate_after=2", "rst_after=2"])
def test_a_broken_stream_is_told_below_v_too(home: House, dialect: str, fault: str) -> None:
    asked = DIALECTS[dialect]
    number = f"broken-{dialect}-{fault.partition('_')[0]}"
    answer = home.ask(
        "POST",
        asked.path.replace("/v1/", "/v/"),
        {**asked.body(f"fake tokens=9 {fault}"), "model": "server", "stream": True},
        {"X-Request-Id": number},
    )

    assert asked.error(answer.body)["message"]
    assert newest(home, number)["error_msg"]


# --- sums ----------------------------------------------------------------------------------------


def test_sums_of_nobody(home: House) -> None:
    told = home.get("/api/metrics/stats?model=nobody")

    assert [told[key] for key in told if key.startswith("total_")] == [0, 0, 0, 0]
    assert [told[key] for key in told if key.endswith("_histogram")] == [None] * 5


@pytest.mark.parametrize("model", [*MODELS, ""])
def test_sums_are_those_of_the_rows(home: House, model: str) -> None:
    told = home.get(f"/api/metrics/stats?{urlencode({'model': model})}")
    query = urlencode({"limit": 999, "model": model})
    rows = home.get(f"/api/metrics/activity?{query}")["data"]

    assert told["total_requests"] == len(rows)
    for kind in ("input", "output", "cache"):
        expected = sum(max(row["tokens"][f"{kind}_tokens"], 0) for row in rows)  # -1: unknown
        assert told[f"total_{kind}_tokens"] == expected


@pytest.mark.parametrize("shape", ["ttft_histogram", "queue_histogram"])
def test_a_distribution_is_whole(home: House, shape: str) -> None:
    told = home.get("/api/metrics/stats")[shape]

    assert told["min"] <= told["p50"] <= told["p95"] <= told["p99"] <= told["max"]
    assert sum(told["bins"]) > 0
    assert told["binSize"] >= 0


# --- captures ------------------------------------------------------------------------------------


def captured(home: House, number: str, **headers: str) -> Any:
    told = {"model": "one", "messages": [{"role": "user", "content": f"fake tokens=2 {number}"}]}
    home.ask("POST", "/v1/chat/completions", told, headers | {"X-Request-Id": number})
    row = newest(home, number)
    assert row["has_capture"]
    return home.get(f"/api/captures/{row['id']}")


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Api-Key",
        "Cookie",
        "Proxy-Authorization",
        "X-Auth-Token",
        "X-My-Secret",
    ],
)
def test_secrets_are_not_captured(home: House, name: str) -> None:
    told = captured(home, f"secret-{name.lower()}", **{name: "canary-value"})

    assert "canary" not in json.dumps(told)
    shown = {key.lower(): value for key, value in told["req_headers"].items()}
    assert shown.get(name.lower(), "[REDACTED]") == "[REDACTED]"


@pytest.mark.parametrize("name", ["User-Agent", "X-Session-ID", "Accept-Language"])
def test_other_headers_are_captured(home: House, name: str) -> None:
    told = captured(home, f"plain-{name.lower()}", **{name: "seen"})

    shown = {key.lower(): value for key, value in told["req_headers"].items()}
    assert shown[name.lower()] == "seen"


def test_both_bodies_are_captured(home: House) -> None:
    told = captured(home, "bodies")

    assert b"fake tokens=2 bodies" in base64.b64decode(told["req_body"])
    assert json.loads(base64.b64decode(told["resp_body"]))["choices"]
    assert told["req_path"] == "/v1/chat/completions"


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_is_captured(home: House, status: int) -> None:
    number = f"refused-{status}"
    home.chat("one", f"fake status={status}", user=number)
    rows = home.get("/api/metrics/activity?limit=3")["data"]
    row = next(row for row in rows if row["resp_status_code"] == status)
    told = home.get(f"/api/captures/{row['id']}")

    assert row["error_msg"]
    assert number.encode() in base64.b64decode(told["req_body"])


# --- the end of requests that run ----------------------------------------------------------------


def running(home: House) -> list[Row]:
    found: list[Row] = home.get("/api/inflight")["requests"]
    return found


def cancel(home: House, number: Any) -> Answer:
    return home.ask("POST", f"/api/inflight/{number}/cancel")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_can_be_ended(
    home: House, crowd: Crowd, tmp_path: Path, dialect: str, stream: bool
) -> None:
    caller = crowd.ask("one", f"tokens=9 gate={tmp_path / 'never'}", dialect=dialect, stream=stream)
    if stream:
        caller.until("t0 ")
    (one,) = home.until(lambda: running(home), "it runs")
    answer = cancel(home, one["id"])

    assert (answer.status, answer.json()) == (200, {"msg": "ok"})
    if stream:
        assert "cancelled" in DIALECTS[dialect].error(caller.finish().body)["message"]
    else:
        assert caller.refusal()
        assert caller.answer.status == 499
    assert newest(home, one["request_id"])["cancel_reason"] == "cancelled"
    home.until(lambda: not running(home), "it is gone")
    assert cancel(home, one["id"]).status == 404


def test_only_the_one_is_ended(home: House, crowd: Crowd, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    callers = [crowd.ask(model, f"gate={gate} tokens=3").until("t0 ") for model in MODELS]
    second = running(home)[1]
    assert cancel(home, second["id"]).status == 200
    gate.touch()

    ends = [b"[DONE]" in caller.finish().body for caller in callers]
    assert ends == [True, False, True]


@pytest.mark.parametrize("number", ["0", "x", "-1", "1.5", "99999999", "%00", "%20", "..", "1/1"])
def test_there_is_no_such_request(home: House, number: str) -> None:
    assert cancel(home, number).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_ends(home: House, method: str) -> None:
    assert home.ask(method, "/api/inflight/1/cancel").status == 405
