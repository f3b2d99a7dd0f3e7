"""Carries one answer in another dialect than the child's: events in, a translator's bytes out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVarTuple, Unpack

from aiohttp import web

from paddock.engine.connection import Connection, Headers, ResponseHead
from paddock.engine.pool import Gather
from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway import problems
from paddock.gateway.body import by_size
from paddock.gateway.relay import EVENT_STREAM, Relay, Relayed
from paddock.gateway.sse import SseEvent, SseParser
from paddock.observe.answer import KEPT_BYTES, Answer

Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)

PLAIN_LIMIT = 64 << 20
"""Bytes of an answer that is no stream: a refusal, or a whole answer with all probabilities."""


STREAM_LIMIT = 512 << 20
"""Bytes of a stream that a client gets as one answer: most of them are no words."""


class Translator:
    """Makes one answer in the client's dialect of one answer in the child's. Knows no connection.

    Calls come in this order: any number of `feed`, or one `answer`; then `settle` and `finish`; or,
    at any moment and last, `failure`. What `feed`, `answer` and `finish` return is written as it
    is; all of them raise PaddockError, which ends the answer.
    """

    content_type: bytes = b"application/x-ndjson"
    streams: bool = True
    """False: the client wants the answer whole, and gets what `finish` returns."""

    def feed(self, event: SseEvent) -> bytes:
        """Take the next event of the child's stream."""
        raise NotImplementedError

    def answer(self, body: bytes) -> bytes:  # noqa: ARG002 - for those who override it
        """Take the child's whole answer, where it was not asked for a stream."""
        raise UpstreamLost("the engine did not answer with the stream that was asked for")

    @property
    def is_whole(self) -> bool:
        """All of the child's answer has come; what follows it on the wire says nothing."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Do what takes a wait between the child's last event and `finish`."""

    def finish(self) -> bytes:
        """The child's answer is over: the end of ours. Raises UpstreamLost when it was not whole.

        Without `streams` this is all of it.
        """
        raise NotImplementedError

    def failure(self, error: PaddockError) -> bytes:
        """How a stream that has begun tells its client of an error. Must not raise."""
        raise NotImplementedError


class Translated(Relay):
    """A relay that writes what a translator makes of the child's answer.

    The child's refusals are errors here, raised by `run`: as long as nothing was written they are
    answered in the shape of the client's dialect, or the request is sent again in another way.
    """

    _plain: Gather | None = None
    _plain_status = 0
    _size = 0
    """Bytes that the child has said: a large answer is put together in a thread."""

    def __init__(
        self,
        request: web.BaseRequest,
        added: Headers,
        translator: Translator,
        *,
        stall_timeout: float,
    ) -> None:
        super().__init__(request, added, stall_timeout=stall_timeout)
        self.translator = translator
        """May be changed until the child answers."""
        self._parser = SseParser()

    # --- for the endpoint

    async def run(self, connection: Connection, head: bytes, body: bytes) -> Relayed:
        """As `Relay.run`; raises Upstream, with the child's status, when the child refuses."""
        self._parser = SseParser()
        self._plain = None
        self._size = 0
        await super().run(connection, head, body)
        translator = self.translator
        await self._take_plain()
        await translator.settle()
        last = await by_size(0 if translator.streams else self._size, translator.finish)
        if not translator.streams:
            return self.whole(200, ((b"Content-Type", translator.content_type),), last)
        self._write(last)
        self._finish()
        return self.relayed()

    @property
    def has_begun(self) -> bool:
        """A part of the child's answer is in ours, or on its way there: nothing can be retried."""
        return bool(self._last)

    def report(self) -> Answer:
        """What was answered so far. Its tokens are told by the child's last events."""
        answer = super().report()
        answer.head = b""
        answer.tail = self._before + b"\n" + self._last
        return answer

    def open_events(self) -> None:
        """Begin the answer before the child does, for a client that is told what it waits for."""
        self._open()
        self.flush()

    def fail(self, error: PaddockError) -> None:
        """End an answer that has begun with an error in the client's dialect."""
        if self._is_over:
            return
        self._failure = error.message
        self._put(self.translator.failure(error))
        self._finish()

    # --- Sink

    def on_head(self, head: ResponseHead) -> None:
        if head.status == 200 and head.header(b"content-type").startswith(EVENT_STREAM):
            return
        self._plain_status = head.status
        self._plain = Gather(PLAIN_LIMIT)
        self._plain.on_head(head)

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > PLAIN_LIMIT:
            self._check_size()
        if self._plain is not None:
            self._plain.on_body(data)
        elif not self._is_done():
            self._guarded(self._feed, data)

    def on_end(self) -> None:
        self._connection = None
        if self._is_done():
            return
        if self._plain is not None:
            self._guarded(self._plain.on_end)
        else:
            self._guarded(self._finish_events)
        if not self._is_done():
            self.flush()
            self._is_answered()

    def on_lost(self, error: UpstreamLost) -> None:
        self._connection = None
        if self._is_done():
            return
        if self._plain is None and self.translator.is_whole:
            self._is_answered()  # all that was lost is the end of the framing
        else:
            self._give_up(error)

    # --- translating

    def _guarded(self, work: Callable[[Unpack[Ts]], None], *args: *Ts) -> None:
        """Do it; whatever it raises ends the answer, because nobody else could end the wait."""
        try:
            work(*args)
        except PaddockError as error:
            self._give_up(error)
        except Exception:
            log.exception("an answer could not be translated")
            self._give_up(problems.Internal())

    def _feed(self, data: bytes) -> None:
        self._translate(self._parser.feed(data))

    def _check_size(self) -> None:
        """What is kept until it is whole is kept with measure."""
        if self._plain is not None or (self._size > STREAM_LIMIT and not self.translator.streams):
            self._give_up(UpstreamLost("the engine's answer is too large"))

    def _finish_events(self) -> None:
        self._translate(self._parser.finish())

    def _translate(self, events: list[SseEvent]) -> None:
        feed = self.translator.feed
        for event in events:
            self._before, self._last = self._last, event.data[-KEPT_BYTES:]
            self._write(feed(event))

    async def _take_plain(self) -> None:
        """Take the answer where it was no stream."""
        if self._plain is None:
            return
        body = self._plain.done.result().body
        self._size = len(body)
        if self._plain_status != 200:
            raise problems.engine_refusal(self._plain_status, body)
        # What the answer took may be told at its beginning, as it is of vectors.
        self._before = body[:KEPT_BYTES] if len(body) > KEPT_BYTES else b""
        self._last = body[-KEPT_BYTES:]
        self._write(await by_size(self._size, self.translator.answer, body))

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if not self._status:
            self._open()
        self._put(data)

    def _open(self) -> None:
        kind = self.translator.content_type
        self._content_type = kind
        self._events = True  # it comes piece by piece, whatever the pieces look like
        self._begin(200, ((b"Content-Type", kind), (b"Cache-Control", b"no-cache")))

    # --- the end

    def _is_done(self) -> bool:
        return self.done is None or self.done.done()

    def _is_answered(self) -> None:
        """The child has said all: `run` goes on."""
        if self.done is not None and not self.done.done():
            self.done.set_result(None)

    def _give_up(self, error: PaddockError) -> None:
        self.flush()  # what the child has said before is said
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)
