"""What every door does before a request reaches its endpoint, and aiohttp's gaps closed.

A door is an aiohttp low-level server with our own route table (docs/decisions/0002): Host and
Origin are checked, a key is asked for unless the matched route says it is public, every error gets
its shape, and a connection that does not send its head in time is closed.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
from collections.abc import AsyncIterator
from itertools import chain

from aiohttp import web

from paddock.errors import InvalidRequest, PaddockError, RequestTooLarge, RequestTooSlow
from paddock.gateway import problems
from paddock.gateway.client import KEEP_ALIVE_SECONDS, DoorServer
from paddock.gateway.gate import Gate
from paddock.gateway.relay import CLOSED
from paddock.gateway.routes import Call, Route, RouteTable
from paddock.units import format_bytes

log = logging.getLogger(__name__)

HEAD_BYTES = 32 << 10
"""All headers of a request together, and any one line of them."""

HEADER_COUNT = 128
BODY_PAUSE_SECONDS = 30.0


class Door:
    """Answers the requests of one listening port."""

    def __init__(self, name: str, routes: RouteTable, gate: Gate) -> None:
        self.name = name
        self.routes = routes
        self.gate = gate
        """Another one counts from the next request on."""

    def server(self) -> DoorServer:
        """The aiohttp server to bind to a port."""
        return DoorServer(
            self.answer,
            handler_cancellation=True,  # a client that leaves cancels its request, always
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            max_headers=HEADER_COUNT,
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every error becomes a response in the dialect of its path."""
        call = Call(request, _request_id(request))
        try:
            route = self._admit(call)
            response = await (preflight(call) if route is None else route.endpoint(call))
        except PaddockError as error:
            response = problems.response(error, request.path, self.name)
        except ConnectionError:
            return CLOSED  # the client is gone: there is nobody to tell
        except Exception:
            log.exception("request %s %s failed", call.id, request.rel_url.raw_path)
            response = problems.response(problems.Internal(), request.path, self.name)
        if not response.prepared:
            response.headers.update(call.headers)
        return response

    def _admit(self, call: Call) -> Route | None:
        """The route that answers, once all that is known of the caller is in order; None: a browser
        only asks whether its page may ask. Not a coroutine: every request comes by here.
        """
        request = call.request
        _check_target(request)
        call.origin = self.gate.check_place(request)
        _check_head_size(request)
        method = request.method
        if method == "OPTIONS":
            return None
        route, call.rest = self.routes.find(method, request.rel_url.raw_path)
        if not route.public:
            call.client, call.grant = self.gate.caller_of(request)
            if call.grant is not None and not route.asks:
                call.grant.check_managing()
        return route


async def preflight(call: Call) -> web.Response:
    """What a browser asks before a page of another origin may send its request."""
    if not call.origin:
        return web.Response(status=204)
    asked = call.request.headers.get("Access-Control-Request-Headers", "")
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": "3600",
        },
    )


_ID_PREFIX = secrets.token_hex(4)
_ids = itertools.count(1)
"""Together an id that no other request of this or another daemon has, without a system call."""


def _request_id(request: web.BaseRequest) -> str:
    given = request.headers.get("X-Request-Id")
    if given is not None and _is_sane_id(given):
        return given
    return f"{_ID_PREFIX}{next(_ids):06x}"


_SANE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _is_sane_id(text: str) -> bool:
    return _SANE_ID.fullmatch(text) is not None


def _check_target(request: web.BaseRequest) -> None:
    """A target with a host of its own is for proxies: it would name another host than `Host`."""
    target = request.raw_path
    if target[:1] != "/" and target != "*":
        raise InvalidRequest("the request's target must be a path")


def _check_head_size(request: web.BaseRequest) -> None:
    lines = request.raw_headers
    if sum(map(len, chain.from_iterable(lines))) + 4 * len(lines) > HEAD_BYTES:
        raise problems.HeadTooLarge


async def sent_body(
    request: web.BaseRequest, limit: int, *, pause: float = BODY_PAUSE_SECONDS
) -> bytes:
    """The request's whole body, at most `limit` bytes after decompression.

    Raises RequestTooLarge, RequestTooSlow when nothing arrives for `pause` seconds, and
    InvalidRequest for what cannot be decompressed.
    """
    content = request.content
    if content.is_eof() and content.exception() is None and content.total_bytes <= limit:
        return content.read_nowait()  # here already, as usual: no wait
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.headers.get("Expect", "").lower() == "100-continue":
        _go_on(request)
    pieces: list[bytes] = []
    size = 0
    while not content.at_eof():
        piece = await _next_piece(request, pause)
        size += len(piece)
        if size > limit:
            if "Content-Encoding" in request.headers:
                _hear_no_more(request)  # a small rest may unpack to gigabytes
            raise _too_large(limit)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def sent_pieces(
    request: web.BaseRequest, *, pause: float = BODY_PAUSE_SECONDS
) -> AsyncIterator[bytes]:
    """The request's body piece by piece, of any size, read no faster than it is taken.

    Raises RequestTooSlow when nothing arrives for `pause` seconds, and InvalidRequest for what
    cannot be decompressed. A client that leaves cancels its request.
    """
    if request.headers.get("Expect", "").lower() == "100-continue":
        _go_on(request)
    while not request.content.at_eof():
        yield await _next_piece(request, pause)


def _go_on(request: web.BaseRequest) -> None:
    """The client waits for leave to send its body."""
    if request.transport is not None and request.version >= (1, 1):
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the request body is larger than {format_bytes(limit)}")


def _hear_no_more(request: web.BaseRequest) -> None:
    """End the connection with this answer. aiohttp would read the rest of the body before."""
    request.content.feed_eof()
    request.protocol.close()


async def _next_piece(request: web.BaseRequest, pause: float) -> bytes:
    content = request.content
    try:
        if content.is_eof():  # all of it is here already: the usual case needs no timer
            return await content.readany()
        async with asyncio.timeout(pause):
            return await content.readany()
    except web.RequestPayloadError:
        _hear_no_more(request)
        raise InvalidRequest("the request body cannot be decoded") from None
    except TimeoutError:
        raise RequestTooSlow("the request body stopped arriving") from None
