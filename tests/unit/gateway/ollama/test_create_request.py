"""What a request to make a model may say, and the error for everything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import PaddockError
from paddock.gateway.ollama.create_request import read
from paddock.gateway.problems import shape_of
from paddock.library.model import Said

DIGEST = "sha256:" + "ab" * 32


def test_all_that_can_be_said():
    wanted = read(
        {
            "model": "user/mario",
            "from": "llama3.2",
            "template": "{{ .Prompt }}",
            "system": "You are Mario.",
            "license": ["MIT", "Apache"],
            "parameters": {"temperature": 1, "num_ctx": 4096.0, "stop": "</s>", "mirostat": 1},
            "messages": [{"role": "user", "content": "hi"}],
            "adapters": {"lora.gguf": DIGEST},
            "renderer": "qwen3",
            "requires": "0.14.0",
            "info": {"context_length": 8192, "whatever": 1},
            "quantize": "q4_K_M",
        }
    )

    assert str(wanted.name) == "user/mario:latest"
    assert wanted.base == "llama3.2"
    assert wanted.licenses == ("MIT", "Apache")
    assert wanted.parameters == {"temperature": 1, "num_ctx": 4096, "stop": ["</s>"]}
    assert wanted.messages == (Said("user", "hi"),)
    assert str(wanted.adapters["lora.gguf"]) == DIGEST
    assert wanted.config == {"context_length": 8192, "renderer": "qwen3", "requires": "0.14.0"}
    assert wanted.quantize == "Q4_K_M"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "model is required"),
        ({"model": "m"}, "neither 'from' or 'files' was specified"),
        ({"model": 7, "from": "a"}, "`model` must be a string, not a number"),
        ({"model": "../etc", "from": "a"}, "invalid model name '../etc'"),
        ({"model": "a\0b", "from": "a"}, "invalid model name"),
        ({"model": "m", "from": ["a"]}, "`from` must be a string, not an array"),
        ({"model": "m", "files": DIGEST}, "`files` must be an object, not a string"),
        ({"model": "m", "files": {"a": 1}}, "`files.a` must be a string, not a number"),
        ({"model": "m", "files": {"a": "sha256:12"}}, "invalid digest format"),
        ({"model": "m", "files": {"a": "sha256-../../etc/passwd"}}, "invalid digest format"),
        ({"model": "m", "files": {"/etc/passwd": DIGEST}}, "file path must be relative"),
        ({"model": "m", "files": {"../a.gguf": DIGEST}}, "file path must be relative"),
        ({"model": "m", "files": {"a\0": DIGEST}}, "file path must be relative"),
        (
            {"model": "m", "from": "a", "adapters": {"a": DIGEST, "b": DIGEST}},
            "only one adapter is currently supported",
        ),
        ({"model": "m", "from": "a", "template": "\n{{ if }}"}, "template error: "),
        ({"model": "m", "from": "a", "template": 1}, "`template` must be a string"),
        ({"model": "m", "from": "a", "system": []}, "`system` must be a string, not an array"),
        ({"model": "m", "from": "a", "license": 1}, "`license` must be a string or an array"),
        ({"model": "m", "from": "a", "parameters": []}, "`parameters` must be an object"),
        ({"model": "m", "from": "a", "parameters": {"temprature": 1}}, "unknown parameter"),
        (
            {"model": "m", "from": "a", "parameters": {"num_ctx": "8k"}},
            'option "num_ctx" must be of type integer',
        ),
        ({"model": "m", "from": "a", "messages": {}}, "`messages` must be an array"),
        ({"model": "m", "from": "a", "messages": [1]}, "`messages[0]` must be an object"),
        (
            {"model": "m", "from": "a", "messages": [{"role": "tool"}]},
            'message role must be one of "system", "user", or "assistant"',
        ),
        (
            {"model": "m", "from": "a", "messages": [{"role": "user", "content": 1}]},
            "`messages[0].content` must be a string",
        ),
        ({"model": "m", "from": "a", "renderer": "a\nb"}, "`renderer` is no name"),
        ({"model": "m", "from": "a", "info": {"context_length": "1"}}, "`info.context_length`"),
        ({"model": "m", "from": "a", "draft_files": {"d": DIGEST}}, "`draft_files`"),
        ({"model": "m", "from": "a", "remote_host": "https://example.org"}, "`remote_host`"),
        ({"model": "m", "from": "a", "quantize": 4}, "`quantize` must be a string"),
        ({"model": "m", "files": {f"f{n}": DIGEST for n in range(65)}}, "`files` has more than 64"),
        ({"model": "m", "from": "a", "license": ["x"] * 65}, "`license` has more than 64"),
        (
            {"model": "m", "from": "a", "messages": [{"role": "user"}] * 4097},
            "`messages` has more than 4096",
        ),
        (
            {"model": "m", "from": "a", "messages": [{"role": "user", "content": "x" * 2**19}] * 3},
            "`messages` have more than 1 MiB of text",
        ),
        ({"model": "m", "from": "a", "parameters": {"stop": ["x"] * 257}}, "more than 256 stop"),
        ({"model": "m", "from": "a", "parameters": {"stop": "x" * 20_000}}, "16,384 characters"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], error: str):
    with pytest.raises(PaddockError) as raised:
        read(body)

    assert error in raised.value.message
    assert shape_of(raised.value).status == 400


def test_the_line_of_a_wrong_template_is_named():
    with pytest.raises(PaddockError, match=r"template error: .*2"):
        read({"model": "m", "from": "a", "template": "fine\n{{ nonsense }}"})


def test_the_nearest_parameter_is_offered():
    with pytest.raises(PaddockError) as raised:
        read({"model": "m", "from": "a", "parameters": {"temprature": 1}})

    assert "temperature" in raised.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
FIELDS = (
    "model", "from", "files", "adapters", "paths", "adapter_paths", "template", "system",
    "license", "parameters", "messages", "renderer", "parser", "requires", "info", "quantize",
    "draft_files", "remote_host",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_is_sent_only_our_errors_come_out(body: dict[str, Any]):
    refusal = None
    try:
        read({"model": "m", "from": "a"} | body)
    except PaddockError as error:
        refusal = error

    assert refusal is None or shape_of(refusal).status == 400
