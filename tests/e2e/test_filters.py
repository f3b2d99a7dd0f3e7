"""What the owner's filters make of requests on their way to a model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.fakes.house import House

MESSAGES = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def filtering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon whose models differ in their filters."""
    house = House(tmp_path_factory.mktemp("filtering"))
    house.add("llama-a")
    command = house.command()
    models = {
        "plain": {"cmd": command, "aliases": ["other name"]},
        "renamed": {"cmd": command, "useModelName": "org/Real-Name"},
        "strict": {
            "cmd": command,
            "useModelName": "org/strict",
            "filters": {
                "stripParams": "temperature, model, options.seed, logit_bias",
                "setParams": {
                    "top_p": 0.5,
                    "model": "evil",
                    "chat_template_kwargs.enable_thinking": False,
                },
                "setParamsByID": {
                    "strict:high": {"reasoning_effort": "high", "top_p": 0.9},
                    "strict:low": {"reasoning_effort": "low"},
                },
            },
        },
        "llama-a": {
            "filters": {
                "stripParams": "chat_template, temperature",
                "setParams": {"id_slot": 0, "max_tokens": 20},
                "setParamsByID": {"llama-a:json": {"response_format": {"type": "json_object"}}},
            },
        },
        "streams": {"cmd": command, "filters": {"setParams": {"stream": True}}},
    }
    house.start(house.config(maxLoadedModels=8, defaultTtl=0, models=models))
    yield house
    house.stop()


def passed(house: House, model: str, body: dict[str, Any], *, asked: str = "") -> Any:
    """What the model's child got for this body."""
    house.ask("POST", "/v1/embeddings", {"model": asked or model, **body})
    return json.loads(house.last_request(model)["body"])


# --- the client's own bytes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "PLAIN", "other name", "plain:latest"])
def test_without_filters_the_childs_bytes_are_the_clients(filtering: House, name: str) -> None:
    body = f'{{ "input":"x",  "model": "{name}", "n": 1.50, "ü": "\\u00fc" }}'.encode()

    filtering.ask("POST", "/v1/embeddings", body)

    assert filtering.last_request("plain")["body"].encode() == body


def test_a_filter_that_finds_nothing_leaves_the_clients_bytes(filtering: House) -> None:
    body = b'{"model" : "llama-a",  "content":"one two"}'

    filtering.ask("POST", "/tokenize", body)

    assert json.loads(filtering.last_request("llama-a")["body"])["max_tokens"] == 20
    filtering.ask("POST", "/upstream/llama-a/tokenize", body)
    assert filtering.last_request("llama-a")["body"].encode() == body


# --- JSON -----------------------------------------------------------------------------------------


def test_use_model_name_is_what_the_child_is_told(filtering: House) -> None:
    assert passed(filtering, "renamed", {"input": "x"}) == {"model": "org/Real-Name", "input": "x"}


def test_a_model_named_in_the_query_gets_its_name_into_the_body(filtering: House) -> None:
    filtering.ask("POST", "/v1/embeddings?model=renamed", {"input": "x"})

    told = json.loads(filtering.last_request("renamed")["body"])
    assert told == {"model": "org/Real-Name", "input": "x"}


def test_params_are_stripped_and_set_and_the_model_is_out_of_reach(filtering: House) -> None:
    sent = {"input": "x", "temperature": 2, "options": {"seed": 1, "k": 2}, "top_p": 1}

    assert passed(filtering, "strict", sent) == {
        "model": "org/strict",
        "input": "x",
        "options": {"k": 2},
        "top_p": 0.5,
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_a_dotted_key_keeps_what_is_beside_it(filtering: House) -> None:
    sent = {"chat_template_kwargs": {"style": "terse", "enable_thinking": True}}

    kwargs = passed(filtering, "strict", sent)["chat_template_kwargs"]

    assert kwargs == {"style": "terse", "enable_thinking": False}


@pytest.mark.parametrize(
    ("asked", "effort", "top_p"),
    [
        ("strict", None, 0.5),
        ("strict:high", "high", 0.9),
        ("STRICT:HIGH", "high", 0.9),
        ("strict:low", "low", 0.5),
    ],
)
def test_params_by_id_go_by_the_name_that_was_asked_for(
    filtering: House, asked: str, effort: str | None, top_p: float
) -> None:
    told = passed(filtering, "strict", {"input": "x"}, asked=asked)

    assert told.get("reasoning_effort") == effort
    assert told["top_p"] == top_p
    assert told["model"] == "org/strict"


def test_the_names_of_params_by_id_are_aliases(filtering: House) -> None:
    assert filtering.get("/v1/models/strict:high")["id"] == "strict"


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)
def test_filters_work_whatever_the_content_type_says(filtering: House, content_type: str) -> None:
    body = json.dumps({"model": "renamed", "input": "x"}).encode()

    filtering.ask("POST", "/v1/embeddings", body, {"Content-Type": content_type})

    assert json.loads(filtering.last_request("renamed")["body"])["model"] == "org/Real-Name"
    assert filtering.last_request("renamed")["headers"]["content-type"] == "application/json"


def test_a_large_body_is_filtered_too(filtering: House) -> None:
    words = "word " * 80_000

    filtering.ask("POST", "/v1/embeddings", {"model": "strict", "input": words, "temperature": 1})

    told = filtering.last_request("strict")
    assert int(told["headers"]["content-length"]) > 400_000
    assert '"temperature"' not in told["body"]


