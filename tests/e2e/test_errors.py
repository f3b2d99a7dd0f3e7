"""What the OpenAI door says when something is wrong, and what it never lets through to a child."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.house import Answer, House

ENVELOPE = {"message", "type", "param", "code"}
EXTRAS = {"hint", "output"}
POST = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
DEEP = b'{"model":"llama-a","x":' + b"[" * 200 + b"]" * 200 + b"}"
DEEPER = b'{"model":"llama-a","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def error_of(answer: Answer) -> Any:
    """The error, whose envelope is OpenAI's."""
    told = answer.json()
    assert set(told) == {"error"}
    assert ENVELOPE <= set(told["error"]) <= ENVELOPE | EXTRAS
    assert told["error"]["message"]
    return told["error"]


# --- the body -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not valid JSON"),
        (b"{", "line 1 column 2"),
        (b'{"model": "llama-a",}', "not valid JSON"),
        (b"nonsense", "not valid JSON"),
        (b'"llama-a"', "not a string"),
        (b'["llama-a"]', "not an array"),
        (b"null", "not null"),
        (b"7", "not a number"),
        (b'{"model": "llama-a", "x": NaN}', "NaN"),
        (b'{"model": "llama-a", "x": -Infinity}', "-Infinity"),
        (b'{"model": "llama-a", "x": 1e999}', "too large"),
        (b'{"model": "llama-a", "x": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"model": "llama-a", "x": "\xff"}', "UTF-8"),
        (b'{"model": "llama-a", "x": "\\ud800"}', "surrogate"),
        (DEEP, "64 levels"),
        (DEEPER, "64 levels"),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else value,
)
def test_a_body_that_is_no_sane_json_is_refused_with_the_reason(
    home: House, body: bytes, said: str
) -> None:
    answer = home.ask("POST", "/v1/chat/completions", body)

    assert answer.status == 400
    assert said in error_of(answer)["message"]
    assert error_of(answer)["code"] == "invalid_request"
    assert error_of(answer)["type"] == "invalid_request_error"


@pytest.mark.parametrize("model", [None, "", 7, True, ["llama-a"], {"id": "llama-a"}])
def test_a_model_that_is_no_name_is_refused(home: House, model: Any) -> None:
    answer = home.ask("POST", "/v1/chat/completions", {"model": model, "messages": []})

    assert answer.status == 400
    assert error_of(answer)["param"] == "model"


def test_of_equal_keys_the_last_one_wins(home: House) -> None:
    answer = home.ask("POST", "/tokenize", b'{"model":"nobody","model":"llama-a","content":"x"}')

    assert answer.status == 200


def test_a_body_that_is_not_what_its_encoding_says_is_refused(home: House) -> None:
    answer = home.ask("POST", "/tokenize", b"no gzip at all", {"Content-Encoding": "gzip"})

    assert answer.status == 400
    assert "decoded" in error_of(answer)["message"]
    assert "Traceback" not in home.said


def test_a_body_cut_short_by_its_encoding_is_refused(home: House) -> None:
    packed = gzip.compress(b'{"model": "llama-a", "content": "x"}' * 1000)

    answer = home.ask("POST", "/tokenize", packed[:-20], {"Content-Encoding": "gzip"})

    assert answer.status == 400


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "lama-a", "messages": []}),
        ("/v1/embeddings", {"model": "lama-a", "input": "x"}),
        ("/models/load", {"model": "lama-a"}),
        ("/models/unload", {"model": "lama-a"}),
        ("/api/paddock/load", {"model": "lama-a"}),
    ],
)
def test_an_unknown_model_is_answered_with_the_nearest_names(
    home: House, path: str, body: Any
) -> None:
    answer = home.ask("POST", path, body)

    assert answer.status == 404
    assert error_of(answer)["code"] == "model_not_found"
    assert error_of(answer)["param"] == "model"
    assert "'llama-a'" in error_of(answer)["message"]
    assert "paddock list" in error_of(answer)["hint"]


@pytest.mark.parametrize(
    "path",
    ["/v1/models/lama-a", "/upstream/lama-a/props", "/logs/lama-a"],
)
def test_an_unknown_model_in_a_path_is_answered_with_the_nearest_names(
    home: House, path: str
) -> None:
    answer = home.ask("GET", path)

    assert answer.status == 404
    assert "'llama-a'" in error_of(answer)["message"]


