"""Routes of endpoints that are made when they are first asked for.

The start of the daemon is promised to be short, and most of it is imports: a household without a
client of Ollama's should not pay for its dialect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web

from paddock.gateway.ollama.paths import ASKING
from paddock.gateway.routes import Call, Route, RouteTable

Make = Callable[[], tuple[Route, ...]]


class Later:
    """Stands for routes that are not there yet.

    `load` imports what they need and gives what makes them. It is called in a thread, what it gives
    on the loop.
    """

    def __init__(self, load: Callable[[], Make]) -> None:
        self._load = load
        self._loading = asyncio.Lock()
        self._table: RouteTable | None = None

    def routes(self, paths: Iterable[tuple[str, str]]) -> tuple[Route, ...]:
        """A route for each method and path. All of them ask for a key."""
        return tuple(
            Route(method, path, self.answer, asks=(method, path) in ASKING)
            for method, path in paths
        )

    async def answer(self, call: Call) -> web.StreamResponse:
        """Answer as the endpoint does that the path leads to."""
        table = self._table or await self._made()
        route, call.rest = table.find(call.request.method, call.request.rel_url.raw_path)
        return await route.endpoint(call)

    async def _made(self) -> RouteTable:
        async with self._loading:
            if self._table is None:
                self._table = RouteTable((await asyncio.to_thread(self._load))())
        return self._table
