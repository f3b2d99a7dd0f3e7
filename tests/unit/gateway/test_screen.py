import copy
from typing import Any

import pytest

from paddock.errors import InvalidRequest
from paddock.gateway.screen import RULES, screen

CHAT = "/v1/chat/completions"
GENERATING = (
    CHAT,
    "/chat/completions",
    "/v1/completions",
    "/completions",
    "/completion",
    "/infill",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/apply-template",
)


def schema_of(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def chat_with(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "what?"}, part]}]}


@pytest.mark.parametrize("route", GENERATING)
@pytest.mark.parametrize(
    "body",
    [
        {"model": "m", "messages": [{"role": "user", "content": "http://example.org/x.png"}]},
        {"model": "m", "prompt": "x", "n_predict": 5, "repeat_last_n": 64, "stop": ["a"] * 16},
        {"grammar": 'root ::= "a" | "(" ("b")* # ((("'},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": schema_of(20)}}},
        {"response_format": "json", "tools": "x", "grammar": 7, "stop": "\n", "messages": "x"},
        {"logprobs": True, "top_logprobs": 20},
        {"repeat_last_n": "64", "n_probs": None},
        {"temperature": 0.5, "future_field": {"any": ["thing"]}, "chat_template_kwargs": {"a": 1}},
    ],
)
def test_what_is_harmless_is_the_same_object(route, body):
    before = copy.deepcopy(body)
    assert screen(route, body) is body
    assert body == before


@pytest.mark.parametrize("route", GENERATING)
@pytest.mark.parametrize(
    "field",
    [
        "chat_format",
        "chat_parser",
        "generation_prompt",
        "grammar_lazy",
        "grammar_triggers",
        "grammar_type",
        "id_slot",
        "lora",
        "message_delimiters",
        "n_discard",
        "preserved_tokens",
        "slot_id",
        "verbose",
    ],
)
def test_dropped(route, field):
    body = {"model": "m", field: -1, "prompt": "x"}
    assert screen(route, body) == {"model": "m", "prompt": "x"}
    assert field in body


@pytest.mark.parametrize(
    ("field", "value", "sent"),
    [
        ("repeat_last_n", 2147483647, 65_536),
        ("repeat_last_n", 1e300, 65_536),
        ("repeat_last_n", -1, -1),
        ("repeat_last_n", -2147483649, -1),
        ("dry_penalty_last_n", 10**30, 65_536),
        ("n_probs", 262_144, 128),
        ("logprobs", 1000, 128),
        ("logprobs", True, True),
        ("top_logprobs", -5, 0),
    ],
)
def test_bounded(field, value, sent):
    assert screen(CHAT, {field: value}) == {field: sent}


@pytest.mark.parametrize("field", ["chat_template", "chat_template_file"])
def test_templates_are_the_owners(field):
    assert screen(CHAT, {field: None, "model": "m"}) == {"model": "m"}
    with pytest.raises(InvalidRequest) as caught:
        screen(CHAT, {field: "{{ x }}"})
    assert caught.value.param == field
    assert "chat_template_kwargs" in caught.value.hint


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("messages", [{"role": "user", "content": "x"}] * 10_000, "4,096 entries"),
        ("input", [{"role": "user", "content": "x"}] * 10_000, "4,096 entries"),
        ("stop", ["x"] * 257, "256 entries"),
        ("stop_sequences", ["x"] * 257, "256 entries"),
        ("dry_sequence_breakers", ["x"] * 17, "16 entries"),
        ("samplers", ["top_k"] * 65, "64 entries"),
        ("grammar", "root ::= " + "(" * 20_000 + '"a"' + ")" * 20_000, "200 nested"),
        ("grammar", "root ::= " + "(\n" * 201 + '"a"' + ")" * 201, "200 nested"),
        ("grammar", 'root ::= "a"' + '|"b"' * 2000, "1,024 alternatives"),
        ("grammar", "#" * 70_000, "65,536 characters"),
        ("grammar", '# "\nroot ::= ' + "(" * 201 + '"a"' + ")" * 201 + '# "', "200 nested"),
        ("json_schema", schema_of(60), "48 nested"),
        ("response_format", {"schema": schema_of(60)}, "48 nested"),
        ("tools", [{"function": {"parameters": schema_of(60)}}], "48 nested"),
        ("tools", [{"input_schema": schema_of(60)}], "48 nested"),
        ("text", {"format": {"schema": schema_of(60)}}, "48 nested"),
        ("json_schema", {"properties": {f"p{i}": {} for i in range(2000)}}, "256 properties"),
        ("json_schema", {"enum": [str(i) for i in range(5000)]}, "512 entries"),
        ("json_schema", {"anyOf": [{}] * 600}, "512 entries"),
        ("json_schema", {"pattern": "|".join(["a"] * 200)}, "128 alternatives in a pattern"),
        ("json_schema", {"pattern": "a" * 2000}, "1,024 characters in a pattern"),
        ("tools", [{"a": [[{}] * 500] * 40}], "16,384 arrays and objects"),
    ],
)
def test_refused_for_size(field, value, message):
    with pytest.raises(InvalidRequest, match=message) as caught:
        screen(CHAT, {"model": "m", field: value})
    assert caught.value.param == field


