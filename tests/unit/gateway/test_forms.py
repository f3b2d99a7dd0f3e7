"""What is a form, what is in its fields, and how one of them is changed."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidRequest, RequestTooLarge
from paddock.gateway.forms import URLENCODED_BYTES, Form, form_of, is_form

MULTIPART = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (MULTIPART, b"--b\r\n", True),
        ("Multipart/Form-Data;boundary=b", b"--b\r\n", True),
        (URLENCODED, b"model=x", True),
        ("APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8", b"model=x", True),
        (URLENCODED, b"", True),
        (URLENCODED, b'{"model": "x"}', False),
        (URLENCODED, b' \r\n\t{"model": "x"}', False),
        (URLENCODED, b'\xef\xbb\xbf{"model": "x"}', False),
        (URLENCODED, b"[1]", False),
        (MULTIPART, b'{"model": "x"}', False),
        ("application/json", b"model=x", False),
        ("text/plain", b"model=x", False),
        ("", b"model=x", False),
    ],
)
def test_json_is_no_form_whatever_it_is_called(
    content_type: str, body: bytes, expected: bool
) -> None:
    assert is_form(content_type, body) == expected


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=b"])
def test_what_is_no_form_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="multipart/form-data"):
        form_of(content_type, b"")


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        (b"model=x", "model", "x"),
        (b"a=1&model=a%2Fb+c", "model", "a/b c"),
        (b"model=first&model=second", "model", "first"),
        (b"model=", "model", ""),
        (b"a=1", "model", None),
        (b"", "model", None),
        (b"models=x", "model", None),
    ],
)
def test_a_field_of_an_urlencoded_form(body: bytes, name: str, value: str | None) -> None:
    assert form_of(URLENCODED, body).field(name) == value


@pytest.mark.parametrize("body", [b"\xff", b"model=%ff", b"&".join([b"a=1"] * 1001)])
def test_an_urlencoded_form_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        form_of(URLENCODED, body).field("model")


TEXT = st.text(max_size=20)


@given(fields=st.lists(st.tuples(TEXT, TEXT), max_size=5), value=TEXT)
def test_a_changed_urlencoded_form_keeps_the_rest(
    fields: list[tuple[str, str]], value: str
) -> None:
    form = Form(b"")
    for name, text in reversed(fields):
        form = form.with_field(name, text)

    changed = form.with_field("model", value)

    assert changed.field("model") == value
    kept = parse_qsl(changed.body.decode(), keep_blank_values=True)
    before = parse_qsl(form.body.decode(), keep_blank_values=True)
    assert [f for f in kept if f[0] != "model"] == [f for f in before if f[0] != "model"]


PART = b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'


@given(
    before=st.binary(max_size=40).filter(lambda data: b"--b" not in data),
    old=st.text(alphabet="ac/: -", max_size=10),
    new=st.text(alphabet="ac/: -ü", min_size=1, max_size=300),
)
def test_a_changed_multipart_form_keeps_the_rest(before: bytes, old: str, new: str) -> None:
    rest = PART % (b"file", before)
    body = rest + PART % (b"model", old.encode()) + rest + b"--b--\r\n"

    changed = form_of(MULTIPART, body).with_field("model", new)

    assert changed.body == rest + PART % (b"model", new.encode()) + rest + b"--b--\r\n"
    assert changed.field("model") == new


def test_a_missing_field_of_a_multipart_form_is_made() -> None:
    rest = PART % (b"file", b"x") + b"--b--\r\n"

    changed = form_of(MULTIPART, rest).with_field("model", "m")

    assert changed.body == PART % (b"model", b"m") + rest
    assert (changed.field("model"), changed.field("file")) == ("m", "x")


def test_an_urlencoded_form_without_measure_is_not_taken_apart() -> None:
    form = form_of(URLENCODED, b"model=x&y=" + b"%41" * URLENCODED_BYTES)

    with pytest.raises(RequestTooLarge, match="256"):
        form.field("model")