def test_a_name_cannot_break_out_of_its_message(home: House) -> None:
    answer = home.ask("GET", "/v1/models/x%0d%0aX-Evil:%201%1b[31m")

    assert answer.status == 404
    assert "\n" not in error_of(answer)["message"]
    assert "\x1b" not in error_of(answer)["message"]
    assert "X-Evil" not in answer.headers


# --- endpoints ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/v1", "/v1/", "/v1/chat", "//v1/models", "/V1/models", "/v1/models;x"],
)
def test_what_is_no_endpoint_is_told(home: House, path: str) -> None:
    answer = home.ask("GET", path)

    assert answer.status == 404
    assert error_of(answer)["code"] == "unknown_url"
    assert path in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/v1/models/llama-a", "GET"),
        ("POST", "/unload", "GET"),
        ("GET", "/models/load", "POST"),
        ("PATCH", "/api/models/unload/llama-a", "POST"),
    ],
)
def test_another_method_than_the_endpoints_own_is_told(
    home: House, method: str, path: str, allowed: str
) -> None:
    answer = home.ask(method, path)

    assert answer.status == 405
    assert error_of(answer)["code"] == "method_not_allowed"
    assert answer.headers["Allow"] == allowed


# --- what is not HTTP -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        "GARBAGE\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n",
        f"{POST}Content-Length: -1\r\n\r\n",
        f"{POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        f"{POST}Transfer-Encoding: x\r\n\r\n",
        f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ],
)
def test_what_is_not_http_as_it_should_be_is_refused_in_our_shape(home: House, sent: str) -> None:
    with home.wire() as wire:
        answer = wire.send(sent).answer()
        wire.rest()

    assert answer.status == 400
    assert answer.json()["error"]["code"] == "invalid_request"
    assert "Traceback" not in home.said


# --- Anthropic's shape ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"{", 400, "invalid_request_error"),
        ({"model": "lama-a", "messages": []}, 404, "not_found_error"),
        ({"model": "llama-a", "messages": [], "chat_template": "x"}, 400, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_anthropics_endpoints_answer_errors_in_its_shape(
    home: House, path: str, body: Any, status: int, kind: str
) -> None:
    answer = home.ask("POST", path, body)

    assert answer.status == status
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == kind
    assert set(answer.json()["error"]) == {"type", "message"}


def test_a_wrong_method_on_anthropics_endpoint_is_told_in_its_shape(home: House) -> None:
    answer = home.ask("GET", "/v1/messages")

    assert answer.status == 405
    assert answer.json()["type"] == "error"


# --- the engine's own refusals --------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [400, 404, 500, 501, 503])
def test_the_engines_refusal_is_passed_on(home: House, status: int, stream: bool) -> None:
    answer = home.chat("llama-a", stream=stream, fake={"status": status})

    assert answer.status == status
    assert answer.json()["error"]["message"] == "fake status"


# --- fields that may not reach llama-server -------------------------------------------------------

WHERE = ["/v1/chat/completions", "/v1/completions", "/completion", "/upstream/llama-a/completion"]


@pytest.mark.parametrize("path", WHERE)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_discard", -1),
        ("id_slot", 0),
        ("slot_id", 0),
        ("lora", [{"id": 0, "scale": 1}]),
        ("grammar_triggers", [{"type": 9}]),
        ("grammar_lazy", True),
        ("preserved_tokens", ["x"]),
        ("chat_format", 99),
        ("verbose", True),
    ],
)
def test_a_field_that_is_none_of_a_clients_business_does_not_reach_the_child(
    home: House, path: str, field: str, value: Any, stream: bool
) -> None:
    body = {"model": "llama-a", "messages": [], "prompt": "x", "stream": stream, field: value}

    answer = home.ask("POST", path, body)

    assert answer.status == 200
    assert field not in seen_body(home)
    assert "prompt" in seen_body(home)


@pytest.mark.parametrize("path", WHERE)
@pytest.mark.parametrize(
    ("field", "value", "bound"),
    [
        ("repeat_last_n", 1 << 40, 65_536),
        ("dry_penalty_last_n", 1 << 40, 65_536),
        ("n_probs", 300_000, 128),
        ("top_logprobs", 300_000, 128),
        ("n_probs", -5, 0),
    ],
)
def test_a_number_that_would_stall_the_child_is_bounded(
    home: House, path: str, field: str, value: int, bound: int
) -> None:
    body = {"model": "llama-a", "messages": [], "prompt": "x", "stream": True, field: value}

    home.ask("POST", path, body)

    assert seen_body(home)[field] == bound


