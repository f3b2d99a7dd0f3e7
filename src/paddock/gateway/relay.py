"""Moves an answer from a child to a client: bytes in, bytes out, no coroutine per chunk.

The relay writes to the client's transport itself. It must do what a relay must: drop hop-by-hop
headers, frame the body, hold the child back when the client reads slowly, keep a waiting client's
stream alive, and end a broken stream with an error in the client's dialect, never as if it were
whole.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import perf_counter
from typing import ClassVar

from aiohttp import HttpVersion11, web

from paddock.engine.connection import Connection, Headers, ResponseHead
from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway import problems
from paddock.gateway.client import DoorProtocol
from paddock.gateway.endings import Endings
from paddock.observe.answer import KEPT_BYTES, Answer

COPY_BYTES = 8 << 20
"""Of an answer that is larger no copy is kept."""

HOLD_BACK_LIMIT = 64 << 10
"""An unfinished line longer than this is passed on as it comes."""

NOT_PASSED_ON = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"server",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # who may call us from a web page is our decision, not the child's
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-allow-private-network",
        b"access-control-expose-headers",
        b"access-control-max-age",
        # what a browser would hold to for the whole door, and for all models behind it
        b"alt-svc",
        b"clear-site-data",
        b"nel",
        b"report-to",
        b"reporting-endpoints",
        b"service-worker-allowed",
        b"strict-transport-security",
        # no child is shown a client's cookies and passwords, so none may ask for them
        b"set-cookie",
        b"set-cookie2",
        b"www-authenticate",
        # orders to a web server in front of us
        b"x-accel-redirect",
        b"x-lighttpd-send-file",
        b"x-sendfile",
        # ours
        b"x-paddock-via",
        b"x-request-id",
    }
)

NOT_PASSED_ON_OF_PEERS = NOT_PASSED_ON | {b"location", b"refresh"}
"""A client that followed a peer's redirect would take its key for this door elsewhere."""

REFUSAL_PIECES = 64
"""Of a child's refusal in a stream that was opened early: more pieces are not kept."""

EVENT_STREAM = b"text/event-stream"

STATUS_LINES = {
    status.value: b"HTTP/1.1 %d %b\r\n" % (status.value, status.phrase.encode())
    for status in HTTPStatus
}


