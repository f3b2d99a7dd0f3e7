"""What the owner's filters make of a body."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.config.model_entry import Filters
from paddock.gateway.filters import overridden, renamed, stripped

BODY: dict[str, Any] = {
    "model": "m",
    "temperature": 0.5,
    "top_p": None,
    "a.b": "dotted",
    "options": {"seed": 1, "deep": {"er": [1, {"x": 2}, 3]}},
    "messages": [{"role": "user", "content": "hi"}],
    "text": "flat",
}


def changed(**changes: Any) -> dict[str, Any]:
    left_out = {name for name, value in changes.items() if value is ...}
    return {k: v for k, v in {**BODY, **changes}.items() if k not in left_out}


@pytest.mark.parametrize(
    ("strip", "expected"),
    [
        ("", BODY),
        ("temperature", changed(temperature=...)),
        ("temperature, top_p", changed(temperature=..., top_p=...)),
        (["temperature", "top_p"], changed(temperature=..., top_p=...)),
        ("unknown", BODY),
        ("model", BODY),
        ("model.x", BODY),
        (" , ,", BODY),
        ("options", changed(options=...)),
        ("options.seed", changed(options={"deep": {"er": [1, {"x": 2}, 3]}})),
        ("options.unknown", BODY),
        ("options.deep.er", changed(options={"seed": 1, "deep": {}})),
        ("options.deep.er.0", changed(options={"seed": 1, "deep": {"er": [{"x": 2}, 3]}})),
        ("options.deep.er.1.x", changed(options={"seed": 1, "deep": {"er": [1, {}, 3]}})),
        ("options.deep.er.9", BODY),
        ("options.deep.er.-1", BODY),
        ("options.deep.er.x", BODY),
        ("messages.0.content", changed(messages=[{"role": "user"}])),
        ("text.length", BODY),
        ("a.b", BODY),
        ("a\\.b", changed(**{"a.b": ...})),
    ],
)
def test_strip_params_takes_out_what_is_there(strip: Any, expected: Any) -> None:
    before = copy.deepcopy(BODY)

    assert stripped(BODY, Filters(strip_params=strip)) == expected
    assert before == BODY


@pytest.mark.parametrize("strip", ["", "unknown", "model", "options.no", "text.x", "messages.7"])
def test_a_body_that_holds_nothing_to_strip_is_the_same_object(strip: Any) -> None:
    assert stripped(BODY, Filters(strip_params=strip)) is BODY


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, BODY),
        ({"temperature": 1}, changed(temperature=1)),
        ({"temperature": None}, changed(temperature=None)),
        ({"new": [1]}, changed(new=[1])),
        ({"model": "other"}, BODY),
        ({"model.name": "other"}, BODY),
        ({"options.seed": 7}, changed(options={**BODY["options"], "seed": 7})),
        ({"options.new.deep": True}, changed(options={**BODY["options"], "new": {"deep": True}})),
        ({"made.from.nothing": 1}, changed(made={"from": {"nothing": 1}})),
        ({"a\\.b": 1}, changed(**{"a.b": 1})),
        ({"a.b": 1}, changed(a={"b": 1})),
        ({"text.x": 1}, changed(text={"x": 1})),
        ({"messages.0.name": "n"}, changed(messages=[{**BODY["messages"][0], "name": "n"}])),
        ({"messages.1.role": "x"}, changed(messages=[*BODY["messages"], {"role": "x"}])),
        ({"messages.-1": {"role": "x"}}, changed(messages=[*BODY["messages"], {"role": "x"}])),
        ({"messages.999999999": 1}, changed(messages=[*BODY["messages"], 1])),
        ({"messages.role": "x"}, changed(messages={"role": "x"})),
        ({"chat_template_kwargs": {"enable_thinking": False}},
         changed(chat_template_kwargs={"enable_thinking": False})),
    ],
)  # fmt: skip
def test_set_params_sets_whatever_the_client_sent(params: Any, expected: Any) -> None:
    before = copy.deepcopy(BODY)

    assert overridden(BODY, Filters(set_params=params), "m") == expected
    assert before == BODY


@pytest.mark.parametrize(
    ("asked", "effort"),
    [
        ("m", "none"),
        ("m:high", "high"),
        ("M:HIGH", "high"),
        ("m:low", "low"),
        ("m:other", "none"),
        ("odd.name", "odd"),
    ],
)
def test_set_params_by_id_wins_for_the_name_that_was_asked_for(asked: str, effort: str) -> None:
    filters = Filters(
        set_params={"effort": "none"},
        set_params_by_id={
            "m:high": {"effort": "high"},
            "m:low": {"effort": "low", "model": "x"},
            "odd.name": {"effort": "odd"},
        },
    )

    assert overridden({"model": "m"}, filters, asked) == {"model": "m", "effort": effort}


def test_nothing_to_set_leaves_the_same_object() -> None:
    filters = Filters(set_params_by_id={"m:high": {"x": 1}}, set_params={"model": "y"})

    assert overridden(BODY, filters, "m") is BODY


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", {"model": "m", "x": 1}),
        ("m", {"model": "m", "x": 1}),
        ("n", {"model": "n", "x": 1}),
    ],
)
def test_a_name_is_put_in_where_the_old_one_was(name: str, expected: dict[str, Any]) -> None:
    body = {"model": "m", "x": 1}

    assert json.dumps(renamed(body, name)) == json.dumps(expected)
    assert (renamed(body, name) is body) == (expected == body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
KEYS = st.lists(st.sampled_from(["a", "b", "0", "1", "-1", "a\\.b", ""]), min_size=1).map(".".join)


@given(body=st.dictionaries(st.sampled_from(["a", "b", "0"]), JSON), key=KEYS, value=JSON)
def test_what_was_set_can_be_stripped_and_the_body_stays(body: Any, key: str, value: Any) -> None:
    before = copy.deepcopy(body)
    result = overridden(body, Filters(set_params={key: value}), "")
    stripped(result, Filters(strip_params=[key]))

    assert body == before
    assert json.loads(json.dumps(result)) == result
