from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.fakes.scripted import Client
from tests.fakes.wire import WireAnswer

from paddock.access.hosts import HostRules
from paddock.access.keys import KeyRing
from paddock.errors import InvalidRequest
from paddock.gateway.door import Door, sent_body
from paddock.gateway.gate import Gate
from paddock.gateway.routes import Call, Route, RouteTable

PAGE = "https://chat.example.lan"
Answer = Callable[[Call], Awaitable[web.StreamResponse]]


async def hello(call: Call) -> web.StreamResponse:
    return web.json_response({"client": call.client, "rest": call.rest})


@asynccontextmanager
async def door(endpoint: Answer = hello, *keys: str) -> AsyncIterator[int]:
    """An open door with one public and some other endpoints; its port."""
    routes = RouteTable(
        (
            Route("GET", "/public", endpoint, public=True),
            Route("GET", "/private", endpoint),
            Route("GET", "/below/*", endpoint),
            Route("POST", "/body", endpoint),
            Route("POST", "/v1/messages", endpoint),
        )
    )
    gate = Gate(HostRules("nas"), [PAGE], KeyRing(keys))
    runner = web.ServerRunner(Door("openai", routes, gate).server())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def get(port: int, target: str, *headers: str) -> WireAnswer:
    async with client(port) as asking:
        return await asking.ask(target, *headers).answer()


def post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "POST /body HTTP/1.1",
        "Host: nas",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_a_private_endpoint_asks_for_a_key_and_a_public_one_does_not() -> None:
    async with door(hello, "the-key") as port:
        public, private = await get(port, "/public"), await get(port, "/private")
        opened = await get(port, "/private", "x-api-key: the-key")

    assert (public.status, private.status, opened.status) == (200, 401, 200)
    assert public.json()["client"] == ""
    assert opened.json()["client"].startswith("key:")


async def test_an_endpoint_gets_the_rest_of_its_path_still_encoded() -> None:
    async with door() as port:
        assert (await get(port, "/below/a%2Fb/c?x=1")).json()["rest"] == "a%2Fb/c"


async def test_every_answer_has_an_id_and_none_twice() -> None:
    async with door() as port:
        answers = [await get(port, path) for path in ("/public", "/nothing", "/public")]
        own = await get(port, "/public", "X-Request-Id: my-id_1")

    assert len({answer.header("x-request-id") for answer in answers}) == 3
    assert own.header("x-request-id") == "my-id_1"


async def test_a_bug_is_an_answer_that_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call) -> web.StreamResponse:
        raise RuntimeError("secret detail")

    async with door(broken) as port:
        answer = await get(port, "/public", "X-Request-Id: find-me")

    assert answer.status == 500
    assert b"secret detail" not in answer.body
    assert "find-me" in caplog.text
    assert "secret detail" in caplog.text


async def test_an_expected_error_has_the_shape_of_its_path() -> None:
    async def refuse(call: Call) -> web.StreamResponse:
        raise InvalidRequest("no", param="p")

    async with door(refuse) as port:
        plain = (await get(port, "/public")).json()
        async with client(port) as asking:
            asking.send(post(b"{}").replace(b"/body", b"/v1/messages"))
            anthropic = (await asking.answer()).json()

    assert plain["error"]["param"] == "p"
    assert anthropic["type"] == "error"


async def test_an_allowed_page_may_read_even_a_bug() -> None:
    async def broken(call: Call) -> web.StreamResponse:
        raise RuntimeError

    async with door(broken) as port:
        answer = await get(port, "/public", f"Origin: {PAGE}")

    assert answer.header("access-control-allow-origin") == PAGE


async def test_a_preflight_needs_no_key_and_calls_no_endpoint() -> None:
    async with door(hello, "the-key") as port, client(port) as asking:
        asking.send(f"OPTIONS /private HTTP/1.1\r\nHost: nas\r\nOrigin: {PAGE}\r\n\r\n".encode())
        answer = await asking.answer()

    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == PAGE


# --- bodies ---------------------------------------------------------------------------------------


def reads(limit: int, pause: float = 5.0) -> Answer:
    """An endpoint that answers with the body it was sent."""

    async def endpoint(call: Call) -> web.StreamResponse:
        return web.Response(body=await sent_body(call.request, limit, pause=pause))

    return endpoint


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000])
async def test_a_body_within_the_limit_is_read(size: int) -> None:
    body = b"x" * size
    async with door(reads(10_000)) as port, client(port) as asking:
        assert (await asking.send(post(body)).answer()).body == body


async def test_a_body_over_the_limit_is_refused() -> None:
    async with door(reads(10_000)) as port, client(port) as asking:
        assert (await asking.send(post(b"x" * 10_001)).answer()).status == 413


async def test_a_packed_body_counts_as_large_as_it_unpacks() -> None:
    small, large = gzip.compress(b"x" * 10_000), gzip.compress(b"x" * 10_001)
    async with door(reads(10_000)) as port:
        for packed, status in ((small, 200), (large, 413)):
            async with client(port) as asking:
                asking.send(post(packed, "Content-Encoding: gzip"))
                assert (await asking.answer()).status == status


async def test_a_body_that_stops_arriving_is_refused() -> None:
    async with door(reads(10_000, pause=0.1)) as port, client(port) as asking:
        answer = await asking.send(post(b"half", length=8)).answer()

    assert answer.status == 408
    assert answer.json()["error"]["code"] == "request_timeout"


async def test_a_body_that_comes_slowly_is_read() -> None:
    async with door(reads(100, pause=5)) as port, client(port) as asking:
        asking.send(post(b"", length=5))
        for byte in b"hello":
            await asyncio.sleep(0.01)
            asking.send(bytes((byte,)))
        assert (await asking.answer()).body == b"hello"


async def test_a_client_that_waits_for_leave_to_send_gets_it() -> None:
    async with door(reads(100)) as port, client(port) as asking:
        asking.send(post(b"", "Expect: 100-continue", length=5))
        assert (await asking.answer()).status == 100
        assert (await asking.send(b"hello").answer()).body == b"hello"


async def test_a_client_that_leaves_cancels_its_request() -> None:
    cancelled = asyncio.Event()

    async def slow(call: Call) -> web.StreamResponse:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    async with door(slow) as port:
        async with client(port) as asking:
            asking.ask("/public")
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await cancelled.wait()
