"""The connections to one address: kept while they may be used again, all closed at its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from paddock.config.model_entry import Timeouts
from paddock.engine.address import Address
from paddock.engine.connection import Connection, Headers, ResponseHead
from paddock.engine.reach import reach
from paddock.errors import UpstreamLost

KEEP_IDLE_SECONDS = 4.0
"""llama-server closes a connection that idled for 5 s; on this machine ours leaves the pool before
that, for a new one costs next to nothing."""
NEVER = 86400.0


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
    if b"\r" in line or b"\n" in line or " " in target:
        raise ValueError("a request head must stay on its lines")
    return line, _header_lines(headers)


def _header_lines(headers: Headers) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
        raise ValueError("a request head must stay on its lines")
    return lines


def _own_lines(address: Address, key: str, headers: Headers) -> bytes:
    """What the head of every request to one address has in common."""
    own = ((b"Host", address.authority.encode()), *headers)
    if key:
        own = (*own, (b"Authorization", b"Bearer %b" % key.encode()))
    return b" HTTP/1.1\r\n" + _header_lines(own)


class ConnectionPool:
    """The connections to one address. Loop thread only."""

    def __init__(
        self,
        address: Address,
        key: str = "",
        timeouts: Timeouts | None = None,
        *,
        headers: Headers = (),
    ) -> None:
        """`key` is sent as `Authorization: Bearer`, and nothing is when it is empty; `headers` go
        with every request too. Raises ValueError when one would not stay on its line.
        """
        self.address = address
        self._timeouts = timeouts or Timeouts()
        self._headers = headers
        self._base_path = address.base_path
        self._own_lines = _own_lines(address, key, headers)
        self._keep_idle = _keep_idle(address, self._timeouts)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def go_by(self, timeouts: Timeouts) -> None:
        """Other limits, for every request that begins from now on."""
        if timeouts == self._timeouts:
            return
        self._timeouts, self._keep_idle = timeouts, _keep_idle(self.address, timeouts)
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.abort()

    def head(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int = 0,
        key: str | None = None,
    ) -> bytes:
        """The head of a request. `target` is path and query, already encoded.

        `key` takes the place of the pool's.
        Raises ValueError when the target or a header would not stay on its line.
        """
        own = self._own_lines
        if key is not None:
            own = _own_lines(self.address, key, self._headers)
        line, told = _lines(method, self._base_path + target, headers)
        return b"%b%bContent-Length: %d\r\n%b\r\n" % (line, own, length, told)

    def take(self) -> Connection | None:
        """An idle connection, or None: then `connect()`. Give back by ending the answer."""
        oldest = asyncio.get_running_loop().time() - self._keep_idle
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since >= oldest and connection.reusable:
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises UpstreamLost when none is there in time."""
        self._check_open()
        connection = Connection(self, patience=self._timeouts.response_header)
        try:
            await reach(connection, self.address, self._timeouts)
            self._check_open()
        except BaseException:
            connection.abort()
            raise
        self._all.add(connection)
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise UpstreamLost("the engine is stopping")

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
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._keep_idle, self._drop_idle)

    def forget(self, connection: Connection) -> None:
        """A connection is gone. Called by the connection itself."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _drop_idle(self) -> None:
        """Close what nobody has used for long; look again while there is something to close."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._keep_idle
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.pop(0).abort()
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].idle_since + self._keep_idle, self._drop_idle)

    def close(self) -> None:
        """Close every connection at once; running answers are lost. Idempotent."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        self._idle.clear()
        for connection in tuple(self._all):
            connection.cut()


def _keep_idle(address: Address, timeouts: Timeouts) -> float:
    """Seconds for which an idle connection is kept."""
    asked = timeouts.idle_conn or NEVER
    return min(asked, KEEP_IDLE_SECONDS) if address.is_local else asked
