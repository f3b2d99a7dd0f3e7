"""Responses that go on: server-sent events or plain text, ended by us when the daemon stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing

from aiohttp import web

from paddock.config.current import Current
from paddock.gateway.routes import Call
from paddock.tasks import cancel_and_wait, spawn

PING_SECONDS = 15.0
"""A silent event stream shows this often that it lives."""

EVENTS = "text/event-stream"
TEXT = "text/plain"


class EventStreams:
    """All the open streams of the doors, so that they can be ended when the daemon stops."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._closing = asyncio.Event()

    @property
    def closing(self) -> bool:
        """Whether streams end because the daemon stops, and not because clients leave."""
        return self._closing.is_set()

    def close(self) -> None:
        """End every stream, and every one that is opened from now on. Idempotent."""
        self._closing.set()

    async def serve(
        self,
        call: Call,
        source: AsyncIterable[bytes],
        content_type: str,
        *,
        event: bytes = b"",
        is_framed: bool = False,
    ) -> web.StreamResponse:
        """Send what comes from `source` until it ends, the client leaves or the daemon stops.

        With `EVENTS` each item is the data of one event, named `event`, or with `is_framed` whole
        events; with `TEXT` it is sent as it is. A slow client makes the source wait; one that takes
        nothing for `stallTimeout` is dropped.
        """
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{content_type}; charset=utf-8",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",
                **call.headers,
            }
        )
        await response.prepare(call.request)
        name = b"event: %b\n" % event if event else b""
        frame = name + b"data: %b\n\n" if content_type == EVENTS and not is_framed else b"%b"
        ping = b":\n\n" if content_type == EVENTS else b""
        if call.request.method == "HEAD":
            return response
        async with aclosing(self._until_closed(aiter(source))) as items:
            async for item in items:
                data = frame % item if item is not None else ping
                if data:
                    await self._write(call, response, data)
        return response

    async def _write(self, call: Call, response: web.StreamResponse, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._current.config.stall_timeout):
                await response.write(data)
        except TimeoutError:
            if call.request.transport is not None:
                call.request.transport.abort()
            raise ConnectionResetError("the client stopped reading") from None

    async def _until_closed(self, items: AsyncIterator[bytes]) -> AsyncGenerator[bytes | None]:
        """The items, and None whenever there was none for a while."""
        closing = spawn(self._closing.wait(), name="event stream closes")
        upcoming = spawn(_next(items), name="event stream's next item")
        try:
            while not closing.done():
                waits = (upcoming, closing)
                await asyncio.wait(waits, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    yield None
                    continue
                item = upcoming.result()
                if item is None:
                    return
                yield item
                upcoming = spawn(_next(items), name="event stream's next item")
        finally:
            await cancel_and_wait((upcoming, closing))


async def _next(items: AsyncIterator[bytes]) -> bytes | None:
    async for item in items:
        return item
    return None
