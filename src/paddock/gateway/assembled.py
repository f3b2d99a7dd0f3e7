"""Takes a child's event stream and gives the whole answer that a non-streaming client asked for."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from paddock.engine.connection import Connection, ResponseHead
from paddock.engine.pool import Fetched, Gather
from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway.assemble import Assembler
from paddock.gateway.body import dump_json
from paddock.gateway.problems import Internal
from paddock.gateway.sse import SseParser

log = logging.getLogger(__name__)

JSON_HEADERS = ((b"Content-Type", b"application/json; charset=utf-8"),)

REFUSAL_LIMIT = 1 << 20
"""An engine's refusal is a short JSON text; one that is larger is taken for a broken answer."""


class Assembled:
    """A `Sink` that feeds an assembler. An answer that is no event stream is passed on as it is."""

    def __init__(self, assembler: Assembler) -> None:
        self._assembler = assembler
        self._events = SseParser()
        self._plain: Gather | None = None
        self._done: asyncio.Future[Fetched] = asyncio.get_running_loop().create_future()

    async def run(self, connection: Connection, head: bytes, body: bytes) -> Fetched:
        """Send the request and return the whole answer.

        Raises UpstreamLost when the stream breaks off, and the engine's own error when it ends in
        one. Cancelling closes the connection, which ends the generation.
        """
        self._done = asyncio.get_running_loop().create_future()
        try:
            connection.send(head, body, self)
            return await self._done
        finally:
            connection.leave(self)

    # --- Sink

    def on_head(self, head: ResponseHead) -> None:
        if head.status != 200 or not head.header(b"content-type").startswith(b"text/event-stream"):
            self._plain = Gather(REFUSAL_LIMIT)
            self._plain.on_head(replace(head, headers=_content_type_only(head)))

    def on_body(self, data: bytes) -> None:
        if self._plain is not None:
            self._plain.on_body(data)
            return
        try:
            for event in self._events.feed(data):
                self._assembler.feed(event)
        except PaddockError as error:
            self._fail(error)

    def on_flush(self) -> None:
        """Nothing is written before the answer is whole."""

    def on_end(self) -> None:
        if self._done.done():
            return
        if self._plain is not None:
            self._end_plain(self._plain)
            return
        try:
            for event in self._events.finish():
                self._assembler.feed(event)
            answer = dump_json(self._assembler.finish())
        except PaddockError as error:
            self._fail(error)
        except Exception:  # nobody is left who could end the wait
            log.exception("an answer could not be put together")
            self._fail(Internal())
        else:
            self._done.set_result(Fetched(200, JSON_HEADERS, answer))

    def on_lost(self, error: UpstreamLost) -> None:
        self._fail(error)

    def _end_plain(self, plain: Gather) -> None:
        plain.on_end()
        try:
            self._done.set_result(plain.done.result())
        except UpstreamLost as error:
            self._fail(error)

    def _fail(self, error: PaddockError) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _content_type_only(head: ResponseHead) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"Content-Type", head.header(b"content-type") or b"application/json"),)