def test_parentheses_in_text_sets_and_comments_do_not_nest():
    grammar = "root ::= " + '"(" ' * 300 + r"[(\](] " * 300 + r'"\"(" ' * 10 + "# " + "(" * 300
    assert screen(CHAT, {"grammar": grammar})


@pytest.mark.parametrize("scheme", ["http", "https", "file", "ftp", "HTTP"])
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "{}://host/x.png"}},
        {"type": "image_url", "image_url": "{}://host/x.png"},
        {"type": "input_image", "image_url": "{}://host/x.png"},
        {"type": "audio_url", "audio_url": {"url": "{}://host/x.wav"}},
        {"type": "image", "source": {"type": "url", "url": "{}://host/x.png"}},
        {
            "type": "tool_result",
            "content": [{"type": "image", "source": {"type": "url", "url": "{}://host/x.png"}}],
        },
    ],
)
def test_media_by_address_is_refused(part, scheme):
    def filled(value):
        if isinstance(value, str):
            return value.replace("{}", scheme)
        if isinstance(value, list):
            return [filled(item) for item in value]
        return {key: filled(item) for key, item in value.items()}

    with pytest.raises(InvalidRequest, match="not fetched") as caught:
        screen(CHAT, chat_with(filled(part)))
    assert caught.value.param == "messages"
    assert "data:" in caught.value.hint


def test_media_by_address_in_a_response_input_is_refused():
    message = {"role": "user", "content": [{"type": "input_image", "image_url": "http://a/b"}]}
    output = {"type": "function_call_output", "call_id": "c", "output": message["content"]}
    for item in (message, output):
        with pytest.raises(InvalidRequest) as caught:
            screen("/v1/responses", {"input": [item]})
        assert caught.value.param == "input"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "iVBORw0KGgo" * 1000}},
        {"type": "image_url", "image_url": {"url": 7}},
        {"type": "image_url", "image_url": ["x"]},
        {"type": "image_url"},
        {"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "text", "text": "look at https://example.org/x.png"},
    ],
)
def test_media_in_the_request_itself_passes(part):
    body = chat_with(part)
    assert screen(CHAT, body) is body


@pytest.mark.parametrize("route", ["/v1/embeddings", "/v1/rerank", "/v1/images/generations"])
def test_other_routes_have_no_rules(route):
    body = {"model": "m", "input": ["x"] * 5000, "verbose": True, "lora": "style"}
    assert screen(route, body) is body


def test_every_rule_leaves_null_alone_or_drops_it():
    for field in RULES:
        assert screen(CHAT, {field: None}) in ({field: None}, {})


def test_the_limits_leave_room_for_real_tools():
    function = {
        "name": "search",
        "description": "x" * 2000,
        "parameters": {
            "type": "object",
            "properties": {f"p{i}": {"type": "string", "enum": ["a", "b"]} for i in range(12)},
            "required": ["p0"],
        },
    }
    body = {"tools": [{"type": "function", "function": function}] * 200}
    assert screen(CHAT, body) is body
