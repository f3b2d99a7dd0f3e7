"""Connections to what is not a plain child: over TLS, below a path, and with limits."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from tests.fakes.certificate import make_certificate
from tests.fakes.scripted import Upstream, reply, says

from paddock.config.model_entry import Timeouts
from paddock.engine.address import Address
from paddock.engine.pool import ConnectionPool, Gather
from paddock.engine.trust import system_roots
from paddock.errors import UpstreamLost

PATIENCE = 20.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The system trusts the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    system_roots.cache_clear()
    yield
    system_roots.cache_clear()


@pytest.fixture
async def secure_port(certificate):
    """A server that answers every request with its path and goes on."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    writers = []

    async def serve(reader, writer):
        writers.append(writer)
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                path = line.split()[1]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path) + path)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in writers:
        writer.transport.abort()


@pytest.fixture
async def silent_port():
    """Somebody takes connections and says nothing."""
    opened = []

    async def serve(reader, writer):
        opened.append(writer)
        await reader.read()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in opened:
        writer.transport.abort()


@pytest.fixture
def pools():
    """Makes pools, and closes them after the test."""
    made = []

    def make(address, key="", **limits):
        made.append(ConnectionPool(address, key, Timeouts(**limits)))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_https_is_spoken_where_the_certificate_is_trusted(trusted, secure_port, pools, host):
    pool = pools(Address(host, secure_port, tls=True, base_path="/base"))
    first = await pool.fetch("GET", "/x", timeout=PATIENCE)
    assert first.body == b"/base/x"
    kept = pool.take()
    assert kept is not None
    kept.abort()


async def test_a_large_body_passes_through_tls_whole(trusted, secure_port, pools):
    pool = pools(Address("127.0.0.1", secure_port, tls=True))
    target = "/" + "x" * 60_000
    assert (await pool.fetch("GET", target, timeout=PATIENCE)).body == target.encode()


async def test_a_certificate_that_nobody_vouches_for_is_refused(secure_port, pools):
    system_roots.cache_clear()
    pool = pools(Address("127.0.0.1", secure_port, tls=True))
    with pytest.raises(UpstreamLost, match="certificate is not trusted") as refused:
        await pool.connect()
    assert "SSL_CERT_FILE" in refused.value.hint


async def test_a_certificate_of_another_name_is_refused(trusted, secure_port, pools):
    pool = pools(Address("127.0.0.2", secure_port, tls=True))
    with pytest.raises(UpstreamLost, match=r"certificate|take connections"):
        await pool.connect()


async def test_plain_http_where_https_is_asked_is_told(pools):
    async def serve(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        pool = pools(Address("127.0.0.1", server.sockets[0].getsockname()[1], tls=True))
        with pytest.raises(UpstreamLost, match="TLS") as refused:
            await pool.connect()
        assert "https" in refused.value.hint


async def test_a_handshake_that_does_not_end_is_given_up(silent_port, pools):
    pool = pools(Address("127.0.0.1", silent_port, tls=True), tls_handshake=0.1)
    with pytest.raises(UpstreamLost, match=r"0\.1 s"):
        await pool.connect()


async def test_an_answer_that_does_not_begin_in_time_is_given_up_and_not_asked_twice(
    silent_port, pools
):
    pool = pools(Address("127.0.0.1", silent_port), response_header=0.1)
    connection, sink = await pool.connect(), Gather(100)
    connection.send(pool.head("GET", "/"), b"", sink)
    with pytest.raises(UpstreamLost, match=r"0\.1 s \(timeouts.responseHeader\)"):
        await sink.done
    assert connection.answered


async def test_an_answer_that_began_may_take_its_time(pools):
    upstream = Upstream(says([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]))
    async with upstream.listening():
        pool = pools(Address("127.0.0.1", upstream.port), response_header=0.05)
        with pytest.raises(TimeoutError):
            await pool.fetch("GET", "/", timeout=0.5)


async def test_a_connection_that_is_not_taken_is_given_up(pools):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        pool = pools(Address("127.0.0.1", port), connect=0.1)
        with pytest.raises(UpstreamLost, match=r"0\.1 s \(timeouts.connect\)"):
            await pool.connect()
        for filler in fillers:
            filler.close()


async def test_an_idle_connection_is_closed_after_its_time(pools):
    async with Upstream(says([reply(b"hello")])).listening() as upstream:
        pool = pools(Address("127.0.0.1", upstream.port), idle_conn=0.05)
        await pool.fetch("GET", "/", timeout=PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await upstream.left.wait()
        assert pool.take() is None


@pytest.mark.parametrize(
    ("key", "headers", "lines"),
    [
        ("", (), b""),
        ("k", (), b"Authorization: Bearer k\r\n"),
        ("k", ((b"x-api-key", b"k"),), b"x-api-key: k\r\nAuthorization: Bearer k\r\n"),
    ],
)
def test_every_head_has_the_pools_key_and_headers(key, headers, lines):
    pool = ConnectionPool(Address("host", 80), key, headers=headers)
    assert pool.head("GET", "/x") == (
        b"GET /x HTTP/1.1\r\nHost: host\r\n" + lines + b"Content-Length: 0\r\n\r\n"
    )


def test_a_key_cannot_leave_its_line():
    with pytest.raises(ValueError, match="line"):
        ConnectionPool(Address("host", 80), "a\r\nX: y")
