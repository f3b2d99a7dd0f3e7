"""The connections to one child: kept while they may be used again, all closed at its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from paddock.engine.connection import Connection, Headers, ResponseHead
from paddock.errors import UpstreamLost

KEEP_IDLE_SECONDS = 4.0
"""llama-server closes a connection that idled for 5 s; ours leaves the pool before that."""

CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


class Gather:
    """A sink that keeps the whole answer, at most `limit` bytes of it."""

    def __init__(self, limit: int) -> None:
        self.done: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()
        """The answer, or UpstreamLost."""
        self._limit = limit
        self._size = 0
        self._head: ResponseHead | None = None
        self._pieces: list[bytes] = []

    def on_head(self, head: ResponseHead) -> None:
        self._head = head

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._limit:
            self._pieces.append(data)

    def on_flush(self) -> None:
        if self._size > self._limit:
            self.on_lost(UpstreamLost("the engine's answer is too large"))

    def on_end(self) -> None:
        if self._size > self._limit:
            self.on_lost(UpstreamLost("the engine's answer is too large"))
        elif self._head is None:
            self.on_lost(UpstreamLost("the engine ended its answer before its head"))
        elif not self.done.done():
            body = b"".join(self._pieces)
            self.done.set_result(Fetched(self._head.status, self._head.headers, body))

    def on_lost(self, error: UpstreamLost) -> None:
        if not self.done.done():
            self.done.set_exception(error)


@lru_cache(64)
def _lines(method: str, target: str, headers: Headers) -> tuple[bytes, bytes]:
    """The begin of the request line, and the header lines; a few of them make most requests."""
    line = f"{method} {target}".encode("ascii")
    told = b"".join([b"%b: %b\r\n" % header for header in headers])
    ends = len(headers)
    strays = b"\r" in line or b"\n" in line or " " in target
    if strays or told.count(b"\r") != ends or told.count(b"\n") != ends:
        raise ValueError("a request head must stay on its lines")
    return line, told


def _own_lines(address: str, key: str) -> bytes:
    """What the head of every request to one child has in common."""
    return f" HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n".encode("ascii")


class ConnectionPool:
    """The connections to one child. Loop thread only."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self.host = host
        self.port = port
        self._address = f"{host}:{port}"
        self._own_lines = _own_lines(self._address, key)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._closed = False

    def head(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int = 0,
        key: str | None = None,
    ) -> bytes:
        """The head of a request to this child. `target` is path and query, already encoded.

        Raises ValueError when the target or a header would not stay on its line.
        """
        own = self._own_lines if key is None else _own_lines(self._address, key)
        line, told = _lines(method, target, headers)
        return b"%b%bContent-Length: %d\r\n%b\r\n" % (line, own, length, told)

    def take(self) -> Connection | None:
        """An idle connection, or None: then `connect()`. Give back by ending the answer."""
        oldest = asyncio.get_running_loop().time() - KEEP_IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest and connection.reusable:
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises UpstreamLost when the child does not take it in time."""
        if self._closed:
            raise UpstreamLost("the engine is stopping")
        loop = asyncio.get_running_loop()
        connection = Connection(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.create_connection(lambda: connection, self.host, self.port)
        except (OSError, TimeoutError) as error:
            raise UpstreamLost(f"the engine does not take connections: {error}") from error
        self._all.add(connection)
        return connection

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str = "application/json",
        timeout: float,  # noqa: ASYNC109 - a limit per call is the point
        key: str | None = None,
        limit: int = 16 << 20,
    ) -> Fetched:
        """Ask and wait for the whole answer, at most `limit` bytes within `timeout` seconds.

        Raises UpstreamLost when there is no whole answer, TimeoutError when it takes too long.
        Cancelling closes the connection.
        """
        headers = ((b"Content-Type", content_type.encode("latin-1")),) if body else ()
        head = self.head(method, path, headers, length=len(body), key=key)
        async with asyncio.timeout(timeout):
            connection = await self.connect()
            sink = Gather(limit)
            try:
                connection.send(head, body, sink)
                return await sink.done
            finally:
                connection.leave(sink)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer ended cleanly. Called by the connection itself."""
        if self._closed:
            connection.abort()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone. Called by the connection itself."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every connection at once; running answers are lost. Idempotent."""
        self._closed = True
        self._idle.clear()
        for connection in tuple(self._all):
            connection.cut()
