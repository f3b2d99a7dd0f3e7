"""Getting models: pulls as jobs of the daemon, and what can be found.

See docs/reference/api-pulls.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from paddock.acquire.found import told as told_found
from paddock.acquire.hubs import Hubs
from paddock.acquire.huggingface import SORTS
from paddock.acquire.pull import Pull
from paddock.acquire.pulls import Pulls
from paddock.acquire.request import PullRequest
from paddock.config.current import Current
from paddock.errors import InvalidRequest
from paddock.gateway import problems
from paddock.gateway.body import dump_json, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.ollama import fields
from paddock.gateway.pull_paths import PULLS
from paddock.gateway.routes import Call, Route

BODY_BYTES: Final = 64 << 10
LINES: Final = "application/x-ndjson"
PAUSE: Final = 0.1
"""Seconds between two states of a stream."""
MOST_PATTERNS: Final = 64
MOST_FOUND: Final = 100
_LONGEST: Final = 300
"""Characters of what is searched for."""


class PullEndpoints:
    """Answers who wants models brought in."""

    def __init__(self, current: Current, pulls: Pulls, hubs: Hubs, streams: EventStreams) -> None:
        self._current = current
        self._pulls = pulls
        self._hubs = hubs
        self._streams = streams

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", PULLS, self.pull),
            Route("GET", PULLS, self.all),
            Route("GET", f"{PULLS}/*", self.follow),
            Route("DELETE", f"{PULLS}/*", self.cancel),
            Route("GET", "/api/paddock/search", self.search),
            Route("POST", "/models", self.download),
        )

    # --- pulls

    async def pull(self, call: Call) -> web.StreamResponse:
        """Begin a pull or join one, and tell how far it is; `dry_run` tells what it would do."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        request = pull_request(body)
        if fields.truth(body, "dry_run"):
            plan, quota = await self._pulls.plan(request)
            return web.json_response(await asyncio.to_thread(plan.told, quota))
        return await self._stream(call, await self._pulls.ask(request, lasting=True))

    async def all(self, call: Call) -> web.Response:  # noqa: ARG002
        """The pulls under way, and those that ended last."""
        return web.json_response({"pulls": await self.rows()})

    async def follow(self, call: Call) -> web.StreamResponse:
        """How far one pull is, until it ends."""
        await self._pulls.known()
        return await self._stream(call, self._pulls.find(unquote(call.rest)))

    async def cancel(self, call: Call) -> web.Response:
        """End a pull."""
        return web.json_response(await self.ended(unquote(call.rest)))

    async def rows(self) -> list[dict[str, Any]]:
        """The pulls under way, and those that ended last, each as it is now."""
        await self._pulls.known()
        return [_state(pull) for pull in self._pulls.all()]

    async def begun(self, request: PullRequest) -> dict[str, Any]:
        """Begin a pull or join one; how it is now. Raises AcquireError and InvalidRequest."""
        return _state(await self._pulls.ask(request, lasting=True))

    async def ended(self, pull_id: str) -> dict[str, Any]:
        """End a pull; how it is then. Raises UnknownId."""
        await self._pulls.known()
        pull = self._pulls.find(pull_id)
        await self._pulls.cancel(pull)
        return _state(pull)

    async def _stream(self, call: Call, pull: Pull) -> web.StreamResponse:
        return await self._streams.serve(call, _states(pull), LINES)

    async def download(self, call: Call) -> web.Response:
        """llama.cpp's router: begin a download; `/models/sse` tells how it goes."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        await self._pulls.ask(PullRequest(fields.asked_name(body, "model", "name")), lasting=True)
        return web.json_response({"success": True})

    # --- finding

    async def search(self, call: Call) -> web.Response:
        """Repositories with GGUF files."""
        return web.json_response({"results": await self.found(call.request.query)})

    async def found(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """What `q`, `limit` and `sort` find. Raises InvalidRequest and AcquireError."""
        sort = query.get("sort") or "trending"
        if sort not in SORTS:
            known = ", ".join(SORTS)
            raise InvalidRequest(f"`sort` is none of {known}", param="sort")
        limit = query.get("limit") or "20"
        if not limit.isdecimal() or not 1 <= int(limit[:9]) <= MOST_FOUND:
            raise InvalidRequest(f"`limit` is a number up to {MOST_FOUND}", param="limit")
        text = query.get("q", "")[:_LONGEST]
        found = await self._hubs.search(text, int(limit), sort)
        memory = await self._hubs.memory()
        context = self._current.config.context_length
        return [told_found(one, memory, context) for one in found]


def pull_request(body: Mapping[str, Any]) -> PullRequest:
    """What a body asks to be brought in. Raises InvalidRequest."""
    patterns = body.get("files")
    patterns = [patterns] if isinstance(patterns, str) else patterns or []
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        raise InvalidRequest("`files` must be an array of strings", param="files")
    if len(patterns) > MOST_PATTERNS or any(len(one) > _LONGEST for one in patterns):
        raise InvalidRequest("`files` has too many patterns, or too long ones", param="files")
    return PullRequest(
        name=fields.asked_name(body, "name", "model"),
        quant=fields.text(body, "quant").strip(),
        all=fields.truth(body, "all"),
        files=tuple(filter(None, patterns)),
        insecure=fields.truth(body, "insecure"),
    )


async def _states(pull: Pull) -> AsyncIterator[bytes]:
    async with aclosing(pull.watch(PAUSE)) as changes:
        async for _ in changes:
            yield dump_json(_state(pull)) + b"\n"


def _state(pull: Pull) -> dict[str, Any]:
    error = pull.error
    told = None
    if error is not None:
        code = problems.shape_of(error).code
        told = {"message": error.message, "hint": error.hint, "code": code}
    return {**pull.row(), "error": told}
