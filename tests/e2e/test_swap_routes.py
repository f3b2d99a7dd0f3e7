"""llama-swap's routes: which model answers, by which path, and what its server is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.fakes.house import Answer, House

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
BODIES: dict[str, Any] = {
    "/v1/completions": {"prompt": "hello"},
    "/completion": {"prompt": "hello"},
    "/infill": {"input_prefix": "a", "input_suffix": "b"},
    "/v1/responses": {"input": "hello"},
    "/v/completions": {"prompt": "hello"},
    "/v/responses": {"input": "hello"},
    "/v1/embeddings": {"input": "hello"},
    "/v/embeddings": {"input": "hello"},
    "/v1/rerank": {"query": "q", "documents": ["a", "b"]},
}

SAME = (
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
    "/v1/audio/voices",
    "/v1/images/generations",
    "/v1/images/edits",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
)
STRIPPED = {
    "/v/chat/completions": "/chat/completions",
    "/v/completions": "/completions",
    "/v/responses": "/responses",
    "/v/messages": "/messages",
    "/v/messages/count_tokens": "/messages/count_tokens",
    "/v/embeddings": "/embeddings",
    "/v/rerank": "/rerank",
    "/v/reranking": "/reranking",
    "/audioapi/v1/tasks/run": "/v1/tasks/run",
}
TARGETS = {path: path for path in SAME} | STRIPPED
"""Each POST endpoint, and the path at which the model's server is asked."""

MODELS = ("plain", "org/slashed", "with space", "dotted.name:q4")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with loaded commands of all kinds of names, one GGUF, and aliases."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama-a")
    cmd = house.command().replace("${MODEL_ID}", '"${MODEL_ID}"')
    models: dict[str, Any] = {name: {"cmd": cmd} for name in MODELS}
    models["plain"] |= {"aliases": ["gpt-4o", "Nice Name"]}
    models["renamed"] = {"cmd": house.command(), "useModelName": "its/own-name"}
    house.start(house.config(models=models, maxLoadedModels=10, defaultTtl=0))
    house.load(*models, "llama-a")
    yield house
    house.stop()


def body_for(path: str, **fields: Any) -> dict[str, Any]:
    return {**BODIES.get(path, CHAT), **fields}


def multipart(*fields: tuple[str, str], file: bytes = b"") -> tuple[bytes, dict[str, str]]:
    """A form's body and its headers."""
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    if file:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        parts.append(head + file + b"\r\n")
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return b"".join([*parts, b"--b--\r\n"]), kind


def alias_of(answer: Answer) -> str:
    """Who answered, from what its server says of itself."""
    told = answer.json()
    return str(told.get("alias") or told.get("model"))


# --- where a request goes -------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "target"), TARGETS.items())
@pytest.mark.parametrize("model", ["plain", "org/slashed", "llama-a"])
def test_each_endpoint_reaches_its_path(home: House, path: str, target: str, model: str) -> None:
    answer = home.ask("POST", path, body_for(path, model=model))
    seen = home.last_request(model)

    assert answer.status == 200
    assert (seen["method"], seen["path"]) == ("POST", target)
    assert json.loads(seen["body"])["model"] == model


@pytest.mark.parametrize("model", [*MODELS, "llama-a"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v/chat/completions"])
def test_each_model_answers_for_itself(home: House, model: str, path: str) -> None:
    answer = home.ask("POST", path, body_for(path, model=model))

    assert answer.status == 200
    assert alias_of(answer) == model


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-4o", "plain"),
        ("Nice Name", "plain"),
        ("nice name", "plain"),
        ("PLAIN", "plain"),
        ("Org/Slashed", "org/slashed"),
        ("Llama-A", "llama-a"),
        ("llama-a:latest", "llama-a"),
    ],
)
def test_any_name_leads_to_its_model(home: House, name: str, model: str) -> None:
    answer = home.ask("POST", "/v1/embeddings", {"model": name, "input": "x"})

    assert answer.status == 200
    assert json.loads(home.last_request(model)["body"])["model"] == name  # as the client wrote it


@pytest.mark.parametrize("path", TARGETS)
def test_use_model_name_is_what_its_server_reads(home: House, path: str) -> None:
    home.ask("POST", path, body_for(path, model="renamed"))

    assert json.loads(home.last_request("renamed")["body"])["model"] == "its/own-name"


# --- where the model's name is --------------------------------------------------------------------

TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "",
)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/images/edits"])
def test_better_json_is_json_whatever_its_content_type(home: House, path: str, kind: str) -> None:
    answer = home.ask("POST", path, body_for(path, model="plain"), {"Content-Type": kind})

    assert answer.status == 200
    assert home.last_request("plain")["path"] == path


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/sdapi/v1/txt2img"])
@pytest.mark.parametrize("model", MODELS)
def test_the_query_may_name_the_model(home: House, path: str, model: str) -> None:
    query = urlencode({"model": model})
    answer = home.ask("POST", f"{path}?{query}", body_for(path))

    assert answer.status == 200
    assert home.last_request(model)["method"] == "POST"


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/images/edits"])
@pytest.mark.parametrize("model", [*MODELS, "llama-a", "gpt-4o"])
def test_a_form_names_the_model(home: House, path: str, model: str) -> None:
    body, kind = multipart(("model", model), ("language", "en"), file=b"RIFF" * 100)
    answer = home.ask("POST", path, body, kind)
    seen = home.last_request(model)

    assert answer.status == 200
    assert seen["path"] == path
    assert seen["body"].encode() == body
    assert seen["headers"]["content-type"] == kind["Content-Type"]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_the_field_may_be_anywhere_in_the_form(home: House, position: int) -> None:
    fields = [("language", "en"), ("prompt", 'name="model"')]
    fields.insert(position, ("model", "plain"))
    body, kind = multipart(*fields, file=b"x")

    assert home.ask("POST", "/v1/audio/transcriptions", body, kind).status == 200


