"""A WebSocket through the door: bytes both ways until one side ends, and refusals as answers."""

from __future__ import annotations

import asyncio
import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.scripted import Client, Rig, Upstream, chunked, reply, says, split

HANDSHAKE = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: abc\r\nServer: x\r\nSet-Cookie: evil=1\r\n\r\n"
)
ASKED = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: k", "Cookie: secret=1")


async def echo(
    upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await upstream.take(reader)
    writer.write(HANDSHAKE)
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def open_tunnel(client: Client) -> None:
    answer = await client.ask("/ws", *ASKED).answer()
    assert answer.status == 101
    assert answer.header("upgrade") == "websocket"
    assert answer.header("sec-websocket-accept") == "abc"
    assert answer.header("set-cookie") == ""


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 5000), max_size=8))
async def test_bytes_pass_both_ways_as_they_are(rig: Rig, data: bytes, cuts: list[int]) -> None:
    rig.answers(echo)
    async with rig.client() as client:
        await open_tunnel(client)
        for piece in split(data, cuts):
            client.send(piece)
            await asyncio.sleep(0)
        assert await client.exactly(len(data)) == data


async def test_only_the_handshakes_headers_reach_the_child(rig: Rig) -> None:
    rig.answers(echo)
    async with rig.client() as client:
        await open_tunnel(client)

    asked = rig.upstream.requests[0].lower()
    assert b"\r\nupgrade: websocket\r\n" in asked
    assert b"\r\nsec-websocket-key: k\r\n" in asked
    assert b"secret" not in asked


async def test_bytes_sent_before_the_child_answered_arrive(rig: Rig) -> None:
    rig.answers(echo)
    async with rig.client() as client:
        client.ask("/ws", *ASKED).send(b"early")
        assert (await client.answer()).status == 101
        assert await client.exactly(5) == b"early"


async def test_bytes_the_child_sends_right_behind_its_handshake_arrive(rig: Rig) -> None:
    rig.answers(says([HANDSHAKE + b"first words"]))
    async with rig.client() as client:
        await open_tunnel(client)
        assert await client.exactly(11) == b"first words"


async def test_when_the_child_leaves_the_client_hears_it(rig: Rig) -> None:
    rig.answers(says([HANDSHAKE + b"bye"], then_close=True))
    async with rig.client() as client:
        await open_tunnel(client)
        assert await client.rest() == b"bye"


async def test_when_the_client_leaves_the_child_hears_it(rig: Rig) -> None:
    rig.answers(echo)
    async with rig.client() as client:
        await open_tunnel(client)

    async with asyncio.timeout(5):
        await rig.upstream.left.wait()


async def test_a_refused_handshake_is_an_answer_and_the_connection_goes_on(rig: Rig) -> None:
    rig.answers(says([reply(b"no", status="403 Forbidden")]))
    async with rig.client() as client:
        refused = await client.ask("/ws", *ASKED).answer()
        again = await client.ask("/plain").answer()

    assert (refused.status, refused.body) == (403, b"no")
    assert again.status == 403


async def test_a_refusal_that_breaks_off_never_looks_whole(rig: Rig) -> None:
    rig.answers(says([chunked([b"x" * 100])[:60]], then_close=True))
    async with rig.client() as client:
        refused = await client.ask("/ws", *ASKED).answer()

    assert not refused.whole


async def test_a_child_that_does_not_read_holds_the_client_back(rig: Rig) -> None:
    deaf = asyncio.Event()

    async def listen_to_nothing(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(HANDSHAKE)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await deaf.wait()

    rig.answers(listen_to_nothing)
    block, sent = os.urandom(1 << 20), 0
    async with rig.client() as client:
        await open_tunnel(client)
        try:
            async with asyncio.timeout(2):
                for _ in range(64):
                    client.send(block)
                    await client.writer.drain()
                    sent += len(block)
        except TimeoutError:
            pass
    deaf.set()

    assert sent < 48 << 20
