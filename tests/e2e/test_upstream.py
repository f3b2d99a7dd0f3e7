"""`/upstream/{model}/{path}`: any request straight to a model's child, WebSockets too."""

from __future__ import annotations

import base64
import os
import struct

import pytest
from tests.fakes.house import House
from tests.fakes.wire import Wire

BYTES = b"\x00\x01 plain"


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("/upstream/llama-a/props", "/props"),
        ("/upstream/llama-a/slots?x=%2F&y=a+b", "/slots?x=%2F&y=a+b"),
        ("/upstream/LLAMA%2Da/v1/models", "/v1/models"),
        ("/upstream/nice%20name/metrics", "/metrics"),
    ],
)
def test_upstream_passes_the_rest_of_the_path_as_it_is(home: House, asked: str, path: str) -> None:
    answer = home.ask("GET", asked)

    assert answer.status == 200
    assert home.last_request("llama-a")["path"] == path


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "slashed/alias", "slashed%2falias"])
def test_upstream_finds_a_model_whose_name_has_a_slash(home: House, name: str) -> None:
    answer = home.ask("GET", f"/upstream/{name}/v1/models")

    assert answer.json()["data"][0]["id"] == "a/b"


@pytest.mark.parametrize("path", ["..%2ex", "x/%2F/y", "%E2%82%AC?q=%E2%82%AC", "a;b=c", "a%00b"])
def test_upstream_keeps_the_percent_encoding(home: House, path: str) -> None:
    with home.wire() as wire:
        wire.ask("GET", f"/upstream/llama-a/{path}").answer()

    assert home.last_request("llama-a")["path"] == f"/{path}"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_upstream_passes_any_method_and_body(home: House, method: str) -> None:
    answer = home.ask(
        method, "/upstream/other/anything", b"\x00\x01 plain", {"Content-Type": "x/y"}
    )

    seen = home.last_request("other")
    assert answer.status == 404
    assert answer.json()["error"]["message"] == "File Not Found"
    assert (seen["method"], seen["body"], seen["headers"]["content-type"]) == (
        method,
        BYTES.decode(),
        "x/y",
    )


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("POST", 308), ("PUT", 308)])
@pytest.mark.parametrize("name", ["llama-a", "a/b", "a%2Fb"])
def test_upstream_without_a_path_leads_to_its_root(
    home: House, name: str, method: str, status: int
) -> None:
    with home.wire() as wire:
        answer = wire.ask(method, f"/upstream/{name}?x=1").answer()

    assert answer.status == status
    assert answer.header("location") == f"/upstream/{name}/?x=1"


@pytest.mark.parametrize(
    "path",
    ["/props", "/slots/0?action=save", "/%70rops", "/lora-adapters", "/tools", "/cors-proxy"],
)
def test_what_writes_or_changes_a_child_is_closed_from_outside(home: House, path: str) -> None:
    seen = home.engine_state("llama-a")["seen"]

    answer = home.ask("POST", f"/upstream/llama-a{path}", {"filename": "x"})

    assert answer.status == 400
    assert home.engine_state("llama-a")["seen"] == seen


@pytest.mark.parametrize(
    "path",
    [
        "%u0070rops",
        "v1/chat/%u0063ompletions",
        "%zz",
        "x%",
        "..",
        "%2e%2e/x",
        "a/..%2fx",
        "a%5c..%5cx",
    ],
)
def test_a_path_that_a_child_could_read_otherwise_is_refused(home: House, path: str) -> None:
    seen = home.engine_state("llama-a")["seen"]

    with home.wire() as wire:
        answer = wire.ask("POST", f"/upstream/llama-a/{path}", body=b"{}").answer()

    assert answer.status == 400
    assert home.engine_state("llama-a")["seen"] == seen


def test_fetching_through_a_child_is_closed_from_outside(home: House) -> None:
    assert home.ask("GET", "/upstream/llama-a/cors-proxy?url=http%3A%2F%2Fx").status == 400


@pytest.mark.parametrize("method", ["HEAD", "TRACE"])
def test_upstream_says_which_methods_it_cannot_pass(home: House, method: str) -> None:
    with home.wire() as wire:
        answer = wire.ask(method, "/upstream/llama-a/health").answer(bodiless=method == "HEAD")
        again = wire.ask("GET", "/health").answer()

    assert answer.status == 400
    assert again.status == 200


def test_a_child_that_switches_protocols_unasked_is_not_believed(home: House) -> None:
    answer = home.ask("GET", "/upstream/llama-a/ws")

    assert answer.status == 502


# --- WebSockets -----------------------------------------------------------------------------------


def open_websocket(wire: Wire, target: str = "/upstream/llama-a/ws") -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    wire.ask(
        "GET",
        target,
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    answer = wire.answer()
    assert answer.status == 101
    assert answer.header("upgrade") == "websocket"
    assert answer.header("sec-websocket-accept") == "BACScCJPNqyz+UBoqMH89VmURoA="


def frame(payload: bytes, opcode: int = 2) -> bytes:
    mask = b"\x11\x22\x33\x44"
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | min(size, 126)))
    head += struct.pack(">H", size) if size >= 126 else b""
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def plain_frame(payload: bytes, opcode: int = 2) -> bytes:
    size = len(payload)
    head = bytes((0x80 | opcode, min(size, 126)))
    return head + (struct.pack(">H", size) if size >= 126 else b"") + payload


@pytest.mark.parametrize("size", [0, 5, 125, 126, 60_000])
def test_a_websocket_echoes_frames_of_any_size(home: House, size: int) -> None:
    payload = os.urandom(size)
    with home.wire() as wire:
        open_websocket(wire)
        wire.send(frame(payload))
        echoed = wire.bytes_of(len(plain_frame(payload)))

    assert echoed == plain_frame(payload)


def test_a_websocket_carries_many_frames_both_ways(home: House) -> None:
    payloads = [os.urandom(size % 3000) for size in range(0, 60_000, 900)]
    with home.wire() as wire:
        open_websocket(wire, "/upstream/a/b/ws")
        for payload in payloads:
            wire.send(frame(payload))
        for payload in payloads:
            assert wire.bytes_of(len(plain_frame(payload))) == plain_frame(payload)


def test_frames_sent_right_behind_the_handshake_arrive(home: House) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    with home.wire() as wire:
        wire.send(
            "GET /upstream/llama-a/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n",
            frame(b"early"),
        )
        assert wire.answer().status == 101
        assert wire.bytes_of(7) == plain_frame(b"early")


def test_a_websocket_closed_by_the_child_is_closed_for_the_client(home: House) -> None:
    with home.wire() as wire:
        open_websocket(wire)
        wire.send(frame(b"\x03\xe8", opcode=8))

        assert wire.rest() == plain_frame(b"\x03\xe8", opcode=8)


def test_a_websocket_closed_by_the_client_frees_its_lease(home: House) -> None:
    with home.wire() as wire:
        open_websocket(wire)
        assert active(home) == 1

    home.until(lambda: active(home) == 0, "the lease is given back")


def active(home: House) -> int:
    return sum(one["active"] for one in home.get("/api/paddock/instances")["instances"])