def nested_schema(depth: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize("path", WHERE)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chat_template", "{{ 1 }}"),
        ("grammar", "root ::= " + "(" * 300 + '"a"' + ")" * 300),
        ("grammar", "x" * 100_000),
        ("grammar", "root ::= " + "|".join(f'"{n}"' for n in range(2000))),
        ("json_schema", nested_schema(50)),
        ("json_schema", {"type": "string", "enum": [str(n) for n in range(1000)]}),
        ("json_schema", {"type": "string", "pattern": "a" * 2000}),
        ("messages", [{"role": "user", "content": "x"}] * 5000),
        (
            "messages",
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}],
                }
            ],
        ),
        (
            "messages",
            [{"role": "user", "content": [{"type": "image_url", "image_url": "http://x/y.png"}]}],
        ),
        ("stop", ["x"] * 1000),
    ],
)
def test_what_would_stall_or_crash_the_child_is_refused_by_name(
    home: House, path: str, field: str, value: Any
) -> None:
    seen = home.engine_state("llama-a")["seen"]

    answer = home.ask("POST", path, {"model": "llama-a", "messages": [], field: value})

    assert answer.status == 400
    assert error_of(answer)["param"] == field
    assert home.engine_state("llama-a")["seen"] == seen


def seen_body(home: House) -> Any:
    asked = [one for one in home.engine_state("llama-a")["requests"] if one["method"] == "POST"]
    return json.loads(asked[-1]["body"])


# --- models that cannot start ---------------------------------------------------------------------

FAILURES = [
    ("oom", 503, "out_of_memory"),
    ("arch", 500, "unsupported_architecture"),
    ("corrupt", 500, "file_corrupt"),
    ("exit", 503, "exited"),
    ("signal", 503, "signal"),
]


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon whose models cannot start, each for another reason."""
    house = House(tmp_path_factory.mktemp("sick"))
    models: dict[str, Any] = {}
    for kind, _, _ in FAILURES:
        house.add(f"dies-of-{kind}")
        models[f"dies-of-{kind}"] = {"args": f"--fake die={kind}"}
    house.add("wrong-flag")
    models["wrong-flag"] = {"args": "--no-such-flag 1"}
    models["no-program"] = {"cmd": "/no/such/program --port ${PORT}"}
    models["never-ready"] = {
        "cmd": house.command("--fake", "never_ready=1"),
        "healthCheckTimeout": 1,
    }
    house.start(house.config(models=models))
    yield house
    house.stop()


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        *((f"dies-of-{kind}", status, code) for kind, status, code in FAILURES),
        ("wrong-flag", 500, "bad_flag"),
        ("no-program", 500, "not_executable"),
        ("never-ready", 503, "timeout"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_cannot_start_says_why_and_what_to_do(
    sick: House, model: str, status: int, code: str, stream: bool
) -> None:
    answer = sick.chat(model, stream=stream)

    error = error_of(answer)
    assert answer.status == status
    assert error["code"] in {code, "crash_loop"}
    assert error["type"] == "server_error"
    assert error["hint"]


def test_a_model_that_cannot_start_is_told_in_anthropics_shape(sick: House) -> None:
    body = {"model": "dies-of-oom", "max_tokens": 5, "messages": []}

    answer = sick.ask("POST", "/v1/messages", body)

    assert answer.status == 503
    assert answer.json()["error"]["type"] == "overloaded_error"


def test_what_the_child_said_comes_with_the_error(sick: House) -> None:
    error = error_of(sick.chat("dies-of-arch"))

    assert any("mamba9" in line for line in error["output"])


def test_a_failure_that_may_pass_says_when_to_come_back(sick: House) -> None:
    sick.chat("dies-of-exit")

    answer = sick.chat("dies-of-exit")

    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1


def test_the_failures_are_listed(sick: House) -> None:
    sick.chat("dies-of-oom")

    failures = {one["model"]: one for one in sick.get("/api/paddock/instances")["failures"]}
    states = {one["id"]: one["state"] for one in sick.get("/api/paddock/library")["models"]}

    assert failures["dies-of-oom"]["message"]
    assert states["dies-of-oom"] == "failed"
