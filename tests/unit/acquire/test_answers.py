"""Answers to requests for ranges: taken, or refused with the reason."""

from __future__ import annotations

import pytest

from paddock.acquire.answers import Kind, judge, strong_etag
from paddock.errors import HubUnreachable, WrongBytes

ASK = {"start": 10, "end": 20, "size": 100}


def told(content_range: str, **headers: str) -> dict[str, str]:
    return {"Content-Range": content_range, **{k.replace("_", "-"): v for k, v in headers.items()}}


@pytest.mark.parametrize(
    ("content_range", "end"),
    [
        ("bytes 10-19/100", 20),
        ("bytes 10-14/100", 15),
        ("bytes 10-19/*", 20),
        ("Bytes  10-19/100", 20),
    ],
)
def test_the_range_that_was_asked_for_or_less_of_it(content_range, end):
    assert judge(206, told(content_range), **ASK, etag="") == (Kind.RANGE, end)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        told("bytes 11-19/100"),
        told("bytes 10-20/100"),
        told("bytes 10-9/100"),
        told("bytes */100"),
        told("bytes 10-19"),
        told("bytes 10-19/100", Content_Length="11"),
        {"Content-Type": "multipart/byteranges; boundary=x"},
    ],
)
def test_another_range_may_be_better_next_time(headers):
    with pytest.raises(HubUnreachable):
        judge(206, headers, **ASK, etag="")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, told("bytes 10-19/99")),
        (416, told("bytes */99", Content_Length="99")),
        (416, {}),
        (200, {"Content-Length": "101"}),
    ],
)
def test_a_file_of_another_size_is_another_file(status, headers):
    with pytest.raises(WrongBytes):
        judge(status, headers, **ASK, etag="")


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "100"}])
def test_a_whole_file(headers):
    assert judge(200, headers, **ASK, etag="") == (Kind.WHOLE, 100)


@pytest.mark.parametrize(("status", "headers"), [(200, {}), (206, told("bytes 10-19/100"))])
def test_another_etag_is_another_file(status, headers):
    kind, _ = judge(status, {**headers, "ETag": '"b"'}, **ASK, etag='"a"')
    assert kind is Kind.CHANGED


@pytest.mark.parametrize(
    ("header", "etag"), [('"a"', '"a"'), ('W/"a"', ""), ("a", ""), ("", ""), ('"a\r"', "")]
)
def test_only_a_strong_etag_stands_for_bytes(header, etag):
    assert strong_etag({"ETag": header}) == etag
