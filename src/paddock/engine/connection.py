"""HTTP/1.1 to a child: one connection, and nothing between its parser and who takes the answer.

A `Sink` gets an answer as it arrives, by plain calls on the loop's thread: no task, no queue and no
coroutine per chunk. Whoever stops wanting an answer calls `abort()`: the child sees its client
leave, which is how llama-server is told to stop generating.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import httptools

from paddock.errors import Unheard, UpstreamLost

log = logging.getLogger(__name__)

REQUESTS_PER_CONNECTION = 90
"""llama-server closes a connection after 100 requests."""

HEAD_BYTES = 256 << 10
"""A child whose answer has a longer head, interim answers included, is not believed; nor one that
sends as much in a row that is no body: a tail of headers, or a chunk's extension, without end."""

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)  # made for every answer: frozen costs more than the rest of it
class ResponseHead:
    """The head of a child's answer, as it came. Not to be changed."""

    status: int
    headers: Headers
    fields: Mapping[bytes, bytes]
    """The same by lower-case names, for looking things up."""

    def header(self, name: bytes) -> bytes:
        """The last value of a header, by its lower-case name; empty when it is missing."""
        return self.fields.get(name, b"")


class Sink(Protocol):
    """Takes one answer. Calls come in this order: head, any number of body and flush, then one of
    end or lost. No call comes after `abort()`."""

    def on_head(self, head: ResponseHead) -> None:
        """The status line and headers are complete."""

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without transfer coding."""

    def on_flush(self) -> None:
        """All that was read at once has been handed over: the moment to write."""

    def on_end(self) -> None:
        """The answer is complete."""

    def on_lost(self, error: UpstreamLost) -> None:
        """The connection ended before the answer did."""


class Home(Protocol):
    """Where a connection belongs while it serves nobody."""

    def give_back(self, connection: Connection) -> None:
        """Its answer ended cleanly: it may be used again."""

    def forget(self, connection: Connection) -> None:
        """It is gone."""


class Connection(asyncio.Protocol):
    """One connection to a child. Carries one request at a time."""

    def __init__(self, home: Home, *, patience: float = 0) -> None:
        """`patience`: seconds from a request to the head of its answer; 0: no limit."""
        self._home = home
        self._patience = patience
        self._waiting: asyncio.TimerHandle | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._fields: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._bodiless = 0
        """Bytes since the last piece of a body."""
        self._in_head = True
        self._until_close = False
        self._may_upgrade = False
        self._tunnel = False
        self._heard = False
        """Bytes of the current answer have arrived."""
        self.requests = 0
        self.idle_since = 0.0
        self.on_pressure: Callable[[bool], None] | None = None
        """Told True when the child reads slower than we send, and False when it caught up."""

    # --- for the user of the connection

    def send(self, head: bytes, body: bytes, sink: Sink, *, upgrade: bool = False) -> None:
        """Send a request; its answer goes to `sink`. The connection must be idle.

        `upgrade`: the request asks for another protocol, and the child may switch to it.
        """
        if self._transport is None or self._transport.is_closing():
            sink.on_lost(Unheard("the engine closed its connection"))
            return
        self._sink = sink
        self._may_upgrade = upgrade
        self._in_head = True
        self._head_bytes = self._bodiless = 0
        self._heard = False
        self.requests += 1
        if len(body) < 65536:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if self._patience:
            loop = asyncio.get_running_loop()
            self._waiting = loop.call_later(self._patience, self._lose_patience)

    def send_more(self, data: bytes) -> None:
        """Send bytes of a tunnel (a WebSocket's, after its handshake)."""
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        """Stop reading: the child feels it once the kernel's buffers are full."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close now; the sink hears nothing more. Idempotent."""
        self._sink = None
        self._stop_waiting()
        if self._transport is not None:
            self._transport.abort()

    def leave(self, sink: Sink) -> None:
        """Stop serving `sink`: close, unless its answer has ended and others may be using this."""
        if self._sink is sink:
            self.abort()

    def cut(self) -> None:
        """Close now; the sink hears that its answer is lost. Idempotent."""
        self._fail("the engine was stopped before its answer ended")

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self.requests < REQUESTS_PER_CONNECTION
        )

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        if self._tunnel:
            self._hand_over(data)
        else:
            self._parse(data)
        sink = self._sink
        if sink is not None:
            sink.on_flush()

    def pause_writing(self) -> None:
        if self.on_pressure is not None:
            self.on_pressure(True)

    def resume_writing(self) -> None:
        if self.on_pressure is not None:
            self.on_pressure(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._stop_waiting()
        self._home.forget(self)
        sink, self._sink = self._sink, None
        if sink is None:
            return
        if exc is None and (self._until_close or self._tunnel):
            sink.on_end()
        elif self._heard:
            sink.on_lost(UpstreamLost("the engine closed its connection before its answer ended"))
        else:
            sink.on_lost(Unheard("the engine closed its connection before it answered"))

    def _parse(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        self._bodiless += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._tunnel = True
            self._hand_over(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            log.exception("an answer of an engine could not be taken")
            self._fail("an error inside Paddock; its log tells more")
        except httptools.HttpParserError:
            self._fail("the engine's answer is not HTTP")
        if self._in_head:
            self._check_head(self._head_bytes)
        elif self._bodiless > HEAD_BYTES:
            self._fail("the engine's answer goes on without a body")

    def _lose_patience(self) -> None:
        self._fail(f"no answer began within {self._patience:g} s (timeouts.responseHeader)")

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _check_head(self, size: int) -> None:
        if size > HEAD_BYTES:
            self._fail("the head of the engine's answer is too large")

    def _hand_over(self, data: bytes) -> None:
        if data and self._sink is not None:
            self._sink.on_body(data)

    def _fail(self, message: str) -> None:
        sink = self._sink
        self.abort()
        if sink is not None:
            sink.on_lost(UpstreamLost(message))

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        self._headers, self._fields = [], {}
        if self._sink is None:  # the child speaks though nobody asked: not to be trusted further
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))
        self._fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        if status < 100:
            self._fail("the engine's answer is not HTTP")
            return
        if status == 101 and not self._may_upgrade:
            self._fail("the engine switched to another protocol, which nobody asked for")
            return
        self._in_head = False
        if self._waiting is not None:
            self._stop_waiting()
        if self._head_bytes > HEAD_BYTES:  # what came with it may be body: count exactly
            self._check_head(sum(len(name) + len(value) + 4 for name, value in self._headers))
        fields = self._fields
        self._until_close = not (
            b"content-length" in fields
            or b"transfer-encoding" in fields
            or status in {101, 204, 304}
        )
        if self._sink is not None:
            self._sink.on_head(ResponseHead(status, tuple(self._headers), fields))

    def on_body(self, data: bytes) -> None:
        self._bodiless = 0
        if self._sink is not None:
            self._sink.on_body(data)

    def on_message_complete(self) -> None:
        if 100 <= self._parser.get_status_code() < 200:
            return
        sink, self._sink = self._sink, None
        if sink is None:
            return
        if self._parser.should_keep_alive() and self.reusable:
            self._home.give_back(self)
        elif self._transport is not None:
            self._transport.close()
        sink.on_end()
