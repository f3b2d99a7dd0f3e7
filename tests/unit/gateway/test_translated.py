"""Answers that are translated on their way, between real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.scripted import Rig, Upstream, chunked, reply, says, split

from paddock.engine.instance import Instance
from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway.body import LARGE
from paddock.gateway.forward import Ask
from paddock.gateway.problems import Upstream as Refusal
from paddock.gateway.sse import SseEvent
from paddock.gateway.translated import Translator

KIND = "Content-Type: text/event-stream"
STREAM = b"data: a\n\n: ping\n\ndata: b\n\ndata: END\n\n"
TOO_LONG = b'{"error":{"code":400,"message":"no","type":"exceed_context_size_error"}}'

anywhere = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
places = st.lists(st.integers(0, 10_000), max_size=12)


class Shout(Translator):
    """Says everything louder, one line per event."""

    def __init__(self, *, streams: bool = True) -> None:
        self.streams = streams
        self.said: list[bytes] = []
        self.ended = False
        self.settled = 0

    def feed(self, event: SseEvent) -> bytes:
        if event.data == b"END":
            self.ended = True
            return b""
        if event.data == b"FAIL":
            raise Refusal(418, {"message": "short and stout"})
        if event.data == b"BUG":
            raise ValueError("nobody thought of this")
        self.said.append(event.data.upper())
        return event.data.upper() + b"\n" if self.streams else b""

    def answer(self, body: bytes) -> bytes:
        self.ended = True
        self.said.append(body.upper())
        return b""

    @property
    def is_whole(self) -> bool:
        return self.ended

    async def settle(self) -> None:
        self.settled += 1
        await asyncio.sleep(0)

    def finish(self) -> bytes:
        if not self.ended:
            raise UpstreamLost("broken off")
        return b"settled %d\n" % self.settled if self.streams else b" ".join(self.said)

    def failure(self, error: PaddockError) -> bytes:
        return f"error: {error.message}\n".encode()


@pytest.fixture
def shouting(rig: Rig) -> Rig:
    rig.translator = Shout
    return rig


@anywhere
@given(chunks=places, cuts=places)
async def test_a_stream_is_translated_however_it_is_cut(
    rig: Rig, chunks: list[int], cuts: list[int]
) -> None:
    rig.translator = Shout
    pieces = [piece for piece in split(STREAM, chunks) if piece]
    rig.answers(says(split(chunked(pieces, KIND), cuts)))

    got = await rig.get()

    assert (got.status, got.body, got.whole) == (200, b"A\nB\nsettled 1\n", True)
    assert got.header("content-type") == "application/x-ndjson"


async def test_a_whole_answer_has_a_length(rig: Rig) -> None:
    rig.translator = lambda: Shout(streams=False)
    rig.answers(says([chunked([STREAM], KIND)]))

    got = await rig.get()

    assert (got.body, got.header("content-length")) == (b"A B", "3")


async def test_an_answer_that_is_no_stream_is_taken_whole(shouting: Rig) -> None:
    shouting.answers(says([reply(b'{"x":1}', "Content-Type: application/json")]))

    assert (await shouting.get()).body == b"settled 1\n"


async def test_connections_are_kept_on_both_sides(shouting: Rig) -> None:
    shouting.answers(says([chunked([STREAM], KIND)]))
    async with shouting.client() as client:
        bodies = [(await client.ask().answer()).body for _ in range(5)]

    assert set(bodies) == {b"A\nB\nsettled 1\n"}
    assert shouting.upstream.connections == 1


async def test_a_connection_that_went_stale_is_replaced(shouting: Rig) -> None:
    shouting.answers(says([chunked([STREAM], KIND)], then_close=True))
    for _ in range(3):
        assert (await shouting.get()).body == b"A\nB\nsettled 1\n"


async def test_an_old_client_gets_the_lines_and_the_end(shouting: Rig) -> None:
    shouting.answers(says([chunked([STREAM], KIND)]))
    async with shouting.client() as client:
        got = await client.ask(version="1.0").answer()

    assert (got.body, got.header("transfer-encoding")) == (b"A\nB\nsettled 1\n", "")


async def test_a_refusal_keeps_its_status(shouting: Rig) -> None:
    shouting.answers(says([reply(TOO_LONG, status="400 Bad Request")]))

    got = await shouting.get()

    assert (got.status, got.json()["error"]["message"]) == (400, "no")


async def test_an_error_before_the_first_word_has_a_status(shouting: Rig) -> None:
    shouting.answers(says([chunked([b"data: FAIL\n\n"], KIND)]))

    assert (await shouting.get()).status == 418


async def test_an_error_after_the_first_word_is_told_in_the_stream(shouting: Rig) -> None:
    shouting.answers(says([chunked([b"data: a\n\ndata: FAIL\n\ndata: b\n\n"], KIND)]))

    got = await shouting.get()

    assert (got.status, got.body, got.whole) == (200, b"A\nerror: short and stout\n", True)


async def test_what_nobody_thought_of_ends_the_answer_too(shouting: Rig) -> None:
    shouting.answers(says([chunked([b"data: a\n\ndata: BUG\n\n"], KIND)]))
    got = await shouting.get()
    assert got.body.startswith(b"A\nerror: ")
    assert got.whole

    shouting.answers(says([chunked([b"data: BUG\n\n"], KIND)]))
    assert (await shouting.get()).status == 500


async def test_a_large_answer_that_is_no_stream_does_not_hold_the_loop(shouting: Rig) -> None:
    threads: list[str] = []

    class Watched(Shout):
        def answer(self, body: bytes) -> bytes:
            threads.append(threading.current_thread().name)
            return super().answer(body)

    shouting.translator = Watched
    shouting.answers(says([reply(b'"x"', "Content-Type: application/json")]))
    await shouting.get()
    shouting.answers(says([reply(b"x" * (LARGE + 1), "Content-Type: application/json")]))
    await shouting.get()

    assert threads[0] == threading.main_thread().name != threads[1]


@pytest.mark.parametrize("cut", range(1, len(chunked([STREAM], KIND)), 3))
async def test_a_stream_that_breaks_off_ends_in_an_error_or_is_whole(
    shouting: Rig, cut: int
) -> None:
    answer = chunked([STREAM], KIND)
    shouting.answers(says([answer[:cut]], then_close=True))

    got = await shouting.get()

    if got.status == 200 and b"error" not in got.body:
        assert got.body == b"A\nB\nsettled 1\n"
        assert b"END\n\n" in answer[:cut]
    elif got.status == 200:
        assert got.body.splitlines()[-1].startswith(b"error: ")
        assert b"settled" not in got.body
    else:
        assert got.status == 502


async def test_a_client_that_leaves_ends_the_childs_connection(shouting: Rig) -> None:
    async def endless(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + KIND.encode() + b"\r\n\r\ndata: a\n\n")
        await reader.read()

    shouting.answers(endless)
    async with shouting.client() as client:
        client.ask()
        await client.reader.readuntil(b"A\n")

    async with asyncio.timeout(10):
        await shouting.upstream.left.wait()


async def test_a_client_that_reads_nothing_for_too_long_is_dropped(shouting: Rig) -> None:
    shouting.stall_timeout = 0.2
    event = b"data: " + b"x" * 65_536 + b"\n\n"
    shouting.answers(says([chunked([event] * 512 + [b"data: END\n\n"], KIND)]))
    async with shouting.client() as client:
        client.ask()
        async with asyncio.timeout(10):
            await shouting.upstream.left.wait()


async def test_a_client_that_reads_slowly_holds_the_child_back(shouting: Rig) -> None:
    sent = 0
    event = b"data: " + b"x" * 65_536 + b"\n\n"

    async def pour(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await upstream.take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + KIND.encode() + b"\r\n\r\n")
        while sent < 1024:
            writer.write(event)
            await writer.drain()
            sent += 1
        writer.write(b"data: END\n\n")
        await reader.read()

    shouting.answers(pour)
    async with shouting.client() as client:
        client.ask()
        await client.reader.readuntil(b"\r\n\r\n")
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 512


# --- asked again ----------------------------------------------------------------------------------


async def test_a_refusal_may_be_asked_in_another_way(shouting: Rig) -> None:
    told: list[Any] = []

    async def recover(instance: Instance, refusal: Refusal) -> Ask | None:
        told.append((instance.model.id, refusal.error["type"]))
        headers = ((b"X-Paddock-Truncated", b"2"),)
        return Ask("POST", "/y", json.dumps({}).encode(), translator=Shout(), told=headers)

    async def choosy(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            request = await upstream.take(reader)
            refused = reply(TOO_LONG, status="400 Bad Request")
            writer.write(refused if b"/x" in request else chunked([STREAM], KIND))

    shouting.recover = recover
    shouting.answers(choosy)

    got = await shouting.get()

    assert told == [("scripted", "exceed_context_size_error")]
    assert (got.body, got.header("x-paddock-truncated")) == (b"A\nB\nsettled 1\n", "2")


async def test_what_cannot_be_asked_in_another_way_stays_refused(shouting: Rig) -> None:
    async def recover(_: Instance, __: Refusal) -> Ask | None:
        return None

    shouting.recover = recover
    shouting.answers(says([reply(TOO_LONG, status="400 Bad Request")]))

    assert (await shouting.get()).status == 400