# --- filters beside the rest of the way -----------------------------------------------------------


def test_what_is_stripped_is_not_refused(filtering: House) -> None:
    refused = {"messages": MESSAGES, "chat_template": "{{ x }}"}

    answer = filtering.ask("POST", "/v1/chat/completions", {"model": "llama-a", **refused})

    assert answer.status == 200
    assert "chat_template" not in json.loads(filtering.last_request("llama-a")["body"])


def test_what_the_owner_sets_is_not_screened_but_what_a_client_sends_is(filtering: House) -> None:
    filtering.chat("llama-a", id_slot=5, n_discard=3)

    told = json.loads(filtering.last_request("llama-a")["body"])
    assert told["id_slot"] == 0
    assert "n_discard" not in told


def test_a_whole_answer_is_put_together_of_the_filtered_request(filtering: House) -> None:
    answer = filtering.chat("llama-a:json", temperature=2)

    told = json.loads(filtering.last_request("llama-a")["body"])
    assert answer.json()["choices"][0]["message"]["content"].startswith("t0 t1 t2 ")
    assert told["response_format"] == {"type": "json_object"}
    assert told["stream"] is True
    assert "temperature" not in told


def test_a_stream_that_the_owner_sets_is_a_stream(filtering: House) -> None:
    answer = filtering.chat("streams", stream=False)

    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.events()[-1] == "[DONE]"


def test_upstream_is_not_filtered(filtering: House) -> None:
    body = b'{"model":"strict","temperature":2}'

    filtering.ask("POST", "/upstream/strict/v1/embeddings", body)

    assert filtering.last_request("strict")["body"].encode() == body


# --- forms and queries: only the model's name -----------------------------------------------------


def form(*fields: tuple[str, str]) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    return ("".join(parts) + "--b--\r\n").encode()


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("plain", (("model", "plain"), ("x", "1")), (("model", "plain"), ("x", "1"))),
        ("renamed", (("model", "renamed"), ("x", "1")), (("model", "org/Real-Name"), ("x", "1"))),
        ("renamed", (("x", "1"), ("model", "renamed")), (("x", "1"), ("model", "org/Real-Name"))),
        (
            "strict",
            (("model", "strict:high"), ("temperature", "2")),
            (("model", "org/strict"), ("temperature", "2")),
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/images/edits"])
def test_a_multipart_form_is_told_the_name_and_nothing_else(
    filtering: House, path: str, model: str, fields: Any, expected: Any
) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}

    filtering.ask("POST", path, form(*fields), kind)

    told = filtering.last_request(model)
    assert told["path"] == path
    assert told["body"].encode() == form(*expected)
    assert told["headers"]["content-type"] == kind["Content-Type"]


def test_a_multipart_form_without_a_model_gets_its_name(filtering: House) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}

    filtering.ask("POST", "/v1/audio/transcriptions?model=renamed", form(("x", "1")), kind)

    expected = form(("model", "org/Real-Name"), ("x", "1"))
    assert filtering.last_request("renamed")["body"].encode() == expected


@pytest.mark.parametrize(
    ("model", "sent", "expected"),
    [
        ("plain", "model=plain&x=%C3%BC", {"model": ["plain"], "x": ["ü"]}),
        ("plain", "x=1&model=other+name&y=", {"x": ["1"], "model": ["other name"], "y": [""]}),
        ("renamed", "x=1&model=renamed&y=", {"x": ["1"], "model": ["org/Real-Name"], "y": [""]}),
        ("strict", "model=strict&temperature=1", {"model": ["org/strict"], "temperature": ["1"]}),
    ],
)
def test_an_urlencoded_form_is_told_the_name_and_nothing_else(
    filtering: House, model: str, sent: str, expected: Any
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    filtering.ask("POST", "/v1/audio/speech", sent.encode(), kind)

    told = filtering.last_request(model)
    assert parse_qs(told["body"], keep_blank_values=True) == expected
    assert told["headers"]["content-type"] == kind["Content-Type"]


def test_an_urlencoded_form_sees_the_query(filtering: House) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

    filtering.ask("POST", "/v1/audio/speech?model=renamed", b"x=1", kind)

    assert parse_qs(filtering.last_request("renamed")["body"]) == {
        "model": ["org/Real-Name"],
        "x": ["1"],
    }


@pytest.mark.parametrize(
    ("query", "model", "expected"),
    [
        ("model=plain", "plain", "/props?model=plain"),
        ("a=%20&model=other%20name", "plain", "/props?a=%20&model=other%20name"),
        ("model=renamed", "renamed", "/props?model=org/Real-Name"),
        ("a=1&model=strict:high", "strict", "/props?a=1&model=org/strict"),
    ],
)
def test_a_query_is_told_the_name_and_nothing_else(
    filtering: House, query: str, model: str, expected: str
) -> None:
    assert filtering.ask("GET", f"/props?{query}").status == 200
    assert filtering.last_request(model)["path"].replace("%2F", "/").replace("+", "%20") == expected


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"model=%FF", "cannot be read"),
        (b"&".join([b"a=1"] * 1001), "cannot be read"),
        (b"x=1", "`model` is missing"),
        (b"model=", "`model` is missing"),
        (b"", "`model` is missing"),
    ],
)
def test_a_form_that_names_no_model_is_refused(filtering: House, body: bytes, problem: str) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = filtering.ask("POST", "/v1/audio/speech", body, kind)

    assert answer.status == 400
    assert problem in answer.json()["error"]["message"]
