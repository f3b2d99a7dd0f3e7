"""`/logs`: the daemon's log and every model's output, as text, once or as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

from aiohttp import web

from paddock.engine.launcher import Launcher
from paddock.engine.output import RING_LINES, Output
from paddock.gateway.event_stream import TEXT, EventStreams
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.observe.logs import LogRing

DAEMON_NAMES = frozenset({"", "proxy", "paddock"})
"""What the daemon's own log is called in `/logs/stream/{id}`; `proxy` is llama-swap's word."""


class LogEndpoints:
    """Shows logs."""

    def __init__(
        self, ring: LogRing, launcher: Launcher, library: Library, streams: EventStreams
    ) -> None:
        self._ring = ring
        self._launcher = launcher
        self._library = library
        self._streams = streams

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/logs", self.history),
            Route("GET", "/logs/stream", self.stream),
            Route("GET", "/logs/stream/*", self.stream),
            Route("GET", "/logs/*", self.history),
        )

    async def history(self, call: Call) -> web.Response:
        """What is kept of a log."""
        name = unquote(call.rest)
        if name in DAEMON_NAMES:
            return web.Response(text=self._ring.history())
        lines = self._output(name).tail()
        return web.Response(text="".join(f"{line}\n" for line in lines))

    async def stream(self, call: Call) -> web.StreamResponse:
        """A log from its kept part on; `?no-history` leaves that out."""
        name = unquote(call.rest)
        history = "no-history" not in call.request.query
        if name in DAEMON_NAMES:
            source: AsyncIterator[bytes] = self._ring.follow(history=history)
        else:
            source = _lines(self._output(name), history=history)
        return await self._streams.serve(call, source, TEXT)

    def _output(self, name: str) -> Output:
        """The output of a model's instances, empty before the first one starts."""
        return self._launcher.output(self._library.resolve(name).id)


async def _lines(output: Output, *, history: bool) -> AsyncIterator[bytes]:
    with output.subscribe(RING_LINES if history else 0) as follower:
        async for line in follower:
            yield f"{line}\n".encode()