class Relayed(web.StreamResponse):
    """Tells aiohttp that the response is already on the wire. The two there can be are below."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._reusable = keep_alive

    @property
    def keep_alive(self) -> bool:
        return self._reusable

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002
        return None

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002
        return None


KEPT_ALIVE = Relayed(keep_alive=True)
CLOSED = Relayed(keep_alive=False)
"""Also the answer to a client that has left."""


class Relay:
    """Carries one answer to one client. A `Sink` for the child's connection."""

    may_upgrade: ClassVar = False
    """The child may answer by switching to another protocol."""

    # How a relay begins. These are the class's, because one is made for every request.

    done: asyncio.Future[None] | None = None
    """While it runs: ends when the answer is on the wire, or with UpstreamLost."""
    started = False
    """Bytes have been written to the client."""
    hidden = NOT_PASSED_ON
    """The other side's headers that the client does not get."""
    first_at: float | None = None
    """When the body began, as `time.perf_counter` tells it."""
    sent = 0
    """Bytes of the body that were passed on."""
    copy: list[bytes] | None = None
    """Gathers all that is written, when somebody wants it."""
    _connection: Connection | None = None
    _chunked = _events = False
    _refusal: list[bytes] | None = None
    _refused_with = _status = 0
    _held = b""
    _first = _before = _last = b""
    """The first events, and the last two pieces: the ending must be in the very last."""
    _body_head = _body_tail = b""
    """The ends of an answer that is no event stream."""
    _content_type = _encoding = b""
    _noting = True
    _failure = ""
    _stalled = _is_over = False
    _stall: asyncio.TimerHandle | None = None

    def __init__(
        self,
        request: web.BaseRequest,
        added: Headers,
        *,
        stall_timeout: float,
        endings: Endings = (),
    ) -> None:
        """`endings`: how the child's event stream ends; a stream that ends otherwise is broken."""
        protocol = request.protocol
        if not isinstance(protocol, DoorProtocol) or protocol.transport is None:
            raise ConnectionResetError("the client left")
        self._loop = asyncio.get_running_loop()
        self._request = request
        self._protocol = protocol
        self._transport = protocol.transport
        self._can_chunk = request.version >= HttpVersion11
        self._keep_alive = self._can_chunk and request.keep_alive
        self.added = added
        """Our own response headers; what is set before the head comes is told."""
        self._out: list[bytes] = []
        self._endings = endings
        self._has_ending = not endings
        self._stall_timeout = stall_timeout

    # --- for the endpoint

    async def run(self, connection: Connection, head: bytes, body: bytes) -> Relayed:
        """Send the request and return when its answer is on the wire.

        Raises UpstreamLost when the child was lost first: then `started` tells whether the client
        has part of the answer and must be told by `fail`, or may be answered otherwise. Cancelling
        closes the child's connection, which ends its generation.
        """
        self.done = done = self._loop.create_future()
        self._connection = connection
        self._protocol.writer = self
        try:
            connection.send(head, body, self, upgrade=self.may_upgrade)
            await done
        finally:
            connection.leave(self)
            self._protocol.writer = None
            if self._stall is not None:
                self._stall.cancel()
        return KEPT_ALIVE if self._keep_alive else CLOSED

    def relayed(self) -> Relayed:
        """What the endpoint returns once the relay wrote the response."""
        return KEPT_ALIVE if self._keep_alive else CLOSED

    def whole(self, status: int, headers: Headers, body: bytes) -> Relayed:
        """Answer with a body that is already here."""
        for name, value in headers:
            if name.lower() == b"content-type":
                self._content_type = value
        self._begin(status, headers, b"%d" % len(body))
        self._keep_ends(body)
        self._put(body)
        self._finish()
        return self.relayed()

    def report(self) -> Answer:
        """What was answered so far, and when."""
        return Answer(
            status=self._status,
            content_type=self._content_type.decode("latin-1"),
            encoding=self._encoding,
            events=self._events,
            first_at=self.first_at,
            sent=self.sent,
            head=self._first or self._body_head,
            tail=self._before + self._last + self._body_tail,
            copy=self.copy,
            stalled=self._stalled,
            failure=self._failure,
        )

    def open_events(self) -> None:
        """Begin an event stream before the child answers, for a client that has waited long."""
        self._events = True
        self._content_type = EVENT_STREAM
        self._begin(200, ((b"Content-Type", EVENT_STREAM), (b"Cache-Control", b"no-cache")))
        self.flush()

    def tell(self, frame: bytes) -> None:
        """Write a frame of our own into the stream that was opened."""
        self._put(frame)
        self.flush()

    def fail(self, error: PaddockError) -> None:
        """End a stream that has begun with an error event in its dialect."""
        if self._is_over:
            return  # the error met an answer that had just ended
        self._failure = error.message
        if self._events:
            self._held = b""
            # ends what may be a part of a line, and its event
            self._put(b"\n\n" + problems.stream_frame(error, self._request.path))
            self._finish()
        else:  # nothing in the body can tell; a connection cut short does
            self.flush()
            self._keep_alive = False
            self._transport.abort()
            self._complete()

    # --- Sink

    def on_head(self, head: ResponseHead) -> None:
        if self.started:  # the stream was opened early
            streams = head.header(b"content-type").startswith(EVENT_STREAM)
            self._refusal = None if streams and head.status == 200 else []
            self._refused_with = head.status
            return
        fields = head.fields
        self._content_type = fields.get(b"content-type", b"")
        self._encoding = fields.get(b"content-encoding", b"")
        self._events = self._content_type.startswith(EVENT_STREAM)
        hidden = self.hidden
        if listed := fields.get(b"connection"):
            hidden |= {name.strip() for name in listed.lower().split(b",")}
        # An event stream may get an error event more than the child has announced.
        length = b"" if self._events else fields.get(b"content-length", b"")
        self._begin(head.status, head.headers, length, hidden)

    def on_body(self, data: bytes) -> None:
        if self._refusal is not None:
            self._refuse(data)
        elif not self._events:
            self._keep_ends(data)
            self._put(data)
        elif self._held or not data.endswith(b"\n\n"):
            self._put_lines(data)
        else:  # whole events, as nearly always: this runs for every token of the house
            self._before = self._last
            self._last = data
            size = len(data)
            self.sent += size
            self._out.append(b"%x\r\n%b\r\n" % (size, data) if self._chunked else data)

    def _refuse(self, data: bytes) -> None:
        if self._refusal is not None and len(self._refusal) < REFUSAL_PIECES:
            self._refusal.append(data)

    def on_end(self) -> None:
        self._connection = None  # it may carry another answer already: not ours to hold back
        if self._refusal is not None:
            self.fail(_refusal(self._refused_with, b"".join(self._refusal)))
            return
        if self._held:
            self._pass(self._held)
            self._held = b""
        if self._events and not self._is_whole():
            self.fail(UpstreamLost("the engine ended its stream before its answer was whole"))
        else:
            self._finish()

    def on_lost(self, error: UpstreamLost) -> None:
        self._connection = None
        if self.done is None or self.done.done():
            return
        if self._endings and self._is_whole():  # all that was lost is the end of the framing
            self._finish()
            return
        if not self.started:
            self._out.clear()
        self.done.set_exception(error)

    # --- Throttled

    def hold(self) -> None:
        if self._connection is not None:
            self._connection.pause()
        if self._stall is None:
            self._watch()

    def _watch(self) -> None:
        """Drop the client if it has read nothing by the end of the stall's time."""
        unread = self._transport.get_write_buffer_size()
        self._stall = self._loop.call_later(self._stall_timeout, self._check, unread)

    def _check(self, unread: int) -> None:
        if self._transport.get_write_buffer_size() < unread:
            self._watch()
        else:
            self._stalled = True
            self._transport.abort()

    def go_on(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._connection is not None:
            self._connection.resume()

    # --- writing

    def _begin(
        self,
        status: int,
        headers: Headers,
        length: bytes = b"",
        hidden: frozenset[bytes] = frozenset(),
    ) -> None:
        """Write the head: `headers` but those that are `hidden`, our own, and the framing."""
        self._status = status
        head = [STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status]
        for name, value in headers:
            if name.lower() not in hidden:
                head += (name, b": ", value, b"\r\n")
        for name, value in self.added:
            head += (name, b": ", value, b"\r\n")
        if length:
            head += (b"Content-Length: ", length, b"\r\n")
        elif status not in {204, 304}:
            self._chunked = self._can_chunk
            self._keep_alive = self._keep_alive and self._chunked
            if self._chunked:
                head.append(b"Transfer-Encoding: chunked\r\n")
        head.append(b"\r\n" if self._keep_alive else b"Connection: close\r\n\r\n")
        self._out.append(b"".join(head))

    def _put(self, data: bytes) -> None:
        self.sent += len(data)
        if self._chunked:
            self._out.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._out.append(data)

    def _put_lines(self, data: bytes) -> None:
        """Pass on whole lines only, so that an error event can follow at any moment."""
        data = self._held + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > HOLD_BACK_LIMIT:
            end = len(data)
        self._held = data[end:]
        if end:
            self._pass(data[:end])

    def _pass(self, data: bytes) -> None:
        """Pass on what may be a part of an event, or of a line too long to hold back."""
        self._has_ending = self._has_ending or self._ends_in(data)
        self._before = (self._before + self._last)[-KEPT_BYTES:]
        self._last = data
        self._put(data)

    def _keep_ends(self, data: bytes) -> None:
        """Remember the ends of a body that may tell its tokens."""
        if b"json" not in self._content_type:
            self._body_head = self._body_head or data[:1]
        elif not self._body_head and len(data) <= KEPT_BYTES:  # all of it, as nearly always
            self._body_head = data
        else:
            room = KEPT_BYTES - len(self._body_head)
            self._body_head += data[:room]
            self._body_tail = (self._body_tail + data[room:])[-KEPT_BYTES:]

    def _ends_in(self, data: bytes) -> bool:
        return any(ending in data for ending in self._endings)

    def _is_whole(self) -> bool:
        return self._has_ending or self._ends_in(self._last)

    def flush(self) -> None:
        """Write what has gathered."""
        out = self._out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._noting:
            self._note(data)
        if not self._transport.is_closing():
            self._transport.write(data)

    on_flush = flush

    def _note(self, data: bytes) -> None:
        """Look at what is written: at its beginning, or at all of it for a copy."""
        self.started = True
        if self.first_at is None and (self._last or self._body_head):
            self.first_at = perf_counter()  # the loop's own clock counts milliseconds
            self._first = data[:KEPT_BYTES] if self._last else b""
        if self.copy is not None:
            self.copy.append(data)
            if self.sent > COPY_BYTES:
                self.copy = None
        self._noting = self.first_at is None or self.copy is not None

    def _finish(self) -> None:
        if self._chunked:
            self._out.append(b"0\r\n\r\n")
        self.flush()
        self._complete()

    def _complete(self) -> None:
        self._is_over = True
        if self.done is not None and not self.done.done():
            self.done.set_result(None)


def _refusal(status: int, body: bytes) -> PaddockError:
    """Why a stream that was opened before the child answered does not go on."""
    if status == 200:
        return UpstreamLost("the engine did not answer with the stream that was asked for")
    return problems.engine_refusal(status, body)
