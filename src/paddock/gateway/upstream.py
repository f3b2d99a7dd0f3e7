"""Any request of a client, WebSockets too, straight to a model's child.

`/upstream/{id}/{path}` names the model; `/comfyui/{path}` is for one that has a path of its own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from urllib.parse import quote, unquote

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.command import COMFYUI, counts_websockets
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, NotReady
from paddock.events import InstanceState
from paddock.gateway.body import dump_json, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.forward import Ask, Forwarder, passed_headers
from paddock.gateway.naming import Names, Target
from paddock.gateway.openai import UPLOAD_LIMIT, runs_llama_cpp
from paddock.gateway.routes import Call, Route
from paddock.gateway.screen import is_screened, screen
from paddock.gateway.tunnel import is_upgrade, upgrade_headers
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.scheduler.scheduler import Scheduler

CLOSED_PATHS = ("/cors-proxy", "/tools")
"""Paths of llama-server that fetch and run things: not from outside."""

READ_ONLY_PATHS = ("/slots/", "/props", "/lora-adapters")
"""Paths of llama-server by which a client could write files, or change the child for all."""

MOST_PARTS = 16
"""A name has at most so many parts between slashes."""

LONGEST_IGNORED = 1024
"""A longer path is not looked for in `ignorePaths`: an expression that begins with `.*` takes time
by the square of the path's length, and the client chooses that."""

_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WAY_UP = re.compile(r"(?:^|[/\\])\.\.(?:[/\\]|$)")


class UpstreamEndpoint:
    """Passes requests through to a child."""

    def __init__(
        self,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        names: Names,
        forwarder: Forwarder,
    ) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._names = names
        self._forwarder = forwarder

    def routes(self) -> tuple[Route, ...]:
        """The routes of this endpoint."""
        return (
            Route("GET", "/upstream", self.page),
            Route("*", "/upstream/*", self.answer),
            Route("*", "/comfyui", self.answer_comfyui),
            Route("*", "/comfyui/*", self.answer_comfyui),
        )

    async def page(self, call: Call) -> web.Response:
        """The models that have a server of their own to look at."""
        listed = [m.id for m in self._library.catalog.models.values() if not m.settings.unlisted]
        if "text/html" not in call.request.headers.get("Accept", ""):
            return web.json_response({"models": listed})
        links = "".join(f'<li><a href="/upstream/{quote(i)}/">{escape(i)}</a>' for i in listed)
        return web.Response(
            text=f'<!doctype html><html lang="en"><title>Models</title><ul>{links}</ul></html>',
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"},
        )

    async def answer(self, call: Call) -> web.StreamResponse:
        """Find the model that the path begins with, load it, and pass the rest on."""
        model, name, path = self._split(call.rest)
        if not path:
            return _to_root(f"/upstream/{call.rest}/", call.request)
        _check_path(path)
        if _is_ignored(tuple(self._current.config.upstream.ignore_paths), unquote(path)):
            self._check_ready(model, "a path of upstream.ignorePaths does not load a model")
        return await self._pass_on(call, model, name, path)

    async def answer_comfyui(self, call: Call) -> web.StreamResponse:
        """Pass a request on to ComfyUI. Only its first page loads it: an open page asks on."""
        model = self._library.resolve(COMFYUI)
        path = call.request.rel_url.raw_path.removeprefix("/comfyui")
        if not path:
            return _to_root("/comfyui/", call.request)
        _check_path(path)
        if path != "/":
            self._check_ready(model, "only /comfyui/ loads it")
        return await self._pass_on(call, model, COMFYUI, path)

    def _check_ready(self, model: Model, hint: str) -> None:
        state, _ = self._scheduler.occupation(running_id(model))
        if state is not InstanceState.READY:
            raise NotReady(f"{model.id} is not loaded", hint=hint)

    async def _pass_on(self, call: Call, model: Model, name: str, path: str) -> web.StreamResponse:
        request, target = call.request, Target(model, name)
        if request.method in {"HEAD", "CONNECT", "TRACE"}:
            raise InvalidRequest(f"{request.method} cannot be passed to a model")
        if _is_closed(request.method, unquote(path)):
            raise InvalidRequest(f"{path} of a model is closed from outside")
        asked = _with_query(path, request)
        if is_upgrade(request):
            holds = counts_websockets(model)
            ask = Ask(request.method, asked, b"", upgrade_headers(request), holds=holds)
            return await self._forwarder.tunnel(call, target, ask)
        body = await sent_body(request, UPLOAD_LIMIT)
        if runs_llama_cpp(model) and is_screened(unquote(path)):
            body = await _screened(unquote(path), body)
        ask = Ask(request.method, asked, body, passed_headers(request))
        return await self._forwarder.forward(call, target, ask)

    def _split(self, rest: str) -> tuple[Model, str, str]:
        """The model of the longest name that `rest` begins with, that name, and the path after it.

        Names may hold slashes. Raises UnknownModel.
        """
        parts = rest.split("/")
        counts = range(1, min(len(parts), MOST_PARTS) + 1)
        names = {count: unquote("/".join(parts[:count])) for count in counts}
        known = (count for count in reversed(counts) if self._names.find_here(names[count]))
        count = next(known, 1)
        model = self._names.resolve_here(names[count])
        return model, names[count], "/" + "/".join(parts[count:]) if count < len(parts) else ""


@lru_cache(8)
def _ignored(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


def _is_ignored(patterns: tuple[str, ...], path: str) -> bool:
    if len(path) > LONGEST_IGNORED:
        return False
    return any(pattern.search(path) for pattern in _ignored(patterns))


def _check_path(path: str) -> None:
    """A path must mean to a child what it means here, and stay below the child's address.

    llama-server reads `%u0063` as a `c`: a path written so would get past the rules below.
    """
    if _NO_ESCAPE.search(path):
        raise InvalidRequest("the path holds a % that begins no escape", hint="write it as %25")
    if _WAY_UP.search(unquote(path)):
        raise InvalidRequest("the path holds `..`, which is not passed to a model")


def _to_root(root: str, request: web.BaseRequest) -> web.Response:
    """To where relative links work; a method with a body must stay the same there."""
    status = 301 if request.method in {"GET", "HEAD"} else 308
    return web.Response(status=status, headers={"Location": _with_query(root, request)})


def _with_query(path: str, request: web.BaseRequest) -> str:
    query = request.rel_url.raw_query_string
    return f"{path}?{query}" if query else path


def _is_closed(method: str, path: str) -> bool:
    return path.startswith(CLOSED_PATHS) or (method != "GET" and path.startswith(READ_ONLY_PATHS))


async def _screened(path: str, body: bytes) -> bytes:
    """A body as the engine may see it: this endpoint is no way around the rules of the others."""
    asked = await parse_json_async(body)
    screened = screen(path, asked)
    return body if screened is asked else dump_json(screened)
