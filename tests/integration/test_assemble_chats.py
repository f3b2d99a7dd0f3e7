"""Every chat is asked for twice, as a client would and as we do, and compared field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.real_engine import (
    NOISE,
    SCHEMA,
    STEADY,
    THOUGHT,
    UNICODE,
    assemble_broken,
    check_refusal,
    same_answer,
)

from paddock.errors import UpstreamLost

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], **STEADY}
PARAMETERS = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "get", "parameters": PARAMETERS}}
CALL = {"id": "c", "type": "function", "function": {"name": "get", "arguments": '{"a":"x"}'}}
CALLING: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
    ]
    * 2
    + [{"role": "user", "content": "a"}],
    "tools": [TOOL],
    "tool_choice": "required",
    **STEADY,
}
"""With two examples even a base model writes a call, and then one more."""
CALLING_ANTHROPIC: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": "a"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "get", "input": {"a": "x"}}],
        },
    ]
    * 2
    + [{"role": "user", "content": "a"}],
    "tools": [{"name": "get", "input_schema": PARAMETERS}],
    "tool_choice": {"type": "any"},
    "temperature": 0,
}
END_OF_TEXT = 1
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (CHAT, HELLO | {"max_tokens": 17}),
    "chat, alias": ("/chat/completions", HELLO | {"max_tokens": 17}),
    "chat, noise": (CHAT, HELLO | NOISE | {"max_tokens": 17}),
    "chat, stop": (CHAT, HELLO | {"max_tokens": 20, "grammar": 'root ::= "one two"', "stop": "tw"}),
    "chat, ended": (CHAT, HELLO | {"grammar": 'root ::= "yes"'}),
    "chat, nothing": (CHAT, HELLO | {"logit_bias": [[END_OF_TEXT, 1000]]}),
    "chat, schema": (
        CHAT,
        HELLO
        | {
            "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
            "chat_template_kwargs": {"enable_thinking": False},
            "max_tokens": 20,
        },
    ),
    "chat, two": (CHAT, HELLO | NOISE | {"max_tokens": 17, "n": 2, "temperature": 1}),
    "chat, unicode": (CHAT, HELLO | {"grammar": UNICODE}),
    "chat, reasoning": (CHAT, HELLO | {"grammar": THOUGHT}),
    "chat, reasoning cut": (CHAT, HELLO | {"grammar": THOUGHT, "max_tokens": 18}),
    "chat, a call": (CHAT, CALLING | {"max_tokens": 60, "logit_bias": [[END_OF_TEXT, 50]]}),
    "chat, half a call": (CHAT, CALLING | {"max_tokens": 20}),
    "messages": (MESSAGES, HELLO | {"max_tokens": 17}),
    "messages, stop": (MESSAGES, HELLO | {"max_tokens": 20, "stop_sequences": ["_", "e", "i"]}),
    "messages, calls": (MESSAGES, CALLING_ANTHROPIC | {"max_tokens": 50}),
    "messages, half a call": (MESSAGES, CALLING_ANTHROPIC | {"max_tokens": 20}),
}


def call_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]["tool_calls"][0]["function"]


SHOWS: dict[str, Callable[[Any], bool]] = {
    "chat, stop": lambda answer: answer["choices"][0]["message"]["content"] == "one ",
    "chat, nothing": lambda answer: answer["choices"][0]["message"]["content"] == "",
    "chat, unicode": lambda answer: answer["choices"][0]["message"]["content"] == "é日😀",
    "chat, two": lambda answer: [choice["index"] for choice in answer["choices"]] == [0, 1],
    "chat, reasoning": lambda answer: (
        answer["choices"][0]["message"]["reasoning_content"] == "so\n"
    ),
    "chat, a call": lambda answer: answer["choices"][0]["finish_reason"] == "tool_calls",
    "chat, half a call": lambda answer: not call_of(answer)["arguments"].endswith("}"),
    "messages, calls": lambda answer: answer["content"][1]["input"] == {"a": "x"},
    "messages, half a call": lambda answer: answer["content"][0]["input"] == {},
}
"""What some of the cases are for."""


@pytest.mark.parametrize("case", ANSWERS)
def test_the_assembled_answer_is_the_engines_own(real, case):
    route, body = ANSWERS[case]
    if route == MESSAGES:  # has no `cache_prompt`: both are to find the prompt in the cache
        real.direct(route, body | {"max_tokens": 1})
    assert SHOWS.get(case, bool)(same_answer(real, route, body))


REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat without messages": (CHAT, {}),
    "chat with a bad grammar": (CHAT, HELLO | {"grammar": "root ::= ("}),
    "chat with too long a prompt": (
        CHAT,
        {"messages": [{"role": "user", "content": "word " * 3000}]},
    ),
    "chat with too many choices": (CHAT, HELLO | {"n": 100}),
    "chat with malformed tools": (CHAT, HELLO | {"tools": [7]}),
    "chat with a strange reasoning format": (CHAT, HELLO | {"reasoning_format": "x"}),
    "messages without any": (MESSAGES, {}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_the_engines_own(real, case):
    check_refusal(real, *REFUSALS[case])


@pytest.mark.parametrize("case", ["chat", "messages"])
def test_a_stream_that_breaks_off_is_no_answer(real, case):
    with pytest.raises(UpstreamLost):
        assemble_broken(real, *ANSWERS[case])