def test_a_form_gets_the_name_that_its_server_knows(home: House) -> None:
    body, kind = multipart(("model", "renamed"), ("language", "en"), file=b"RIFF")
    home.ask("POST", "/v1/audio/transcriptions", body, kind)
    sent = home.last_request("renamed")["body"]

    assert "its/own-name" in sent
    assert "\r\nrenamed\r\n" not in sent
    assert sent.count('name="model"') == 1
    assert 'name="language"\r\n\r\nen' in sent


@pytest.mark.parametrize("path", ["/v1/audio/voices", "/sdapi/v1/loras", "/props"])
@pytest.mark.parametrize("model", MODELS)
def test_a_get_names_the_model_in_its_query(home: House, path: str, model: str) -> None:
    query = urlencode({"model": model, "more": "a b"})
    answer = home.ask("GET", f"{path}?{query}")
    seen = home.last_request(model)

    assert answer.status == 200
    assert seen["method"] == "GET"
    assert seen["path"].startswith(f"{path}?")
    assert "more=" in seen["path"]


def test_a_get_is_told_the_name_that_its_server_knows(home: House) -> None:
    home.ask("GET", "/v1/audio/voices?model=renamed")
    seen = home.last_request("renamed")["path"]

    assert "its" in seen
    assert "renamed" not in seen


def test_better_props_without_a_model_are_answered(home: House) -> None:
    assert home.get("/props")["role"] == "router"


# --- what a body keeps ----------------------------------------------------------------------------

KEPT: tuple[Any, ...] = (
    {"temperature": 0.0},
    {"temperature": 1},
    {"stop": None},
    {"user": "ü\u2028\U0001f999"},
    {"big": 2**63},
    {"nested": {"model": "not this one", "a": [1, {"b": []}]}},
    {"empty": {}},
    {"Model": "another key"},
)


@pytest.mark.parametrize("fields", KEPT)
@pytest.mark.parametrize("model", ["plain", "renamed"])
def test_other_fields_are_kept_as_they_are(home: House, fields: dict[str, Any], model: str) -> None:
    home.ask("POST", "/v1/chat/completions", {**CHAT, "model": model, **fields})
    sent = json.loads(home.last_request(model)["body"])

    assert {key: sent[key] for key in fields} == fields
    assert repr({key: sent[key] for key in fields}) == repr(fields)


def test_bytes_that_need_no_change_are_passed_on_as_they_came(home: House) -> None:
    raw = b'{ "model":"plain",\n "messages":[ ], "x" : 1.0e+2 }\n'
    home.ask("POST", "/v1/chat/completions", raw)

    assert home.last_request("plain")["body"].encode() == raw


# --- streams --------------------------------------------------------------------------------------

STREAMS = {
    "/v1/chat/completions": "data: [DONE]",
    "/v1/completions": "data: [DONE]",
    "/v1/responses": "response.completed",
    "/v1/messages": "message_stop",
    "/completion": '"stop":true',
    "/infill": '"stop":true',
    "/v/chat/completions": "data: [DONE]",
    "/v/responses": "response.completed",
    "/v/messages": "message_stop",
}


@pytest.mark.parametrize(("path", "ending"), STREAMS.items())
@pytest.mark.parametrize("model", ["plain", "llama-a"])
def test_a_stream_streams(home: House, path: str, ending: str, model: str) -> None:
    answer = home.ask("POST", path, body_for(path, model=model, stream=True))

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert ending in answer.text


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.parametrize("stream", [False, None])
def test_what_does_not_stream_is_one_object(home: House, path: str, stream: bool | None) -> None:
    fields = {} if stream is None else {"stream": stream}
    answer = home.ask("POST", path, body_for(path, model="llama-a", **fields))

    assert answer.status == 200
    assert isinstance(answer.json(), dict)


# --- small words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"), [("/wol-health", "OK"), ("/favicon.ico", ""), ("/logs/nobody", None)]
)
def test_small_answers(home: House, path: str, text: str | None) -> None:
    answer = home.ask("GET", path)

    assert answer.status in ({404} if text is None else {200, 204})
    assert text is None or answer.text == text


@pytest.mark.parametrize("path", ["/v1/models", "/running", "/health", "/api/queue", "/props"])
def test_head_is_get_without_a_body(home: House, path: str) -> None:
    with home.wire() as wire:
        answer = wire.ask("HEAD", path).answer(bodiless=True)
        assert answer.status == 200
        assert int(answer.header("content-length")) > 0
        assert wire.ask("GET", "/wol-health").answer().body == b"OK"
