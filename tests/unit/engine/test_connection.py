"""The connection to a child and its pool, on real sockets; relaying is `gateway/test_relay.py`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.fakes.scripted import Upstream, reply, says

from paddock.engine.address import Address
from paddock.engine.connection import REQUESTS_PER_CONNECTION
from paddock.engine.pool import ConnectionPool
from paddock.errors import UpstreamLost


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A child that says hello."""
    async with Upstream(says([reply(b"hello")])).listening() as upstream:
        yield upstream


@pytest_asyncio.fixture
async def pool(upstream: Upstream) -> AsyncIterator[ConnectionPool]:
    """Its connections."""
    pool = ConnectionPool(Address("127.0.0.1", upstream.port), "child-key")
    yield pool
    pool.close()


# --- heads ----------------------------------------------------------------------------------------


def test_a_head_holds_the_childs_key_and_the_clients_headers() -> None:
    pool = ConnectionPool(Address("127.0.0.1", 81), "child-key")

    head = pool.head("POST", "/x?y=1", ((b"Accept", b"*/*"),), length=5)

    assert head == (
        b"POST /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:81\r\nAuthorization: Bearer child-key\r\n"
        b"Content-Length: 5\r\nAccept: */*\r\n\r\n"
    )


@pytest.mark.parametrize(
    "target",
    ["/x HTTP/1.1\r\nX: y", "/x\r\n\r\nGET /y", "/x\ny", "/x\ry", "/x y", "/\u20ac", "/x\r\n"],
)
def test_a_target_cannot_leave_its_line(target: str) -> None:
    with pytest.raises(ValueError, match=r"line|ascii"):
        ConnectionPool(Address("127.0.0.1", 81), "k").head("GET", target)


@pytest.mark.parametrize(
    "header",
    [
        (b"X", b"a\r\nY: b"),
        (b"X\r\nY", b"a"),
        (b"X", b"a\nY: b"),
        (b"X", b"a\rY: b"),
        (b"X", b"a\r\n\r\nGET / HTTP/1.1"),
    ],
)
def test_a_header_cannot_leave_its_line(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="line"):
        ConnectionPool(Address("127.0.0.1", 81), "k").head("GET", "/", (header,))


# --- fetching -------------------------------------------------------------------------------------


async def test_a_whole_answer_is_fetched(pool: ConnectionPool, upstream: Upstream) -> None:
    fetched = await pool.fetch("POST", "/x", body=b"{}", timeout=5)

    assert (fetched.status, fetched.body) == (200, b"hello")
    assert upstream.requests[0].endswith(b"Content-Type: application/json\r\n\r\n{}")


async def test_another_key_may_be_used_for_one_request(
    pool: ConnectionPool, upstream: Upstream
) -> None:
    await pool.fetch("GET", "/x", timeout=5, key="other")

    assert b"Bearer other\r\n" in upstream.requests[0]


async def test_an_answer_over_the_limit_is_lost(pool: ConnectionPool, upstream: Upstream) -> None:
    upstream.handle = says([reply(b"x" * 10_000)])

    with pytest.raises(UpstreamLost, match="too large"):
        await pool.fetch("GET", "/x", timeout=5, limit=9_999)


async def test_an_answer_that_does_not_come_ends_in_a_timeout(
    pool: ConnectionPool, upstream: Upstream
) -> None:
    upstream.handle = says([])

    with pytest.raises(TimeoutError):
        await pool.fetch("GET", "/x", timeout=0.05)
    async with asyncio.timeout(5):
        await upstream.left.wait()


async def test_cancelling_a_fetch_closes_its_connection(
    pool: ConnectionPool, upstream: Upstream
) -> None:
    upstream.handle = says([])
    fetching = asyncio.create_task(pool.fetch("GET", "/x", timeout=30))
    async with asyncio.timeout(5):
        while not upstream.requests:
            await asyncio.sleep(0)
        fetching.cancel()
        await upstream.left.wait()

    with pytest.raises(asyncio.CancelledError):
        await fetching


async def test_who_does_not_listen_is_lost() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        pool = ConnectionPool(Address("127.0.0.1", unheard.getsockname()[1]), "k")

        with pytest.raises(UpstreamLost, match="does not take connections"):
            await pool.fetch("GET", "/", timeout=5)


# --- keeping --------------------------------------------------------------------------------------


async def test_a_connection_whose_answer_ended_is_kept(pool: ConnectionPool) -> None:
    await pool.fetch("GET", "/x", timeout=5)

    kept = pool.take()
    assert kept is not None
    assert kept.reusable
    assert pool.take() is None


async def test_a_connection_that_idled_long_is_not_used_again(pool: ConnectionPool) -> None:
    await pool.fetch("GET", "/x", timeout=5)
    kept = pool.take()
    assert kept is not None
    pool.give_back(kept)
    kept.idle_since -= 10

    assert pool.take() is None


async def test_a_connection_is_left_before_the_child_closes_it(pool: ConnectionPool) -> None:
    await pool.fetch("GET", "/x", timeout=5)
    kept = pool.take()
    assert kept is not None
    kept.requests = REQUESTS_PER_CONNECTION
    pool.give_back(kept)

    assert pool.take() is None


async def test_a_connection_the_child_closes_is_forgotten(
    pool: ConnectionPool, upstream: Upstream
) -> None:
    upstream.handle = says([reply(b"hello")], then_close=True)
    await pool.fetch("GET", "/x", timeout=5)
    async with asyncio.timeout(5):
        await upstream.left.wait()
        while (kept := pool.take()) is not None:
            pool.give_back(kept)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [reply(b"x", "Connection: close"), b"HTTP/1.0 200 OK\r\n\r\nx"])
async def test_a_connection_that_will_close_is_not_kept(
    pool: ConnectionPool, upstream: Upstream, answer: bytes
) -> None:
    upstream.handle = says([answer], then_close=True)

    assert (await pool.fetch("GET", "/x", timeout=5)).body == b"x"
    assert pool.take() is None


async def test_closing_the_pool_loses_what_runs_and_takes_nothing_new(
    pool: ConnectionPool, upstream: Upstream
) -> None:
    upstream.handle = says([])
    fetching = asyncio.create_task(pool.fetch("GET", "/x", timeout=30))
    async with asyncio.timeout(5):
        while not upstream.requests:
            await asyncio.sleep(0)
    pool.close()
    pool.close()

    with pytest.raises(UpstreamLost, match="stopped"):
        await fetching
    with pytest.raises(UpstreamLost, match="stopping"):
        await pool.connect()
