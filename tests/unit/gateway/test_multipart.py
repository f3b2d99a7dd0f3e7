from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidRequest
from paddock.gateway.multipart import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_VALUE,
    boundary_of,
    text_field,
)


def part(head: str, value: bytes) -> bytes:
    return f"--B\r\n{head}\r\n\r\n".encode() + value + b"\r\n"


def named(name: str, value: bytes) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value)


END = b"--B--\r\n"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ("multipart/form-data;boundary=abc;charset=x", b"abc"),
        ('multipart/form-data; boundary="a b;c"', b"a b;c"),
        ("multipart/form-data; Boundary=abc", b"abc"),
    ],
)
def test_the_boundary_is_found(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize("content_type", ["multipart/form-data", "", "boundary=", 'boundary=""'])
def test_without_a_boundary_the_request_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        boundary_of(content_type)


@pytest.mark.parametrize(
    "head",
    [
        'Content-Disposition: form-data; name="model"',
        "Content-Disposition: form-data; name=model",
        'content-disposition:form-data;NAME="model"',
        'Content-Type: text/plain\r\nContent-Disposition: form-data; name="model"',
    ],
)
def test_a_field_is_found_by_its_name(head: str) -> None:
    body = named("other", b"x") + part(head, b"the value") + END

    assert text_field(body, b"B", "model") == "the value"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        END,
        named("other", b"x") + END,
        named("models", b"x") + END,
        part('Content-Disposition: form-data; filename="model"', b"x") + END,
        part('X: y; xname="model"', b"x") + END,
        named("model", b"cut")[:-2],
        b"--B\r\nno head end",
    ],
)
def test_a_field_that_is_not_there_is_none(body: bytes) -> None:
    assert text_field(body, b"B", "model") is None


def test_a_file_name_that_looks_like_a_field_is_none() -> None:
    head = 'Content-Disposition: form-data; filename="x; name=\\"model\\"; name=model"; name="file"'

    assert (
        text_field(part(head, b"wrong") + named("model", b"right") + END, b"B", "model") == "right"
    )


def test_of_equal_fields_the_first_one_counts() -> None:
    body = named("model", b"first") + named("model", b"second") + END

    assert text_field(body, b"B", "model") == "first"


def test_what_is_in_a_file_is_no_field() -> None:
    file = named("file", b'--C\r\nContent-Disposition: form-data; name="model"\r\n\r\nfalse\r\n')

    assert text_field(file + named("model", b"true") + END, b"B", "model") == "true"


@pytest.mark.parametrize("value", [b"x" * (MAX_VALUE + 1), b"\xff"])
def test_a_value_that_cannot_be_a_name_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        text_field(named("model", value) + END, b"B", "model")

    assert caught.value.param == "model"


def test_the_search_ends_after_many_fields() -> None:
    many = b"".join(named("x", b"") for _ in range(MAX_FIELDS))

    assert text_field(many + named("model", b"late") + END, b"B", "model") is None


@given(body=st.binary(max_size=500), boundary=st.binary(min_size=1, max_size=5))
def test_no_body_breaks_the_search(body: bytes, boundary: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        text_field(b"--" + boundary + body, boundary, "model")


@given(
    values=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=50).filter(
            lambda text: "--B" not in text
        ),
        max_size=6,
    )
)
def test_every_field_of_a_form_is_found(values: dict[str, str]) -> None:
    body = b"".join(named(name, value.encode()) for name, value in values.items()) + END

    assert {name: text_field(body, b"B", name) for name in values} == values


@pytest.mark.parametrize("junk", ["a" * MAX_HEAD, "\\a" * MAX_HEAD, "; a=" * MAX_HEAD])
def test_what_follows_a_head_without_measure_is_not_looked_at(junk: str) -> None:
    body = part(f'Content-Disposition: form-data; x="{junk}"; name="model"', b"x")

    assert text_field(body + named("model", b"y") + END, b"B", "model") is None
