"""A client's connection to a door: aiohttp's, with its gaps closed."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from paddock.errors import InvalidRequest, PaddockError
from paddock.gateway import problems

log = logging.getLogger(__name__)

HEAD_SECONDS = 10.0
"""A connection must have sent its first request's head by then."""

KEEP_ALIVE_SECONDS = 75.0
"""A connection may idle this long between requests."""

UNSENT_BYTES = 128 << 10
"""What the kernel takes for a client that reads slowly. Without a limit it takes megabytes, and a
client that still reads looks for as long as those last as if it did not."""


class Throttled(Protocol):
    """Whoever writes straight to a client's transport and wants to know when to hold back."""

    def hold(self) -> None:
        """The client reads slower than we write: stop."""

    def go_on(self) -> None:
        """The client caught up."""


class DoorProtocol(RequestHandler):
    """One client's connection: aiohttp's, with a limit on the first head and a word on pressure."""

    __slots__ = ("_head_timer", "local_address", "writer")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self.writer: Throttled | None = None
        self.local_address = ""
        """The address of ours that the client reached."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._head_timer = self._loop.call_later(HEAD_SECONDS, self._head_is_late)
        _limit_unsent(transport)
        if isinstance(self.sockname, tuple):
            self.local_address = str(self.sockname[0])

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._request_count == 0:
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, in our shape. The log is not told its bytes."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        error = _unreadable(exc)
        log.debug("%s sent what cannot be read: %s", request.remote, error.message)
        response = problems.response(error, request.path)
        response.force_close()
        return response

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.writer is not None:
            self.writer.hold()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.writer is not None:
            self.writer.go_on()


def _unreadable(error: HttpProcessingError) -> PaddockError:
    if isinstance(error, LineTooLong):
        return problems.HeadTooLarge()
    reason = error.message.strip().partition("\n")[0].rstrip(":")  # below it are the bytes
    return InvalidRequest(f"the request is not HTTP as it should be: {reason}")


class DoorServer(web.Server):
    """aiohttp's server, making our protocol."""

    def __call__(self) -> RequestHandler:
        return DoorProtocol(self, loop=self._loop, **self._kwargs)

    def _make_request(self, *parts: Any) -> web.BaseRequest:
        message, payload, protocol, writer, task = parts
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=0
        )


def _limit_unsent(transport: asyncio.BaseTransport) -> None:
    client = transport.get_extra_info("socket")
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # Linux and macOS
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
