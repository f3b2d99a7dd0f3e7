"""Connections to what is not a plain child: over TLS, below a path, and with limits."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import ssl
import threading
from contextlib import suppress

import pytest
from tests.fakes.certificate import make_certificate

from paddock.config.model_entry import Timeouts
from paddock.engine.address import Address
from paddock.engine.pool import ConnectionPool, Gather
from paddock.engine.trust import system_roots
from paddock.errors import Unheard, UpstreamLost

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


class Server(socketserver.ThreadingTCPServer):
    """Does `handle` with every connection, in a thread of its own."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handle, context=None):
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.handle_connection = handle
        self.context = context
        self.port = self.server_address[1]

    def finish_request(self, request, client_address):
        with suppress(OSError):  # the other side may leave at any moment
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            self.handle_connection(request)

    def shutdown_request(self, request):
        with suppress(OSError):
            super().shutdown_request(request)


def echo_paths(connection):
    """Answer every request with its path."""
    with connection, connection.makefile("rwb") as stream:
        while line := stream.readline():
            while stream.readline().strip():
                pass
            path = line.split()[1]
            stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
            stream.flush()


def says(text):
    """Say `text` at once, whatever is asked, and stay."""

    def handle(connection):
        connection.sendall(text)
        while connection.recv(65536):
            pass

    return handle


@pytest.fixture
def serving():
    """Starts servers, and ends them after the test; gives their ports."""
    servers = []

    def start(handle, context=None):
        server = Server(handle, context)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def secure_port(serving, certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.cert, certificate.key)
    return serving(echo_paths, context)


@pytest.fixture
def silent_port(serving):
    return serving(says(b""))


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


async def test_plain_http_where_https_is_asked_is_told(serving, pools):
    port = serving(says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    pool = pools(Address("127.0.0.1", port, tls=True))
    with pytest.raises(UpstreamLost, match="TLS") as refused:
        await pool.connect()
    assert "https" in refused.value.hint


async def test_a_handshake_that_does_not_end_is_given_up(silent_port, pools):
    pool = pools(Address("127.0.0.1", silent_port, tls=True), tls_handshake=0.1)
    with pytest.raises(UpstreamLost, match=r"0\.1 s \(timeouts.tls"):
        await pool.connect()


async def test_an_answer_that_does_not_begin_in_time_is_given_up_and_not_asked_twice(
    silent_port, pools
):
    pool = pools(Address("127.0.0.1", silent_port), response_header=0.1)
    connection, sink = await pool.connect(), Gather(100)
    connection.send(pool.head("GET", "/"), b"", sink)
    with pytest.raises(UpstreamLost, match=r"0\.1 s \(timeouts.responseHeader\)") as lost:
        await sink.done
    assert not isinstance(lost.value, Unheard)


async def test_an_answer_that_began_may_take_its_time(serving, pools):
    port = serving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"))
    pool = pools(Address("127.0.0.1", port), response_header=0.2)
    with pytest.raises(TimeoutError):
        await pool.fetch("GET", "/", timeout=0.6)


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


async def test_an_idle_connection_is_closed_after_its_time(serving, pools):
    left = threading.Event()

    def until_left(connection):
        echo_paths(connection)
        left.set()

    pool = pools(Address("127.0.0.1", serving(until_left)), idle_conn=0.05)
    await pool.fetch("GET", "/", timeout=PATIENCE)
    assert await asyncio.to_thread(left.wait, PATIENCE)
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
