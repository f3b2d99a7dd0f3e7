"""The shapes of llama-swap's errors, each against a running daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Crowd
from tests.fakes.house import Answer, House

CHAT = {"messages": [{"role": "user", "content": "hello"}]}

JSON_PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/reranking",
    "/rerank",
    "/reranking",
    "/infill",
    "/completion",
    "/v1/audio/speech",
    "/v1/audio/voices",
    "/v1/images/generations",
    "/v1/images/edits",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/audioapi/v1/tasks/run",
    "/v/chat/completions",
    "/v/completions",
    "/v/responses",
    "/v/embeddings",
    "/v/rerank",
    "/v/reranking",
)
ANTHROPIC_PATHS = (
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v/messages",
    "/v/messages/count_tokens",
)
POST_ONLY = (*(path for path in JSON_PATHS if path != "/v1/audio/voices"), *ANTHROPIC_PATHS)
GET_ONLY = (
    "/v1/models",
    "/running",
    "/logs",
    "/logs/stream",
    "/api/queue",
    "/api/profiles",
    "/api/config",
    "/health",
    "/wol-health",
    "/sdapi/v1/loras",
    "/props",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a loaded model, one that cannot start and one whose queue is short."""
    house = House(tmp_path_factory.mktemp("home"))
    for name in ("llama-a", "sick", "short"):
        house.add(name)
    models = {
        "sick": {"args": "--fake die=oom"},
        "bad-flag": {"cmd": house.command("--no-such-flag")},
        "missing": {"cmd": "/no/such/program --port ${PORT}"},
        "short": {"parallel": 1, "queueLimit": 1},
        "none": {"parallel": 1, "queueLimit": 0},
    }
    house.add("none")
    house.start(house.config(models=models, maxLoadedModels=8, defaultTtl=0))
    house.load("llama-a", "short", "none")
    house.chat("sick")
    yield house
    house.stop()


def error_of(answer: Answer) -> Any:
    """The error object, of OpenAI's shape."""
    assert answer.headers["Content-Type"].startswith("application/json")
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert isinstance(error["message"], str)
    return error


# --- 404: no such model ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", JSON_PATHS)
def test_an_unknown_model_is_404(home: House, path: str) -> None:
    answer = home.ask("POST", path, {**CHAT, "model": "nobody"})
    error = error_of(answer)

    assert answer.status == 404
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert "nobody" in error["message"]


@pytest.mark.parametrize("path", ANTHROPIC_PATHS)
def test_an_unknown_model_is_404_in_anthropics_shape(home: House, path: str) -> None:
    answer = home.ask("POST", path, {**CHAT, "model": "nobody"})

    assert answer.status == 404
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras", "/props"])
def test_an_unknown_model_in_the_query_is_404(home: House, path: str) -> None:
    assert home.ask("GET", f"{path}?model=nobody").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/upstream/nobody/"),
        ("GET", "/upstream/nobody/health"),
        ("POST", "/upstream/nobody/v1/chat/completions"),
        ("POST", "/api/models/unload/nobody"),
        ("GET", "/v1/models/nobody"),
        ("GET", "/comfyui/"),
    ],
)
def test_an_unknown_model_in_the_path_is_404(home: House, method: str, path: str) -> None:
    answer = home.ask(method, path)

    assert answer.status == 404
    assert error_of(answer)["code"] == "model_not_found"


@pytest.mark.parametrize("name", ["llama_a", "llama-a\u0000", "llama*", "../llama-a", "llama-a/x"])
def test_no_pattern_and_no_path_is_a_name(home: House, name: str) -> None:
    assert home.chat(name).status == 404


# --- 400: no model at all -------------------------------------------------------------------------


@pytest.mark.parametrize("path", JSON_PATHS)
def test_better_a_missing_model_is_400_and_names_the_field(home: House, path: str) -> None:
    answer = home.ask("POST", path, CHAT)

    assert answer.status == 400
    assert error_of(answer)["param"] == "model"


@pytest.mark.parametrize("model", [None, "", 0, 1.5, True, [], ["llama-a"], {}])
def test_better_a_model_that_is_no_text_is_400(home: House, model: Any) -> None:
    answer = home.ask("POST", "/v1/chat/completions", {**CHAT, "model": model})

    assert answer.status == 400
    assert error_of(answer)["param"] == "model"


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras"])
def test_a_query_without_a_model_is_400(home: House, path: str) -> None:
    assert home.ask("GET", path).status == 400
    assert home.ask("GET", f"{path}?model=").status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"llama-a"', b"null", b"\xff\xfe", b'{"model": "llama-a"', b"{}x"]
)
def test_a_body_that_is_no_object_is_400(home: House, body: bytes) -> None:
    answer = home.ask("POST", "/v1/chat/completions", body)

    assert answer.status == 400
    assert error_of(answer)["type"] == "invalid_request_error"


