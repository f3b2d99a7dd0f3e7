"""Ollama's messages as OpenAI's: what is lax in the one is strict in the other."""

import base64
from typing import Any

import pytest

from paddock.errors import InvalidRequest
from paddock.gateway.ollama import media
from paddock.gateway.ollama.messages import openai_messages

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
WAV = base64.b64encode(b"RIFF0000WAVEfmt ").decode()


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}}


def told_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_texts_thoughts_and_roles() -> None:
    asked = [
        {"role": "SYSTEM", "content": "s"},
        {"role": "user"},
        {"role": "assistant", "content": "a", "thinking": "t"},
    ]

    assert openai_messages(asked) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "a", "reasoning_content": "t"},
    ]
    assert openai_messages(None) == openai_messages([]) == []


def test_calls_get_ids_and_their_results_find_them() -> None:
    asked = [
        {"role": "assistant", "tool_calls": [call("f", x=1), call("g")]},
        {"role": "tool", "content": "of g", "tool_name": "g"},
        {"role": "tool", "content": "of f"},
    ]

    assert openai_messages(asked) == [
        {"role": "assistant", "content": "", "tool_calls": [
            told_call("call00001", "f", '{"x": 1}'), told_call("call00002", "g", "{}")]},
        {"role": "tool", "tool_call_id": "call00002", "name": "g", "content": "of g"},
        {"role": "tool", "tool_call_id": "call00001", "name": "f", "content": "of f"},
    ]  # fmt: skip


def test_ids_that_are_there_stay() -> None:
    asked = [
        {"role": "assistant", "tool_calls": [{"id": "mine", **call("f")}]},
        {"role": "tool", "content": "r", "tool_call_id": "mine"},
    ]

    first, second = openai_messages(asked)
    assert first["tool_calls"][0]["id"] == second["tool_call_id"] == "mine"


@pytest.mark.parametrize(
    ("result", "tools", "name"),
    [
        ({"tool_name": "f"}, [], "f"),
        ({}, [{"function": {"name": "only"}}], "only"),
        ({}, [], "tool"),
    ],
)
def test_a_result_of_no_call_gets_one(result: Any, tools: Any, name: str) -> None:
    asked = [{"role": "user", "content": "q"}, {"role": "tool", "content": "r", **result}]

    _, made, answer = openai_messages(asked, tools)
    assert made["tool_calls"] == [told_call("call00001", name, "{}")]
    assert (answer["tool_call_id"], answer["name"]) == ("call00001", name)


def test_an_empty_question_after_a_result_is_none() -> None:
    asked = [{"role": "tool", "content": "r"}, {"role": "user", "content": ""}]

    assert [one["role"] for one in openai_messages(asked)] == ["assistant", "tool"]


def test_pictures_and_sounds_are_parts() -> None:
    (told,) = openai_messages([{"role": "user", "content": "what?", "images": [PNG, WAV]}])

    picture, sound, words = told["content"]
    assert picture == {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{PNG}"},
    }
    assert sound == {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
    assert words == {"type": "text", "text": "what?"}
    assert [media.data_of(part) for part in (picture, sound)] == [PNG, WAV]
    assert media.parts([f"data:image/png;base64,{PNG}"], "images") == [picture]


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("x", "messages[0]"),
        ({}, "messages[0].role"),
        ({"role": "king"}, "messages[0].role"),
        ({"role": "user", "content": ["x"]}, "messages[0].content"),
        ({"role": "user", "images": "x"}, "messages[0].images"),
        ({"role": "user", "images": ["x"]}, "messages[0].images[0]"),
        ({"role": "user", "images": ["*" * 8]}, "messages[0].images[0]"),
        ({"role": "user", "images": ["AAAA"]}, "messages[0].images[0]"),
        ({"role": "user", "images": [PNG] * 257}, "messages[0].images"),
        ({"role": "user", "images": [PNG[:-4] + "?AAA"]}, "messages[0].images[0]"),
        ({"role": "user", "images": [PNG[:-4] + "A==="]}, "messages[0].images[0]"),
        ({"role": "user", "images": [PNG[:-4] + "äAAA"]}, "messages[0].images[0]"),
        ({"role": "assistant", "tool_calls": [call("f")] * 1025}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": {}}, "messages[0].tool_calls"),
        ({"role": "assistant", "tool_calls": [1]}, "messages[0].tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"function": {"arguments": 1}}]}, "arguments"),
    ],
)
def test_what_is_wrong_is_named(message: Any, named: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        openai_messages([message])

    assert named in refused.value.message


def test_too_many_messages_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="4,096"):
        openai_messages([{"role": "user"}] * 4097)


def test_too_many_pictures_are_refused_however_they_are_spread() -> None:
    with pytest.raises(InvalidRequest, match="256 pictures"):
        openai_messages([{"role": "user", "images": [PNG] * 2}] * 129)


def test_base64_in_lines_is_base64() -> None:
    in_lines = "\r\n".join(PNG[at : at + 16] for at in range(0, len(PNG), 16)) + "\n"

    assert media.parts([in_lines], "images") == media.parts([PNG], "images")
