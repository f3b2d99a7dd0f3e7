"""What is too large, too slow or too many: refused, while everybody else is served."""

from __future__ import annotations

import gzip
import io
import json
import time
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
from tests.fakes.house import House
from tests.fakes.wire import Wire

MIB = 1 << 20
JSON_LIMIT = 64 * MIB
GENEROUS_GROWTH = 200 * MIB
"""Memory the daemon may keep after an attack: a few copies of what it is willing to take."""


def memory(home: House) -> int:
    used: int = psutil.Process(home.pid).memory_info().rss
    return used


def code_of(answer: Any) -> Any:
    return answer.json()["error"]["code"]


# --- heads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 30, 100])
def test_headers_within_the_limit_pass(home: House, count: int) -> None:
    lines = [f"X-{n}: {'y' * (30_000 // count - 10)}" for n in range(count)]
    with home.wire() as wire:
        assert wire.ask("GET", "/health", *lines).answer().status == 200


@pytest.mark.parametrize("count", [1, 2, 5, 24, 30, 100])
def test_headers_over_the_limit_are_refused(home: House, count: int) -> None:
    lines = [f"X-{n}: {'y' * (34_000 // count)}" for n in range(count)]
    with home.wire() as wire:
        answer = wire.ask("GET", "/health", *lines).answer()

    assert answer.status == 431
    assert code_of(answer) == "headers_too_large"


def test_a_request_line_over_the_limit_is_refused(home: House) -> None:
    with home.wire() as wire:
        assert wire.ask("GET", "/" + "x" * 40_000).answer().status == 431


def test_more_headers_than_anybody_needs_are_refused(home: House) -> None:
    with home.wire() as wire:
        assert wire.ask("GET", "/health", *(f"X-{n}: y" for n in range(500))).answer().status == 400


def test_slow_heads_are_closed_and_disturb_nobody(home: House) -> None:
    """Fifty that send a byte now and then, and one that says nothing."""
    with ExitStack() as stack:
        silent = stack.enter_context(home.wire())
        slow = [stack.enter_context(home.wire()) for _ in range(50)]
        started = time.monotonic()
        for wire in slow:
            wire.send("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        slowest = 0.0
        while time.monotonic() - started < 8:
            drip(slow)
            asked = time.monotonic()
            assert home.ask("GET", "/health").status == 200
            slowest = max(slowest, time.monotonic() - asked)
        assert not any(wire.is_closed() for wire in (*slow, silent))

        home.until(lambda: all(wire.is_closed() for wire in slow), "slow heads are closed")
        assert silent.rest() == b""

        assert 8 < time.monotonic() - started < 20
        assert slowest < 2


def drip(slow: list[Wire]) -> None:
    for wire in slow:
        wire.send("x")
    time.sleep(0.2)


# --- bodies ---------------------------------------------------------------------------------------


def test_a_body_that_announces_too_much_is_refused_before_it_comes(home: House) -> None:
    with home.wire() as wire:
        wire.ask("POST", "/tokenize", f"Content-Length: {JSON_LIMIT + 1}").send(b'{"model":')
        answer = wire.answer()

    assert answer.status == 413
    assert code_of(answer) == "request_too_large"


def test_a_chunked_body_that_grows_too_large_is_refused(home: House) -> None:
    before = memory(home)
    chunk = b"%x\r\n%b\r\n" % (MIB, b" " * MIB)
    with home.wire() as wire:
        wire.ask("POST", "/tokenize", "Transfer-Encoding: chunked")
        for _ in range(JSON_LIMIT // MIB + 1):
            wire.send(chunk)
        answer = wire.send(b"0\r\n\r\n").answer()

    assert answer.status == 413
    assert memory(home) - before < GENEROUS_GROWTH


def test_anthropics_endpoint_refuses_a_large_body_in_its_shape(home: House) -> None:
    with home.wire() as wire:
        wire.ask("POST", "/v1/messages", f"Content-Length: {JSON_LIMIT + 1}")
        assert wire.answer().json()["error"]["type"] == "request_too_large"


@pytest.mark.parametrize(
    ("path", "limit"), [("/models/load", 64 << 10), ("/api/paddock/load", 64 << 10)]
)
def test_endpoints_that_need_little_take_little(home: House, path: str, limit: int) -> None:
    body = json.dumps({"model": "llama-a", "x": "y" * limit}).encode()

    assert home.ask("POST", path, body).status == 413


def test_a_large_body_within_the_limit_reaches_the_child(home: House) -> None:
    body = json.dumps({"model": "llama-a", "content": "word " * (4 * MIB)}).encode()

    answer = home.ask("POST", "/tokenize", body)

    assert answer.status == 200
    assert len(answer.json()["tokens"]) == 4 * MIB


def test_a_body_that_unpacks_to_a_gigabyte_is_refused_and_costs_little(home: House) -> None:
    before = memory(home)
    bomb = zeros_packed(1 << 30)

    started = time.monotonic()
    answer = home.ask("POST", "/tokenize", bomb, {"Content-Encoding": "gzip"})
    took = time.monotonic() - started

    assert len(bomb) < 5 * MIB
    assert answer.status == 413
    assert memory(home) - before < GENEROUS_GROWTH
    assert took < 10


def zeros_packed(size: int) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for _ in range(size // MIB):
            file.write(bytes(MIB))
    return packed.getvalue()


def test_others_are_served_while_a_body_trickles_in(home: House) -> None:
    body = json.dumps({"model": "llama-a", "content": "x " * 50}).encode()
    with home.wire() as wire:
        wire.ask("POST", "/tokenize", f"Content-Length: {len(body)}")
        for byte in body:
            wire.send(bytes((byte,)))
            if byte == ord("x"):
                assert home.ask("GET", "/health").status == 200
        answer = wire.answer()

    assert len(answer.json()["tokens"]) == 50


def test_a_thousand_connections_that_come_and_go_leave_nothing(home: House) -> None:
    process = psutil.Process(home.pid)
    open_before = process.num_fds()
    for _ in range(10):
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(home.wire()).send("GET /health HTTP/1.1\r\nHost: loc")

    home.until(lambda: process.num_fds() <= open_before + 2, "the connections are gone")
    assert home.ask("GET", "/health").status == 200


def test_many_open_connections_do_not_keep_a_new_one_out(home: House) -> None:
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(home.wire())

        assert home.ask("GET", "/health").status == 200
