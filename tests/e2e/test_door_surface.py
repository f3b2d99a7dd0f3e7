"""Every endpoint of the OpenAI door: what reaches the child, and what comes back, byte for byte."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from typing import Any

import pytest
from tests.fakes.house import House

CHAT = {"model": "llama-a", "messages": [{"role": "user", "content": "hello there"}]}
PROMPT = {"model": "llama-a", "prompt": "hello there"}

GENERATING: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/chat/completions": ("/v1/chat/completions", CHAT),
    "/chat/completions": ("/v1/chat/completions", CHAT),
    "/v1/completions": ("/v1/completions", PROMPT),
    "/v1/responses": ("/v1/responses", {"model": "llama-a", "input": "hello there"}),
    "/v1/messages": ("/v1/messages", {**CHAT, "max_tokens": 5000}),
    "/infill": ("/infill", {"model": "llama-a", "input_prefix": "a", "input_suffix": "b"}),
    "/completion": ("/completion", PROMPT),
    "/completions": ("/completions", PROMPT),
}
"""Each endpoint with streams: where the child answers it, and a body."""

QUICK: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/embeddings": ("/v1/embeddings", {"model": "llama-a", "input": ["four", "sixsix"]}),
    "/embeddings": ("/embeddings", {"model": "llama-a", "input": "four"}),
    "/embedding": ("/embedding", {"model": "llama-a", "content": "four"}),
    "/v1/rerank": ("/v1/rerank", {"model": "llama-a", "query": "q", "documents": ["a", "b"]}),
    "/rerank": ("/rerank", {"model": "llama-a", "query": "q", "documents": ["a"]}),
    "/reranking": ("/reranking", {"model": "llama-a", "query": "q", "documents": ["a"]}),
    "/v1/reranking": ("/v1/reranking", {"model": "llama-a", "query": "q", "documents": ["a"]}),
    "/v1/messages/count_tokens": ("/v1/messages/count_tokens", CHAT),
    "/v1/audio/speech": ("/v1/audio/speech", {"model": "llama-a", "input": "say", "voice": "x"}),
    "/v1/images/generations": ("/v1/images/generations", {"model": "llama-a", "prompt": "a cat"}),
    "/tokenize": ("/tokenize", {"model": "llama-a", "content": "one two three"}),
    "/detokenize": ("/detokenize", {"model": "llama-a", "tokens": [1, 2]}),
    "/apply-template": ("/apply-template", CHAT),
}
"""The other JSON endpoints."""

VOLATILE = re.compile(
    rb'"(id|created|created_at|chatcmpl-[0-9a-f]+)":("[^"]*"|\d+)|(resp_)?chatcmpl-[0-9a-f]{16}'
)
"""What differs between two equal answers of the fake: ids and dates."""


def steady(data: bytes) -> bytes:
    return VOLATILE.sub(b"", data)


def last_asked(home: House, model: str = "llama-a") -> Any:
    asked = [one for one in home.engine_state(model)["requests"] if one["method"] == "POST"]
    return asked[-1]


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GENERATING)
def test_a_stream_is_the_childs_own_byte_for_byte(home: House, path: str) -> None:
    target, body = GENERATING[path]
    sent = json.dumps({**body, "stream": True, "temperature": 0.50}, indent=1).encode()

    direct = home.ask("POST", f"/upstream/llama-a{target}", sent)
    answer = home.ask("POST", path, sent)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert steady(answer.body) == steady(direct.body)
    assert last_asked(home)["path"] == target
    assert last_asked(home)["body"].encode() == sent


@pytest.mark.parametrize("path", GENERATING)
def test_a_whole_answer_equals_the_childs_own(home: House, path: str) -> None:
    target, body = GENERATING[path]

    direct = home.ask("POST", f"/upstream/llama-a{target}", body)
    answer = home.ask("POST", path, body)

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert without_volatile(answer.json()) == without_volatile(direct.json())
    assert last_asked(home)["path"] == target
    assert json.loads(last_asked(home)["body"])["stream"] is True


def without_volatile(answer: Any) -> Any:
    """Without ids and dates, and without what a stream is asked for but a whole answer is not."""
    if isinstance(answer, list):
        return [without_volatile(one) for one in answer]
    if not isinstance(answer, dict):
        return answer
    hidden = {"id", "created", "created_at", "completed_at", "generation_settings", "call_id"}
    return {key: without_volatile(value) for key, value in answer.items() if key not in hidden}


@pytest.mark.parametrize("path", QUICK)
def test_a_json_endpoint_passes_body_and_answer_unchanged(home: House, path: str) -> None:
    target, body = QUICK[path]
    sent = json.dumps(body, indent=1).encode()

    direct = home.ask("POST", f"/upstream/llama-a{target}", sent)
    answer = home.ask("POST", path, sent)

    assert answer.status == 200
    assert steady(answer.body) == steady(direct.body)
    assert last_asked(home)["path"] == target
    assert last_asked(home)["body"].encode() == sent
    assert last_asked(home)["headers"]["content-type"] == "application/json"


def test_every_answer_carries_the_request_id_and_how_long_it_waited(home: House) -> None:
    answer = home.ask("POST", "/v1/embeddings", QUICK["/v1/embeddings"][1], {"X-Request-Id": "a-1"})

    assert answer.headers["X-Request-Id"] == "a-1"
    assert re.fullmatch(r"queue;dur=[\d.]+, load;dur=[\d.]+", answer.headers["Server-Timing"])


@pytest.mark.parametrize("given", ["", "x" * 65, "with blank", "späm"])
def test_an_odd_request_id_is_replaced(home: House, given: str) -> None:
    with home.wire() as wire:
        answer = wire.ask("GET", "/health", f"X-Request-Id: {given}").answer()

    assert re.fullmatch("[0-9a-f]{8,16}", answer.header("x-request-id"))


def test_bytes_of_a_stream_split_anywhere_arrive_the_same(home: House) -> None:
    body = {**CHAT, "stream": True, "fake": {"bytewise": 1, "tokens": 3}}

    answer = home.ask("POST", "/v1/chat/completions", body)
    smooth = home.ask("POST", "/v1/chat/completions", {**body, "fake": {"tokens": 3}})

    assert steady(answer.body) == steady(smooth.body)


def test_a_token_of_a_megabyte_arrives_whole(home: House) -> None:
    answer = home.chat("llama-a", stream=True, fake={"big": 1 << 20, "tokens": 2})

    assert max(map(len, answer.events())) > 1 << 20
    assert answer.events()[-1] == "[DONE]"


# --- where the model's name may stand -------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "multipart/form-data; boundary=x", ""],
)
def test_a_json_body_is_json_whatever_its_content_type(home: House, content_type: str) -> None:
    answer = home.ask(
        "POST", "/v1/embeddings", QUICK["/v1/embeddings"][1], {"Content-Type": content_type}
    )

    assert answer.status == 200


def test_a_json_body_without_content_type_is_json(home: House) -> None:
    body = json.dumps(QUICK["/tokenize"][1]).encode()
    with home.wire() as wire:
        answer = wire.ask("POST", "/tokenize", body=body).answer()

    assert len(answer.json()["tokens"]) == 3


def test_the_model_may_be_named_in_the_query(home: House) -> None:
    answer = home.ask("POST", "/tokenize?model=llama-b", {"content": "one"})

    assert len(answer.json()["tokens"]) == 1
    assert last_asked(home, "llama-b")["path"] == "/tokenize"


def test_the_body_wins_over_the_query(home: House) -> None:
    home.ask("POST", "/tokenize?model=llama-b", {"model": "llama-a", "content": "unique"})

    assert "unique" in last_asked(home)["body"]


@pytest.mark.parametrize("name", ["llama-a", "LLAMA-A", "nice name"])
def test_any_name_of_a_model_leads_to_it(home: House, name: str) -> None:
    answer = home.ask("POST", "/tokenize", {"model": name, "content": name})

    assert answer.status == 200
    assert json.loads(last_asked(home)["body"])["model"] == name


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_unpacked(home: House, coding: str, pack: Any) -> None:
    body = json.dumps(QUICK["/tokenize"][1]).encode()

    answer = home.ask("POST", "/tokenize", pack(body), {"Content-Encoding": coding})

    assert len(answer.json()["tokens"]) == 3
    assert last_asked(home)["body"].encode() == body
    assert "content-encoding" not in last_asked(home)["headers"]


def test_a_chunked_body_arrives_whole(home: House) -> None:
    body = json.dumps(QUICK["/tokenize"][1]).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with home.wire() as wire:
        wire.ask("POST", "/tokenize", "Transfer-Encoding: chunked").send(chunks)
        answer = wire.answer()

    assert len(answer.json()["tokens"]) == 3
    assert last_asked(home)["body"].encode() == body


def test_a_client_that_expects_100_continue_is_told_to_go_on(home: House) -> None:
    body = json.dumps(QUICK["/tokenize"][1]).encode()
    with home.wire() as wire:
        wire.ask("POST", "/tokenize", "Expect: 100-continue", f"Content-Length: {len(body)}")
        told = wire.answer()
        answer = wire.send(body).answer()

    assert told.status == 100
    assert len(answer.json()["tokens"]) == 3


# --- forms ----------------------------------------------------------------------------------------

FILE = 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav'
MODEL = 'Content-Disposition: form-data; name="model"'
LANGUAGE = 'Content-Disposition: form-data; name="language"'
SOUND = os.urandom(20_000)


def form(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    pieces = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


@pytest.mark.parametrize(
    ("boundary", "written", "parts"),
    [
        ("xyz", "xyz", ((MODEL, b"llama-a"), (FILE, SOUND))),
        ("xyz", "xyz", ((FILE, SOUND), (LANGUAGE, b"en"), (MODEL, b"llama-a"))),
        ("x'y z:/=?", '"x\'y z:/=?"', ((FILE, SOUND), (MODEL, b"llama-a"))),
        ("xyz", "xyz", ((FILE, b'name="model"\r\n\r\nllama-b' + SOUND), (MODEL, b"llama-a"))),
    ],
    ids=["first", "last", "quoted boundary", "a file that looks like a field"],
)
def test_a_transcription_goes_to_the_model_of_its_form(
    home: House, boundary: str, written: str, parts: Any
) -> None:
    body = form(boundary, *parts)

    answer = home.ask(
        "POST",
        "/v1/audio/transcriptions",
        body,
        {"Content-Type": f"multipart/form-data; boundary={written}"},
    )

    assert answer.json() == {"text": f"heard {len(body)} bytes"}
    assert last_asked(home)["headers"]["content-type"] == f"multipart/form-data; boundary={written}"


def test_a_form_without_a_model_may_name_it_in_the_query(home: House) -> None:
    answer = home.ask(
        "POST",
        "/v1/audio/transcriptions?model=llama-b",
        form("b", (FILE, SOUND)),
        {"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert answer.status == 200
    assert last_asked(home, "llama-b")["path"] == "/v1/audio/transcriptions"


@pytest.mark.parametrize(
    ("content_type", "body", "param"),
    [
        ("multipart/form-data; boundary=b", form("b", (FILE, SOUND)), "model"),
        ("multipart/form-data; boundary=b", form("b", (MODEL, b"")), "model"),
        ("multipart/form-data; boundary=b", form("b", (MODEL, b"\xff")), "model"),
        ("multipart/form-data; boundary=b", form("b", (MODEL, b"x" * 2000)), "model"),
        ("multipart/form-data; boundary=other", form("b", (MODEL, b"llama-a")), "model"),
        ("multipart/form-data", form("b", (MODEL, b"llama-a")), None),
        ("application/json", b'{"model": "llama-a"}', None),
    ],
)
def test_a_form_that_names_no_model_is_refused(
    home: House, content_type: str, body: bytes, param: str | None
) -> None:
    answer = home.ask("POST", "/v1/audio/transcriptions", body, {"Content-Type": content_type})

    assert answer.status == 400
    assert answer.json()["error"]["param"] == param


# --- HEAD, OPTIONS, the front page ----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/v1/models/a%2Fb", "/running"])
def test_head_answers_as_get_without_a_body(home: House, path: str) -> None:
    with home.wire() as wire:
        head = wire.ask("HEAD", path).answer(bodiless=True)
        get = wire.ask("GET", path).answer()

    assert (head.status, head.header("content-type")) == (200, get.header("content-type"))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/nothing"])
def test_options_is_answered_without_cors_headers_to_who_is_no_page(home: House, path: str) -> None:
    with home.wire() as wire:
        answer = wire.ask("OPTIONS", path).answer()

    assert answer.status == 204
    assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


def test_the_front_page_names_the_door_and_runs_nothing(home: House) -> None:
    answer = home.ask("GET", "/")

    assert home.url in answer.text
    assert "<script" not in answer.text
    assert "/v1/chat/completions" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_health_says_ok(home: House) -> None:
    assert home.get("/health") == home.get("/v1/health") == {"status": "ok"}


# --- connections ----------------------------------------------------------------------------------


def test_one_connection_serves_many_requests_of_every_kind(home: House) -> None:
    chat = json.dumps(CHAT).encode()
    stream = json.dumps({**CHAT, "stream": True}).encode()
    with home.wire() as wire:
        for _ in range(3):
            assert wire.ask("POST", "/v1/chat/completions", body=chat).answer().status == 200
            streamed = wire.ask("POST", "/v1/chat/completions", body=stream).answer()
            assert streamed.whole
            assert streamed.body.endswith(b"data: [DONE]\n\n")
            assert wire.ask("GET", "/v1/models").answer().status == 200
            assert wire.ask("GET", "/nothing").answer().status == 404


def test_pipelined_requests_are_answered_in_order(home: House) -> None:
    bodies = [json.dumps({"model": "llama-a", "content": "w " * count}) for count in range(6)]
    heads = [
        f"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        for body in bodies
    ]
    with home.wire() as wire:
        wire.send("".join(heads))
        counts = [len(wire.answer().json()["tokens"]) for _ in bodies]

    assert counts == list(range(6))


def test_an_http_1_0_client_gets_an_unframed_stream_and_the_end(home: House) -> None:
    body = json.dumps({**CHAT, "stream": True})
    with home.wire() as wire:
        wire.send(
            "POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        head, _, stream = wire.rest().partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head.lower()
    assert stream.startswith(b"data: ")
    assert stream.endswith(b"data: [DONE]\n\n")


def test_connection_close_is_kept(home: House) -> None:
    body = json.dumps({**CHAT, "stream": True}).encode()
    with home.wire() as wire:
        wire.ask("POST", "/v1/chat/completions", "Connection: close", body=body)
        answer = wire.answer()

        assert answer.header("connection") == "close"
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert wire.rest() == b""


# --- commands of the owner ------------------------------------------------------------------------


def test_a_command_that_is_no_llama_server_sees_the_body_as_it_was_sent(home: House) -> None:
    sent = b'{"model":"other",  "messages":[], "grammar_triggers": 1, "stream": false}'

    answer = home.ask("POST", "/v1/chat/completions", sent)

    assert answer.status == 200
    assert last_asked(home, "other")["body"].encode() == sent
