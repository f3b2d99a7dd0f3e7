import base64
from datetime import UTC, datetime

import pytest

from paddock.observe.answer import Answer
from paddock.observe.captures import OVERHEAD_BYTES, Body, Captures, Packed, packed, shown
from paddock.observe.record import Asked, Ended

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
    b"Set-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"5\r\nhello\r\n6\r\n\r\nwor\n\r\n",
    b"0\r\n\r\n",
)
PLAIN = (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"lo")


def ended(copy, path="/v1/chat/completions", body=b'{"model": "m"}', headers=None):
    return Ended(
        asked=Asked("m", path, headers=headers or {}, body=body),
        answer=Answer(200, copy=None if copy is None else list(copy)),
        began=datetime.now(UTC),
        duration=1.0,
        first=None,
        queued=0.0,
        loading=0.0,
        status=200,
        error="",
        cancelled="",
    )


def show(one):
    capture = packed(one)
    assert capture is not None
    told = shown(3, capture)
    return told | {name: base64.b64decode(told[name]) for name in ("req_body", "resp_body")}


@pytest.mark.parametrize(
    ("copy", "body"),
    [
        (CHUNKED, b"hello\r\nwor\n"),
        (CHUNKED[:3], b"hello\r\nwor\n"),
        ((*CHUNKED[:2], b"5\r\nhel"), b"hel"),
        ((*CHUNKED[:2], b"1000\r\n" + b"a" * 4096 + b"\r\n"), b"a" * 4096),
        (PLAIN, b"hello"),
        ((), b""),
    ],
)
def test_a_capture_shows_both_bodies_as_they_were(copy, body):
    told = show(ended(copy))
    assert (told["id"], told["req_path"]) == (3, "/v1/chat/completions")
    assert told["req_body"] == b'{"model": "m"}'
    assert told["resp_body"] == body


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "x-api-key", "Cookie", "PROXY-AUTHORIZATION", "Set-Cookie"),
        *("api-key", "X-Goog-Api-Key", "X-Auth-Token", "Cf-Access-Client-Secret"),
    ],
)
def test_keys_and_cookies_are_not_shown(name):
    told = show(ended(CHUNKED, headers={name: "secret", "Accept": "*/*"}))
    assert told["req_headers"] == {name: "[REDACTED]", "Accept": "*/*"}
    assert told["resp_headers"]["Set-Cookie"] == "[REDACTED]"


@pytest.mark.parametrize(
    ("path", "request_kept", "answer_kept"),
    [
        ("/v1/chat/completions", True, True),
        ("/v1/embeddings", True, True),
        ("/v1/audio/speech", True, False),
        ("/v1/audio/transcriptions", False, True),
        ("/v1/images/generations", True, False),
        ("/v1/images/edits", False, False),
        ("/sdapi/v1/txt2img", True, False),
        ("/sdapi/v1/img2img", False, False),
    ],
)
def test_sounds_and_images_are_left_out(path, request_kept, answer_kept):
    told = show(ended(PLAIN, path))
    assert (bool(told["req_body"]), bool(told["resp_body"])) == (request_kept, answer_kept)


def test_what_was_not_copied_is_no_capture():
    assert packed(ended(None)) is None


def test_headers_count_too():
    plain, headed = capture(), Packed("/", {"a": "b" * 99}, Body(b""), {}, Body(b""))
    assert headed.size - plain.size == 100


def capture(size=0):
    return Packed("/", {}, Body(b"x" * size), {}, Body(b""))


def test_the_oldest_make_room_for_the_newest():
    captures = Captures(lambda: 3 * OVERHEAD_BYTES)
    for number in range(5):
        captures.add(number, capture())
    assert [number in captures for number in range(5)] == [False, False, True, True, True]
    assert captures.get(1) is None
    assert captures.get(4) == capture()


def test_one_that_has_no_room_at_all_pushes_nobody_out():
    captures = Captures(lambda: 2 * OVERHEAD_BYTES)
    captures.add(1, capture())
    captures.add(2, capture(OVERHEAD_BYTES + 1))
    assert 1 in captures
    assert 2 not in captures


def test_less_room_than_before_is_kept_to():
    room = [10 * OVERHEAD_BYTES]
    captures = Captures(lambda: room[0])
    for number in range(5):
        captures.add(number, capture())
    room[0] = OVERHEAD_BYTES
    captures.add(9, capture())
    assert [number for number in range(10) if number in captures] == [9]
    room[0] = 0
    assert not captures.wanted
    captures.trim()
    assert 9 not in captures


def test_what_repeats_itself_takes_little_room():
    one = packed(ended((*CHUNKED[:2], b"2710\r\n" + b"again" * 2000, b"\r\n", b"0\r\n\r\n")))
    assert one is not None
    assert one.size < OVERHEAD_BYTES + 500
