"""The relay between real sockets: every byte of a good child, and no byte of a bad one."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fakes.scripted import Rig, Upstream, chunked, reply, says, split

from paddock.gateway.endings import ENDINGS

EVENTS = (
    b'data: {"a":1}\n\n: ping\r\n\r\ndata: x\ndata: \xff\xfe\n\n'
    b"event: y\ndata: {}\n\ndata: [DONE]\n\n"
)
EVENT_STREAM = "Content-Type: text/event-stream; charset=utf-8"
OPENAI = ENDINGS["/v1/chat/completions"]

anywhere = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
places = st.lists(st.integers(0, 10_000), max_size=12)


def framed(body: bytes, how: str, chunks: list[bytes], *headers: str) -> bytes:
    """`body` as an answer with this framing."""
    if how == "length":
        return reply(body, *headers)
    if how == "chunked":
        return chunked([piece for piece in chunks if piece], *headers)
    return reply(body, *headers).replace(b"Content-Length: %d\r\n" % len(body), b"")


# --- byte for byte --------------------------------------------------------------------------------


@anywhere
@given(
    body=st.binary(max_size=3000),
    how=st.sampled_from(["length", "chunked", "close"]),
    chunks=places,
    cuts=places,
)
async def test_any_body_arrives_byte_for_byte_however_it_is_cut(
    rig: Rig, body: bytes, how: str, chunks: list[int], cuts: list[int]
) -> None:
    answer = framed(body, how, split(body, chunks), "Content-Type: x/y")
    rig.answers(says(split(answer, cuts), then_close=how == "close"))

    got = await rig.get()

    assert (got.status, got.body, got.whole) == (200, body, True)
    assert got.header("content-type") == "x/y"


@anywhere
@given(how=st.sampled_from(["length", "chunked", "close"]), chunks=places, cuts=places)
async def test_any_event_stream_arrives_byte_for_byte_however_it_is_cut(
    rig: Rig, how: str, chunks: list[int], cuts: list[int]
) -> None:
    rig.endings = OPENAI
    answer = framed(EVENTS, how, split(EVENTS, chunks), EVENT_STREAM)
    rig.answers(says(split(answer, cuts), then_close=how == "close"))

    got = await rig.get()

    assert (got.body, got.whole) == (EVENTS, True)


async def test_an_event_without_a_last_line_end_arrives(rig: Rig) -> None:
    rig.answers(says([chunked([b"data: 1\n\ndata: half"], EVENT_STREAM)]))

    assert (await rig.get()).body == b"data: 1\n\ndata: half"


async def test_a_line_too_long_to_hold_back_arrives_whole(rig: Rig) -> None:
    event = b"data: " + b"x" * 500_000 + b"\n\n"
    answer = chunked([event, b"data: [DONE]\n\n"], EVENT_STREAM)
    rig.answers(says(split(answer, range(0, len(answer), 7001))))

    assert (await rig.get()).body == event + b"data: [DONE]\n\n"


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified", "418 Teapot"])
async def test_a_status_without_a_body_ends_at_its_head(rig: Rig, status: str) -> None:
    rig.answers(says([reply(b"", status=status)]))
    async with rig.client() as client:
        first = await client.ask().answer()
        second = await client.ask().answer()

    assert str(first.status) == str(second.status) == status[:3]


# --- headers --------------------------------------------------------------------------------------


async def test_only_end_to_end_headers_are_passed_on_and_ours_are_added_once(rig: Rig) -> None:
    rig.answers(
        says(
            [
                reply(
                    b"x",
                    "Server: llama.cpp",
                    "Connection: keep-alive, X-Private",
                    "X-Private: 1",
                    "Keep-Alive: timeout=5",
                    "Proxy-Authenticate: x",
                    "Trailer: y",
                    "Upgrade: h2c",
                    "Access-Control-Allow-Origin: *",
                    "Access-Control-Allow-Credentials: true",
                    "Access-Control-Expose-Headers: *",
                    "Set-Cookie: evil=1",
                    "Strict-Transport-Security: max-age=1",
                    "Clear-Site-Data: x",
                    "Service-Worker-Allowed: /",
                    "WWW-Authenticate: Basic",
                    "X-Accel-Redirect: /x",
                    "X-Request-Id: theirs",
                    "X-Kept: yes",
                    "X-Twice: a=1",
                    "X-Twice: b=2",
                )
            ]
        )
    )

    got = await rig.get()

    assert got.headers == (
        ("x-kept", "yes"),
        ("x-twice", "a=1"),
        ("x-twice", "b=2"),
        ("x-request-id", "r1"),
        ("server-timing", "queue;dur=0.0, load;dur=0.0"),
        ("content-length", "1"),
    )


async def test_the_child_is_asked_with_its_own_key_and_host(rig: Rig) -> None:
    async with rig.client() as client:
        await client.ask("/a%20b?c=%2F", "Authorization: Bearer mine", "Cookie: x=1").answer()

    head = rig.upstream.requests[0]
    assert head.startswith(b"GET /a%20b?c=%2F HTTP/1.1\r\n")
    assert b"Bearer child-key" in head
    assert b"mine" not in head
    assert b"Cookie" not in head
    assert b"Host: 127.0.0.1:%d\r\n" % rig.upstream.port in head


# --- interim answers ------------------------------------------------------------------------------


@anywhere
@given(cuts=places)
async def test_interim_answers_are_not_passed_on(rig: Rig, cuts: list[int]) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    rig.answers(says(split(interim + reply(b"final"), cuts)))

    got = await rig.get()

    assert (got.status, got.body, got.header("link")) == (200, b"final", "")


# --- clients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["length", "chunked", "close"])
@pytest.mark.parametrize("content_type", [EVENT_STREAM, "Content-Type: x/y"])
async def test_an_old_client_gets_the_body_and_the_end(
    rig: Rig, how: str, content_type: str
) -> None:
    answer = framed(EVENTS, how, [EVENTS], content_type)
    rig.answers(says([answer], then_close=how == "close"))
    async with rig.client() as client:
        head, _, body = (await client.ask(version="1.0").rest()).partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in head.lower()
    assert body == EVENTS


async def test_a_client_that_wants_no_more_is_let_go(rig: Rig) -> None:
    async with rig.client() as client:
        data = await client.ask("/x", "Connection: close").rest()

    assert b"\r\nConnection: close\r\n" in data
    assert data.endswith(b"hello")


async def test_pipelined_and_kept_connections_get_their_answers_in_order(rig: Rig) -> None:
    async def echo(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            asked = await upstream.take(reader)
            writer.write(reply(asked.split(b" ")[1]))

    rig.answers(echo)
    async with rig.client() as client:
        for number in range(20):
            client.ask(f"/{number}")
        pipelined = [(await client.answer()).body for _ in range(20)]
        kept = [(await client.ask(f"/{number}").answer()).body for number in range(20)]

    assert pipelined == kept == [b"/%d" % number for number in range(20)]
    assert rig.upstream.connections == 1


async def test_a_client_that_leaves_ends_the_childs_connection(rig: Rig) -> None:
    async def endless(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + EVENT_STREAM.encode() + b"\r\n\r\ndata: 1\n\n")
        await reader.read()

    rig.answers(endless)
    async with rig.client() as client:
        client.ask()
        await client.reader.readuntil(b"data: 1")

    async with asyncio.timeout(10):
        await rig.upstream.left.wait()


# --- pressure -------------------------------------------------------------------------------------


async def test_a_client_that_reads_slowly_holds_the_child_back(rig: Rig) -> None:
    size, sent = 64 << 20, 0
    block = os.urandom(1 << 16)

    async def pour(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await upstream.take(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(block)
            await writer.drain()
            sent += len(block)
        await reader.read()  # what is not on its way yet would be lost if it left now

    rig.answers(pour)
    async with rig.client() as client:
        client.ask()
        await client.reader.readuntil(b"\r\n\r\n")
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.3)
        assert sent < size // 2

        received = 0
        async with asyncio.timeout(60):
            while received < size and (piece := await client.reader.read(1 << 20)):
                received += len(piece)
    assert received == size


async def test_a_kept_connection_is_not_left_held_back_by_the_client_before(rig: Rig) -> None:
    large = os.urandom(8 << 20)
    rig.answers(says([reply(large)]))
    async with rig.client() as slow:
        slow.ask()
        await slow.reader.readuntil(b"\r\n\r\n")
        for _ in range(3):  # each end may fall on a connection that was just held back
            async with rig.client() as other:
                assert (await other.ask().answer()).body == large


async def test_a_client_that_reads_nothing_for_too_long_is_dropped(rig: Rig) -> None:
    rig.stall_timeout = 0.2
    rig.answers(says([reply(bytes(32 << 20))]))
    async with rig.client() as client:
        client.ask()
        async with asyncio.timeout(10):
            await rig.upstream.left.wait()


# --- children that break off ----------------------------------------------------------------------


async def test_a_child_that_closes_before_its_answer_is_a_502(rig: Rig) -> None:
    rig.answers(says([b""], then_close=True))

    assert (await rig.get()).status == 502


@pytest.mark.parametrize("cut", [5, 20, 37])
async def test_a_child_that_closes_within_its_head_is_a_502(rig: Rig, cut: int) -> None:
    rig.answers(says([reply(b"hello")[:cut]], then_close=True))

    assert (await rig.get()).status == 502


@pytest.mark.parametrize("how", ["length", "chunked"])
async def test_a_body_cut_short_never_looks_whole(rig: Rig, how: str) -> None:
    answer = framed(b"x" * 1000, how, [b"x" * 500, b"x" * 500])
    rig.answers(says([answer[:600]], then_close=True))

    got = await rig.get()

    assert not got.whole
    assert got.body == b"x" * len(got.body)


@anywhere
@given(
    cut=st.integers(1, len(EVENTS) - len(b"data: [DONE]\n\n")),
    how=st.sampled_from(["length", "chunked", "close"]),
    path=st.sampled_from(["/v1/chat/completions", "/v1/messages"]),
)
async def test_a_stream_cut_anywhere_ends_in_an_error_and_no_success(
    rig: Rig, cut: int, how: str, path: str
) -> None:
    rig.endings = OPENAI
    pieces = [EVENTS[:cut], EVENTS[cut:]]
    answer = framed(EVENTS, how, pieces, EVENT_STREAM)
    answer = answer[: answer.index(pieces[1])] if how != "close" else answer[: cut - len(EVENTS)]
    rig.answers(says([answer], then_close=True))

    got = await rig.get(path)

    assert got.whole
    assert b"[DONE]" not in got.body
    whole_lines = EVENTS[: EVENTS.rfind(b"\n", 0, cut) + 1]
    assert got.body.startswith(whole_lines)
    *_, last, empty = got.body.split(b"\n\n")
    assert empty == b""
    assert b'"error"' in last
    assert (b"event: error\n" in last) == (path == "/v1/messages")


async def test_a_stream_that_just_ends_is_not_taken_for_success(rig: Rig) -> None:
    rig.endings = OPENAI
    rig.answers(says([chunked([b"data: 1\n\n"], EVENT_STREAM)]))

    assert b'data: {"error"' in (await rig.get()).body


async def test_an_answer_that_was_opened_early_carries_the_childs_stream(rig: Rig) -> None:
    rig.open_early = True
    rig.answers(says([chunked([EVENTS], EVENT_STREAM)]))

    got = await rig.get()

    assert got.body == b": loading\n\n" + EVENTS
    assert got.header("x-request-id") == "r1"


async def test_an_answer_that_was_opened_early_tells_the_childs_refusal(rig: Rig) -> None:
    rig.open_early = True
    refusal = b'{"error":{"message":"no","type":"t","code":400}}'
    rig.answers(says([reply(refusal, status="400 Bad Request")]))

    got = await rig.get()

    assert got.status == 200
    assert got.body.endswith(b'data: {"error": {"message": "no", "type": "t", "code": 400}}\n\n')


async def test_an_answer_that_was_opened_early_passes_on_no_other_kind_of_body(rig: Rig) -> None:
    rig.open_early = True
    rig.answers(says([reply(b'{"not": "a stream"}')]))

    got = await rig.get()

    assert b"not" not in got.body.partition(b"data: ")[0]
    assert b'"a stream"' not in got.body
    assert b'data: {"error": {"message": "the engine did not answer with the stream' in got.body


# --- hostile children -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"\x00\x01\x02",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 9999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil=1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
    ids=lambda value: value[:40].decode("latin-1"),
)
async def test_what_is_no_sane_answer_is_a_502_and_nothing_of_it_is_passed_on(
    rig: Rig, answer: bytes
) -> None:
    rig.answers(says([answer]))

    got = await rig.get()

    assert got.status == 502
    assert b"engine" in got.body
    assert "set-cookie" not in dict(got.headers)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(min_size=1, max_size=300))
async def test_no_garbage_breaks_the_door(rig: Rig, garbage: bytes) -> None:
    rig.answers(says([garbage], then_close=True))
    async with rig.client() as client:
        got = await client.ask().answer()
    assert got.status == 502

    rig.answers(says([reply(b"fine")]))
    assert (await rig.get()).body == b"fine"


async def test_of_two_answers_only_the_first_one_counts(rig: Rig) -> None:
    rig.answers(says([reply(b"first") + reply(b"second")]))

    assert [(await rig.get()).body for _ in range(3)] == [b"first"] * 3


async def test_an_answer_that_nobody_asked_for_is_not_taken_by_the_next(rig: Rig) -> None:
    spoken = asyncio.Event()

    async def talkative(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(reply(b"asked"))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(reply(b"unasked"))
        await writer.drain()
        spoken.set()
        await upstream.take(reader)
        writer.write(reply(b"late"))

    rig.answers(talkative)
    assert (await rig.get()).body == b"asked"
    await spoken.wait()
    await asyncio.sleep(0.05)

    assert (await rig.get()).body == b"asked"


async def test_more_body_than_announced_is_not_passed_on(rig: Rig) -> None:
    rig.answers(says([reply(b"hello") + b"more than that"]))

    assert [(await rig.get()).body for _ in range(2)] == [b"hello"] * 2


# --- kept connections that went stale -------------------------------------------------------------


async def test_a_connection_closed_while_it_was_idle_is_replaced(rig: Rig) -> None:
    rig.answers(says([reply(b"hello")], then_close=True))
    for _ in range(5):
        assert (await rig.get()).body == b"hello"


async def test_a_kept_connection_that_answers_nothing_is_tried_again_once(rig: Rig) -> None:
    async def once(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(reply(b"hello"))
        await writer.drain()
        await upstream.take(reader)

    rig.answers(once)

    assert [(await rig.get()).body for _ in range(2)] == [b"hello"] * 2
    assert len(rig.upstream.requests) == 3


async def test_a_new_connection_that_answers_nothing_is_not_tried_again(rig: Rig) -> None:
    rig.answers(says([b""], then_close=True))

    assert (await rig.get()).status == 502
    assert len(rig.upstream.requests) == 1


async def test_a_request_of_which_bytes_came_back_is_not_asked_again(rig: Rig) -> None:
    async def half(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.take(reader)
        writer.write(reply(b"hello"))
        await writer.drain()
        await upstream.take(reader)
        writer.write(b"HTTP/1.1 200")
        await writer.drain()

    rig.answers(half)

    assert (await rig.get()).status == 200
    assert (await rig.get()).status == 502
    assert len(rig.upstream.requests) == 2


async def test_random_work_on_few_connections_mixes_nothing_up(rig: Rig) -> None:
    chance = random.Random(11)

    async def moody(
        upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            path = (await upstream.take(reader)).split(b" ")[1]
            answer = framed(path * 50, chance.choice(["length", "chunked"]), [path * 20, path * 30])
            for piece in split(answer, [chance.randrange(1000) for _ in range(3)]):
                writer.write(piece)
                await asyncio.sleep(0)
            if chance.random() < 0.1:
                return

    async def caller(number: int) -> None:
        for count in range(15):
            path = f"/{number}-{count}."
            assert (await rig.get(path)).body == path.encode() * 50

    rig.answers(moody)
    await asyncio.gather(*(caller(number) for number in range(8)))
