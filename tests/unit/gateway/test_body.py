import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidRequest
from paddock.gateway.body import LARGE, dump_json, model_name, parse_json, parse_json_async

texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=4)


@given(objects, st.booleans())
def test_what_is_dumped_is_parsed_back(body, ascii_only):
    assert parse_json(dump_json(body)) == body
    assert parse_json(json.dumps(body, ensure_ascii=ascii_only).encode()) == body


@given(st.binary() | st.text().map(str.encode) | values.map(lambda v: json.dumps(v).encode()[:-1]))
def test_anything_else_is_an_invalid_request_or_an_object(data):
    with contextlib.suppress(InvalidRequest):
        assert isinstance(parse_json(data), dict)


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"a":{opening * (depth - 1)}{closing * (depth - 1)}}}'.encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 column 1"),
        (b"{", "line 1 column 2"),
        (b'{"a": 1,\n "b": }', "line 2 column 7"),
        (b'{"a":1} x', "Extra data"),
        (b"{'a':1}", "line 1 column 2"),
        (b"[]", "not an array"),
        (b'"x"', "not a string"),
        (b"7", "not a number"),
        (b"7.5", "not a number"),
        (b"true", "not a boolean"),
        (b"null", "not null"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e999}', "1e999 in the body is too large"),
        (b'{"a":-1e999}', "-1e999 in the body is too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (b'{"a":"\\ud83d"}', "surrogate"),
        (b'{"\\ude00":1}', "surrogate"),
        (b'{"a":"\xed\xa0\xbd"}', "not UTF-8"),
        (b'{"a":"line\nbreak"}', "control character"),
        (nested(65), "deeper than 64"),
        (nested(200_000), "deeper than 64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deeper than 64"),
        (b"[" * 200_000, "deeper than 64"),
    ],
)
def test_refused(data, message):
    with pytest.raises(InvalidRequest, match=message):
        parse_json(data)


@pytest.mark.parametrize("data", [nested(64), b'{"a":' * 64 + b"1" + b"}" * 64])
def test_the_deepest_that_is_allowed(data):
    assert parse_json(data)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'\xef\xbb\xbf {"a": 1} \n', {"a": 1}),
        (b'{"a":"\\ud83d\\ude00\\\\ud83d"}', {"a": "😀\\ud83d"}),
        (json.dumps({"a": "[{" * 1000}).encode(), {"a": "[{" * 1000}),
        (json.dumps({"a": [[]] * 1000}).encode(), {"a": [[]] * 1000}),
        (b'{"a":-0.0,"b":1e-400,"c":9223372036854775808}', {"a": 0.0, "b": 0.0, "c": 2**63}),
    ],
)
def test_accepted(data, body):
    assert parse_json(data) == body


def test_dumped_compactly_and_as_it_is():
    assert dump_json({"a": [1, 2.5, None, True], "é": "\u2028"}) == (
        '{"a":[1,2.5,null,true],"é":"\u2028"}'.encode()
    )


def test_what_json_cannot_hold_is_not_dumped():
    with pytest.raises(ValueError, match="JSON compliant"):
        dump_json({"a": float("nan")})


async def test_a_large_body_does_not_hold_up_the_loop():
    body = {"model": "m", "rows": [{"a": i, "b": [i * 0.5, "x"]} for i in range(20_000)]}
    data = json.dumps(body).encode()
    assert len(data) > LARGE
    parsing = asyncio.ensure_future(parse_json_async(data))
    turns = 0
    while not parsing.done():
        await asyncio.sleep(0)
        turns += 1
    assert parsing.result() == body
    assert turns > 10


@pytest.mark.parametrize("padding", [0, LARGE])
@pytest.mark.parametrize(
    "rest", ["]", ',"b":NaN}', ',"b":1e999}', ',"b":' + "9" * 5000 + "}", ',"b":"\\ud800"}']
)
async def test_small_and_large_bodies_are_refused_alike(padding, rest):
    with pytest.raises(InvalidRequest):
        await parse_json_async(b'{"a":"' + b"x" * padding + b'"' + rest.encode())


def test_the_model_name():
    assert model_name({"model": "gemma:latest"}) == "gemma:latest"


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}, {"model": 7}, {"model": []}])
def test_no_model_name(body):
    with pytest.raises(InvalidRequest) as caught:
        model_name(body)
    assert caught.value.param == "model"
    assert "/v1/models" in caught.value.hint
