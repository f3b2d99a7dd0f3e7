"""A WebSocket between a client and a child: the handshake relayed, then bytes both ways."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from aiohttp import web

from paddock.engine.connection import Connection, Headers, ResponseHead
from paddock.errors import UpstreamLost
from paddock.gateway.relay import Relay, Relayed

HANDSHAKE = frozenset(
    {
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"user-agent",
    }
)


def is_upgrade(request: web.BaseRequest) -> bool:
    """Whether a request wants to become a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def upgrade_headers(request: web.BaseRequest) -> Headers:
    """The headers of the handshake that the child must see."""
    passed = tuple((k, v) for k, v in request.raw_headers if k.lower() in HANDSHAKE)
    return (*passed, (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


class Tunnel(Relay):
    """A relay whose answer may be `101`: from then on it moves bytes both ways until one side ends.

    Bytes of the client arrive through aiohttp's payload parser seam, `feed_data`.
    """

    may_upgrade: ClassVar = True

    def __init__(self, request: web.BaseRequest, added: Headers, *, stall_timeout: float) -> None:
        super().__init__(request, added, stall_timeout=stall_timeout)
        self._upgraded = False
        self._deaf: asyncio.TimerHandle | None = None

    async def run(self, connection: Connection, head: bytes, body: bytes) -> Relayed:
        """As `Relay.run`; a tunnel's connection serves nobody afterwards."""
        try:
            return await super().run(connection, head, body)
        finally:
            self._hold_client(held=False)
            if self._upgraded:
                self._keep_alive = False
                self._transport.close()

    def on_head(self, head: ResponseHead) -> None:
        if head.status != 101:
            super().on_head(head)
            return
        self._upgraded = True
        lines = [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"]
        lines += [
            b"%b: %b\r\n" % (name, value)
            for name, value in head.headers
            if name.lower().startswith(b"sec-websocket-") or name.lower() == b"upgrade"
        ]
        self._out.append(b"".join(lines) + b"\r\n")
        self.flush()
        if self._connection is not None:
            self._connection.on_pressure = lambda held: self._hold_client(held=held)
        self._protocol.set_parser(self)  # type: ignore[arg-type]  # only feed_data is asked of it

    def on_lost(self, error: UpstreamLost) -> None:
        if self._upgraded:
            self._complete()  # a WebSocket that breaks off has no other way to say it
        else:
            super().on_lost(error)

    def _hold_client(self, *, held: bool) -> None:
        """Read nothing of the client while the child does not; give up when that goes on."""
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None
        if self._transport.is_closing():
            return
        if held:
            self._transport.pause_reading()
            self._deaf = self._loop.call_later(self._stall_timeout, self._complete)
        else:
            self._transport.resume_reading()

    # --- aiohttp's payload parser seam

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes from the client."""
        if self._connection is not None:
            self._connection.send_more(data)
        return False, b""

    def feed_eof(self) -> None:
        """The client left."""
        self._complete()
