"""`/logs`: the daemon's log and every model's output, as text, once or as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

from aiohttp import web

from paddock.engine.launcher import Launcher
from paddock.engine.output import RING_LINES, Output
from paddock.errors import InvalidRequest, UnknownModel
from paddock.gateway.event_stream import TEXT, EventStreams
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.twins import running_id
from paddock.observe.lines import LineRing
from paddock.observe.logs import Logs


class LogEndpoints:
    """Shows logs."""

    def __init__(
        self, logs: Logs, launcher: Launcher, library: Library, streams: EventStreams
    ) -> None:
        self._rings: dict[str, LineRing] = {
            "": logs.shown,
            "proxy": logs.daemon.lines,  # llama-swap's word for it
            "paddock": logs.daemon.lines,
            "upstream": logs.upstream.lines,
        }
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
        if (ring := self._rings.get(name)) is not None:
            return web.Response(text=ring.history())
        lines = self._output(name).tail()
        return web.Response(text="".join(f"{line}\n" for line in lines))

    async def stream(self, call: Call) -> web.StreamResponse:
        """A log from its kept part on; `?no-history` leaves that out."""
        history = "no-history" not in call.request.query
        source = self._followed(unquote(call.rest), history=history)
        return await self._streams.serve(call, source, TEXT)

    def _followed(self, name: str, *, history: bool) -> AsyncIterator[bytes]:
        if (ring := self._rings.get(name)) is not None:
            return ring.follow(history=history)
        try:
            return lines_of(self._output(name), history=history)
        except UnknownModel as error:  # a log that is not there is no resource: as llama-swap says
            raise InvalidRequest(error.message, hint=error.hint) from error

    def _output(self, name: str) -> Output:
        """The output of a model's instances, empty before the first one starts."""
        return self._launcher.output(running_id(self._library.resolve(name)))


async def lines_of(output: Output, *, history: bool) -> AsyncIterator[bytes]:
    """What a model's instances print from now on, with `history` after what is kept of it."""
    with output.subscribe(RING_LINES if history else 0) as follower:
        async for line in follower:
            yield f"{line}\n".encode()
