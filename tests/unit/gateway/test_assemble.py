"""Streams as llama-server writes them, cut down to what matters, with its bugs."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway.assemble import DIALECTS, SHORT, Assembler, plan
from paddock.gateway.problems import Upstream
from paddock.gateway.sse import SseEvent

CHAT, TEXT, NATIVE = "/v1/chat/completions", "/v1/completions", "/completion"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
BODY: dict[str, Any] = {"model": "m", "messages": [], "prompt": "x", "input": "x"}


def assembler_of(route: str, **fields: Any) -> Assembler:
    assembly = plan(route, BODY | fields)
    assert assembly is not None
    return assembly.assembler


def assembled(route: str, *events: Any, **fields: Any) -> Any:
    assembler = assembler_of(route, **fields)
    for event in events:
        assembler.feed(event_of(event))
    return assembler.finish()


def event_of(event: Any) -> SseEvent:
    if event == "[DONE]":
        return SseEvent("", b"[DONE]")
    return SseEvent((event or {}).get("type", ""), json.dumps(event).encode())


# --- chat


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index=0, **more):
    choice = {"finish_reason": finish, "index": index, "delta": delta or {}}
    return {"choices": [choice], **ENVELOPE, "object": "chat.completion.chunk", **more}


def usage(tokens: int, **more):
    told = {"usage": {"completion_tokens": tokens}, "timings": {"predicted_n": tokens}}
    return {"choices": [], **ENVELOPE, "object": "chat.completion.chunk", **told, **more}


ENVELOPE = {"created": 7, "id": "chatcmpl-x", "model": "gemma", "system_fingerprint": "b1"}
ROLE = {"role": "assistant", "content": None}


def chat_answer(*choices: dict[str, Any], tokens: int):
    return {
        "choices": list(choices),
        **ENVELOPE,
        "object": "chat.completion",
        "usage": {"completion_tokens": tokens},
        "timings": {"predicted_n": tokens},
    }


def chat_choice(finish="stop", index=0, **message):
    return {
        "finish_reason": finish,
        "index": index,
        "message": {"role": "assistant", "content": "", **message},
    }


def test_chat():
    answer = assembled(
        CHAT,
        chunk(ROLE, prompt_progress={"total": 5, "processed": 0}),
        chunk(ROLE),
        chunk({"content": "a"}),
        None,
        chunk({"content": "é"}, timings={"predicted_n": 1}),
        chunk(finish="stop"),
        usage(3),
        "[DONE]",
    )
    assert answer == chat_answer(chat_choice(content="aé"), tokens=3)
    assert next(iter(answer)) == "choices"


def test_chat_without_a_role_chunk():
    answer = assembled(CHAT, chunk({"content": "😀"}), chunk(finish="length"), usage(4), "[DONE]")
    assert answer == chat_answer(chat_choice("length", content="😀"), tokens=4)


def test_chat_that_thinks_and_calls():
    def call(index, **piece):
        return chunk({"tool_calls": [{"index": index, **piece}]})

    answer = assembled(
        CHAT,
        chunk({"reasoning_content": "so"}),
        chunk({"reasoning_content": " it is"}),
        call(0, id="c0", type="function", function={"name": "f", "arguments": "{"}),
        call(0, function={"arguments": '"a":1}'}),
        call(1, id="c1", type="function", function={"name": "g", "arguments": ""}),
        call(1, function={"arguments": "{}"}),
        chunk(finish="tool_calls"),
        usage(9),
        "[DONE]",
    )
    calls = [
        {"type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, "id": "c0"},
        {"type": "function", "function": {"name": "g", "arguments": "{}"}, "id": "c1"},
    ]
    expected = chat_choice("tool_calls", reasoning_content="so it is", tool_calls=calls)
    assert answer == chat_answer(expected, tokens=9)


@pytest.mark.parametrize("first", [0, 1])
def test_chat_with_two_choices_has_the_usage_of_choice_zero(first):
    ends = {
        0: (chunk(finish="stop", index=0), usage(10)),
        1: (chunk(finish="length", index=1), usage(11)),
    }
    answer = assembled(
        CHAT,
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}, index=0),
        *ends[first],
        *ends[1 - first],
        "[DONE]",
        n=2,
    )
    choices = (chat_choice(content="a"), chat_choice("length", 1, content="b"))
    assert answer == chat_answer(*choices, tokens=10)


def test_chat_of_an_engine_that_tells_no_usage():
    answer = assembled(CHAT, chunk({"content": "a"}), chunk(finish="stop"), "[DONE]")
    assert answer["choices"] == [chat_choice(content="a")]
    assert "usage" not in answer


# --- text


def text_chunk(text: str, finish: str | None = None, index=0, **more):
    choice = {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
    return {"choices": [choice], **ENVELOPE, "object": "text_completion", **more}


def test_text():
    answer = assembled(
        TEXT,
        text_chunk("", prompt_progress={"total": 1}),
        text_chunk("b", index=1),
        None,
        text_chunk("a"),
        text_chunk("", "stop", index=1, usage={"completion_tokens": 11}),
        text_chunk("!"),
        text_chunk("?", "length", usage={"completion_tokens": 10}),
        "[DONE]",
        n=2,
    )
    assert answer == {
        "choices": [
            {"text": "a!?", "index": 0, "logprobs": None, "finish_reason": "length"},
            {"text": "b", "index": 1, "logprobs": None, "finish_reason": "stop"},
        ],
        **ENVELOPE,
        "object": "text_completion",
        "usage": {"completion_tokens": 10},
    }


# --- native


def piece(content: str, index=0):
    return {"index": index, "content": content, "tokens": [5], "stop": False, "id_slot": -1}


def native_end(content="", index=0):
    settings = {"stream": True, "timings_per_token": False}
    more = {"tokens": [], "stop_type": "limit", "generation_settings": settings}
    return {"index": index, "content": content, "stop": True, "id_slot": 2, **more}


def native_answer(content: str, index=0):
    settings = {"stream": False, "timings_per_token": False}
    return native_end(content, index) | {"generation_settings": settings}


@pytest.mark.parametrize("route", ["/completion", "/completions", "/infill"])
def test_native(route):
    events = (piece("", 0), piece("a"), None, piece("b"), native_end("c"))
    assert assembled(route, *events) == native_answer("abc")


@pytest.mark.parametrize("field", ["n", "n_cmpl"])
def test_native_with_two_completions(field):
    events = (piece("b", 1), piece("a", 0), native_end("", 1), native_end("!", 0))
    answer = assembled(NATIVE, *events, **{field: 2})
    assert answer == [native_answer("a!", 0), native_answer("b", 1)]


# --- responses


def test_responses():
    thought = {"id": "rs_1", "type": "reasoning", "content": []}
    message = {"id": "msg_1", "type": "message", "status": "completed", "content": []}
    begun = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
    response = {"id": "r", "created_at": 7, "status": "completed", "output": [thought, message]}
    completed = {"type": "response.completed", "response": response, "timings": {}}
    answer = assembled(RESPONSES, begun, begun, begun, completed)
    assert answer == {
        **response,
        "completed_at": 7,
        "output": [{**thought, "status": "completed"}, message],
    }


# --- messages


def start_of_block(index: int, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta_of_block(index: int, kind: str, **delta):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def message_end(reason: str, tokens: int):
    delta = {"stop_reason": reason, "stop_sequence": None}
    return (
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    )


MESSAGE = {"id": "msg", "type": "message", "role": "assistant", "content": [], "model": "gemma"}
MESSAGE_START = {
    "type": "message_start",
    "message": MESSAGE | {"stop_reason": None, "usage": {"input_tokens": 5, "output_tokens": 0}},
}


def test_messages():
    answer = assembled(
        MESSAGES,
        MESSAGE_START,
        start_of_block(0, type="thinking", thinking=""),
        delta_of_block(0, "thinking_delta", thinking="so"),
        delta_of_block(0, "thinking_delta", thinking=" what"),
        start_of_block(1, type="text", text=""),
        delta_of_block(1, "text_delta", text="a"),
        delta_of_block(1, "text_delta", text="b"),
        start_of_block(2, type="tool_use", id="t", name="f"),
        delta_of_block(2, "input_json_delta", partial_json='{"a":'),
        delta_of_block(2, "input_json_delta", partial_json="1}"),
        delta_of_block(0, "signature_delta", signature=""),
        {"type": "content_block_stop", "index": 0},
        *message_end("tool_use", 8),
    )
    assert answer == {
        **MESSAGE,
        "content": [
            {"type": "thinking", "thinking": "so what", "signature": ""},
            {"type": "text", "text": "ab"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 8},
    }


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([], {}),
        (["{"], {}),
        (["{} x"], {}),
        (['{"a": NaN}'], {}),
        (['{"a": "\\ud800"}'], {}),
        (["[" * 100_000], {}),
        (["5"], 5),
        (["null"], None),
        (["{}"], {}),
    ],
)
def test_arguments_that_a_model_wrote(written, read):
    answer = assembled(
        MESSAGES,
        MESSAGE_START,
        start_of_block(0, type="tool_use", id="t", name="f"),
        *(delta_of_block(0, "input_json_delta", partial_json=text) for text in written),
        *message_end("max_tokens", 3),
    )
    assert answer["content"] == [{"type": "tool_use", "id": "t", "name": "f", "input": read}]


def test_messages_without_their_start():
    answer = assembled(
        MESSAGES,
        start_of_block(0, type="text", text=""),
        delta_of_block(0, "text_delta", text="😀"),
        *message_end("end_turn", 4),
    )
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer == {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "😀"}],
        "model": "m",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"output_tokens": 4},
    }


# --- errors and broken streams

WHOLE: dict[str, tuple[Any, ...]] = {
    CHAT: (chunk({"content": "a"}), chunk(finish="stop"), usage(1), "[DONE]"),
    TEXT: (text_chunk("a"), text_chunk("", "stop"), "[DONE]"),
    NATIVE: (piece("a"), native_end()),
    RESPONSES: (
        {"type": "response.created"},
        {"type": "response.completed", "response": {"created_at": 1, "output": []}},
    ),
    MESSAGES: (MESSAGE_START, *message_end("end_turn", 0)),
}


@pytest.mark.parametrize("route", WHOLE)
def test_an_answer_without_its_end_is_no_answer(route):
    assert assembled(route, *WHOLE[route])
    for count in range(len(WHOLE[route])):
        with pytest.raises(UpstreamLost):
            assembled(route, *WHOLE[route][:count])


def test_an_end_without_an_answer_is_no_answer():
    with pytest.raises(UpstreamLost):
        assembled(CHAT, "[DONE]")


@pytest.mark.parametrize("route", WHOLE)
@pytest.mark.parametrize(
    ("event", "status", "message"),
    [
        (SseEvent("", b'{"error":{"code":500,"message":"full"}}'), 500, "full"),
        (SseEvent("", b'{"error":{"code":400,"message":"no","n_ctx":5}}'), 400, "no"),
        (SseEvent("error", b'{"code":400,"message":"bare"}'), 400, "bare"),
        (SseEvent("error", b'{"type":"error","error":{"message":"wrapped"}}'), 500, "wrapped"),
        (SseEvent("", b'{"error":"text"}'), 500, "text"),
        (SseEvent("", b'{"error":{"code":"odd","message":"x"}}'), 500, "x"),
        (SseEvent("", b'{"error":{"code":200,"message":"x"}}'), 500, "x"),
    ],
)
def test_an_error_event_is_the_engines_refusal(route, event, status, message):
    assembler = assembler_of(route)
    assembler.feed(event_of(WHOLE[route][0]))
    with pytest.raises(Upstream) as caught:
        assembler.feed(event)
    assert caught.value.status == status
    assert caught.value.error["message"] == message


@pytest.mark.parametrize("route", DIALECTS)
@settings(max_examples=30)
@given(
    st.lists(
        st.binary()
        | st.sampled_from([event_of(e).data for events in WHOLE.values() for e in events])
        | st.dictionaries(
            st.sampled_from(["choices", "index", "delta", "type", "message", "usage", "response"]),
            st.none()
            | st.integers()
            | st.text()
            | st.lists(st.dictionaries(st.sampled_from(["index", "delta", "text"]), st.none())),
        ).map(lambda event: json.dumps(event).encode())
    )
)
def test_whatever_comes_is_an_answer_or_an_error_of_ours(route, events):
    assembler = assembler_of(route)
    try:
        for data in events:
            assembler.feed(SseEvent("", data))
        json.dumps(assembler.finish())
    except PaddockError:
        pass


# --- plans


@pytest.mark.parametrize("route", DIALECTS)
def test_a_plan_asks_for_a_stream_and_leaves_the_body_alone(route):
    body = BODY | {"stream": False, "temperature": 0.5, "return_progress": False}
    before = json.dumps(body)
    assembly = plan(route, body)
    assert assembly is not None
    assert json.dumps(body) == before
    assert assembly.body["stream"] is True
    assert assembly.body["temperature"] == 0.5
    assert assembly.body["sse_ping_interval"] == 5
    assert assembly.body["return_progress"] is (route != MESSAGES)


@pytest.mark.parametrize("route", [CHAT, TEXT])
def test_usage_is_asked_for_whatever_the_client_says(route):
    assembly = plan(route, BODY | {"stream_options": {"include_usage": False}})
    assert assembly is not None
    assert assembly.body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("route", ["/v1/embeddings", "/tokenize", "/v1/rerank", "/", "/v1/models"])
def test_routes_without_streams_are_asked_directly(route):
    assert plan(route, BODY) is None


@pytest.mark.parametrize("route", DIALECTS)
@pytest.mark.parametrize(
    "fields",
    [
        {"stream": True},
        {"stream": "yes"},
        {"stream": 0},
        {"logprobs": True},
        {"logprobs": 5},
        {"top_logprobs": 2},
        {"n_probs": 3},
        {"return_tokens": True},
        {"continue_final_message": True},
        {"continue_final_message": "content"},
        {"echo": True},
        {"reasoning_format": "deepseek-legacy"},
        {"response_fields": ["content"]},
        {"prompt": ["a", "b"]},
        {"prompt": [[1, 2], [3]]},
        {"prompt": []},
        {"n": "2"},
        {"n": 0},
        {"n_cmpl": 1.5},
        {"messages": [{"role": "user"}, {"role": "assistant", "content": "I am"}]},
    ],
)
def test_what_cannot_be_put_together_is_asked_directly(route, fields):
    assert plan(route, BODY | fields) is None


@pytest.mark.parametrize("route", DIALECTS)
@pytest.mark.parametrize(
    "fields",
    [
        {"stream": None},
        {"logprobs": False},
        {"logprobs": None},
        {"continue_final_message": False},
        {"prompt": [1, 2, 3]},
        {"prompt": ["a", 1, "b"]},
        {"prompt": ["a"]},
        {"prompt": {"prompt_string": "a"}},
        {"n": None},
        {"n": 3},
        {"messages": [{"role": "assistant"}, {"role": "user"}]},
        {"messages": ["x"]},
        {"max_tokens": -1},
        {"max_tokens": SHORT + 1},
    ],
)
def test_what_can_be_put_together_is(route, fields):
    assert plan(route, BODY | fields)


@pytest.mark.parametrize(
    "item",
    [{"role": "assistant", "content": "a"}, {"type": "function_call"}, {"type": "reasoning"}],
)
def test_a_response_that_continues_is_asked_directly(item):
    user = {"role": "user", "content": "a"}
    assert plan(RESPONSES, {"input": [user, item]}) is None
    assert plan(RESPONSES, {"input": [item, user]})


@pytest.mark.parametrize(
    "field", ["max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict"]
)
@pytest.mark.parametrize("route", DIALECTS)
def test_a_short_answer_that_may_be_cut_in_a_tag_is_asked_directly(route, field):
    tagged = "completion" not in route.replace("/chat/completions", "") and route != "/infill"
    assert (plan(route, BODY | {field: SHORT}) is None) is tagged