# --- 404, 405: no such endpoint -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/files",
        "/v1/batches",
        "/v1/audio/translations",
        "/v1/realtime",
        "/v1/chat",
        "/v1/chat/completions/",
        "/V1/models",
        "//v1/models",
        "/api/nothing",
        "/ui/../v1/models",
        "/v/nothing",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404(home: House, method: str, path: str) -> None:
    with home.wire() as wire:
        answer = wire.ask(method, path).answer()

    assert answer.status == 404
    assert answer.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("path", POST_ONLY)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_than_post_is_405(home: House, path: str, method: str) -> None:
    answer = home.ask(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", GET_ONLY)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_method_than_get_is_405(home: House, path: str, method: str) -> None:
    answer = home.ask(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


# --- 429: too many for one model ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/upstream/short/echo"])
def test_more_than_may_wait_is_429(home: House, crowd: Crowd, tmp_path: Path, path: str) -> None:
    crowd.ask("short", f"gate={tmp_path / 'go'}").until("t0 ")
    waiting = crowd.ask("short")
    home.until(lambda: home.get("/api/queue")["waiting"], "one waits")
    answer = home.ask("POST", path, {**CHAT, "model": "short", "max_tokens": 4})
    (tmp_path / "go").touch()

    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    told = answer.json()["error"]
    assert told["type"] == ("rate_limit_error")
    assert told.get("code", "concurrency_limit") == "concurrency_limit"
    assert b"[DONE]" in waiting.finish().body


@pytest.mark.parametrize("stream", [True, False])
def test_a_queue_of_nobody_refuses_as_llama_swap_does(
    home: House, crowd: Crowd, tmp_path: Path, stream: bool
) -> None:
    busy = crowd.ask("none", f"gate={tmp_path / 'go'}").until("t0 ")
    answer = home.chat("none", stream=stream)
    (tmp_path / "go").touch()

    assert answer.status == 429
    assert answer.headers["Retry-After"]
    assert error_of(answer)["code"] == "concurrency_limit"
    assert b"[DONE]" in busy.finish().body


def test_better_a_full_model_queues(home: House, crowd: Crowd, tmp_path: Path) -> None:
    crowd.ask("short", f"gate={tmp_path / 'go'}").until("t0 ")
    waiting = crowd.ask("short")
    home.until(lambda: home.get("/api/queue")["waiting"], "one waits")
    (tmp_path / "go").touch()

    assert b"[DONE]" in waiting.finish().body


# --- a model that cannot start --------------------------------------------------------------------


@pytest.mark.parametrize("path", JSON_PATHS[:4])
@pytest.mark.parametrize("stream", [True, False])
def test_better_a_failed_start_says_why(home: House, path: str, stream: bool) -> None:
    answer = home.ask("POST", path, {**CHAT, "model": "sick", "stream": stream})
    error = error_of(answer)

    assert answer.status == 503
    assert error["code"] in {"out_of_memory", "crash_loop"}
    assert "memory" in error["message"]
    assert error["hint"]


@pytest.mark.parametrize(("model", "word"), [("bad-flag", "no-such-flag"), ("missing", "missing")])
def test_better_what_cannot_work_is_500_with_the_reason(home: House, model: str, word: str) -> None:
    answer = home.chat(model)

    assert answer.status == 500
    assert word in json.dumps(error_of(answer))


# --- what every error has -------------------------------------------------------------------------

BAD = [
    ("POST", "/v1/chat/completions", 400),
    ("GET", "/nothing", 404),
    ("DELETE", "/v1/models", 405),
    ("GET", "/upstream/nobody/x", 404),
    ("POST", "/api/models/unload/nobody", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), BAD)
@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-stream"])
def test_an_error_is_json_with_a_request_id(
    home: House, method: str, path: str, status: int, accept: str
) -> None:
    answer = home.ask(method, path, headers={"Accept": accept, "X-Request-Id": "abc-123"})

    assert answer.status == status
    assert answer.headers["X-Request-Id"] == "abc-123"
    assert error_of(answer)["message"]


@pytest.mark.parametrize(("method", "path", "status"), BAD)
def test_after_an_error_the_connection_serves_on(
    home: House, method: str, path: str, status: int
) -> None:
    with home.wire() as wire:
        assert wire.ask(method, path).answer().status == status
        assert wire.ask("GET", "/health").answer().status == 200
