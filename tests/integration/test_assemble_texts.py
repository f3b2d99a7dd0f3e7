"""Every text is asked for twice, as a client would and as we do, and compared field by field."""

from __future__ import annotations

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
from paddock.gateway.assemble import DIALECTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TEXT, NATIVE, RESPONSES = "/v1/completions", "/completion", "/v1/responses"
CHATS = {"/v1/chat/completions", "/chat/completions", "/v1/messages"}
"""`test_assemble_chats.py` asks for these."""

ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": (TEXT, STEADY | {"prompt": "hello", "max_tokens": 5}),
    "text, noise": (TEXT, STEADY | NOISE | {"prompt": ["hello"], "max_tokens": 5}),
    "text, tokens": (TEXT, STEADY | {"prompt": [2, 23391], "max_tokens": 3}),
    "text, stop": (
        TEXT,
        STEADY | {"prompt": "x", "grammar": 'root ::= "one two"', "stop": ["tw"]},
    ),
    "text, two": (TEXT, STEADY | {"prompt": "x", "max_tokens": 3, "n": 2, "temperature": 1}),
    "text, unicode": (TEXT, STEADY | {"prompt": "x", "grammar": UNICODE}),
    "native": (NATIVE, STEADY | {"prompt": "hello", "n_predict": 5}),
    "native, other path": ("/completions", STEADY | {"prompt": "hello", "n_predict": 2}),
    "native, noise": (NATIVE, STEADY | NOISE | {"prompt": "hello", "n_predict": 5}),
    "native, stop": (
        NATIVE,
        STEADY | {"prompt": "x", "grammar": 'root ::= "one two"', "stop": ["tw"]},
    ),
    "native, mixed prompt": (NATIVE, STEADY | {"prompt": ["hello", 2, "you"], "n_predict": 3}),
    "native, two": (
        NATIVE,
        STEADY | {"prompt": "x", "n_predict": 3, "n": 2, "temperature": 1},
    ),
    "native, unicode": (NATIVE, STEADY | {"prompt": "x", "grammar": UNICODE}),
    "native, schema": (NATIVE, STEADY | {"prompt": "x", "json_schema": SCHEMA, "n_predict": 20}),
    "responses": (RESPONSES, STEADY | {"input": "hello", "max_output_tokens": 17}),
    "responses, alias": ("/responses", STEADY | NOISE | {"input": "x", "max_output_tokens": 17}),
    "responses, reasoning": (RESPONSES, STEADY | {"input": "hello", "grammar": THOUGHT}),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_assembled_answer_is_the_engines_own(real, case):
    assert same_answer(real, *ANSWERS[case])


REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "text without a prompt": (TEXT, {}),
    "native with bad tokens": (NATIVE, {"prompt": [99999999]}),
    "native with a bad grammar": (NATIVE, {"prompt": "x", "grammar": "root ::= ("}),
    "infill of a model that cannot": ("/infill", {"input_prefix": "a", "input_suffix": "b"}),
    "responses with a predecessor": (RESPONSES, {"input": "x", "previous_response_id": "y"}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_the_engines_own(real, case):
    check_refusal(real, *REFUSALS[case])


@pytest.mark.parametrize("case", ["text", "native", "responses"])
def test_a_stream_that_breaks_off_is_no_answer(real, case):
    with pytest.raises(UpstreamLost):
        assemble_broken(real, *ANSWERS[case])


def test_every_dialect_is_compared():
    asked = {route for route, _ in (*ANSWERS.values(), *REFUSALS.values())}
    assert asked | CHATS == set(DIALECTS)
