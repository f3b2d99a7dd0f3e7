"""`/upstream/{id}/{path}`: any request of a client, WebSockets too, straight to a model's child."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from paddock.errors import InvalidRequest
from paddock.gateway.body import dump_json, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.forward import Ask, Forwarder, passed_headers
from paddock.gateway.openai import UPLOAD_LIMIT, runs_llama_cpp
from paddock.gateway.routes import Call, Route
from paddock.gateway.screen import is_screened, screen
from paddock.gateway.tunnel import is_upgrade, upgrade_headers
from paddock.library.library import Library
from paddock.library.model import Model

CLOSED_PATHS = ("/cors-proxy", "/tools")
"""Paths of llama-server that fetch and run things: not from outside."""

READ_ONLY_PATHS = ("/slots/", "/props", "/lora-adapters")
"""Paths of llama-server by which a client could write files, or change the child for all."""


class UpstreamEndpoint:
    """Passes requests through to a child."""

    def __init__(self, library: Library, forwarder: Forwarder) -> None:
        self._library = library
        self._forwarder = forwarder

    def routes(self) -> tuple[Route, ...]:
        """The routes of this endpoint."""
        return (Route("*", "/upstream/*", self.answer),)

    async def answer(self, call: Call) -> web.StreamResponse:
        """Find the model that the path begins with, load it, and pass the rest on."""
        request = call.request
        if request.method in {"HEAD", "CONNECT", "TRACE"}:
            raise InvalidRequest(f"{request.method} cannot be passed to a model")
        model, path = self._split(call.rest)
        if not path:
            root = _with_query(f"/upstream/{call.rest}/", request)
            return web.Response(status=308, headers={"Location": root})
        if _is_closed(request.method, unquote(path)):
            raise InvalidRequest(f"{path} of a model is closed from outside")
        target = _with_query(path, request)
        if is_upgrade(request):
            ask = Ask(request.method, target, b"", upgrade_headers(request))
            return await self._forwarder.tunnel(call, model, ask)
        body = await sent_body(request, UPLOAD_LIMIT)
        if runs_llama_cpp(model) and is_screened(unquote(path)):
            body = await _screened(unquote(path), body)
        ask = Ask(request.method, target, body, passed_headers(request))
        return await self._forwarder.forward(call, model, ask)

    def _split(self, rest: str) -> tuple[Model, str]:
        """The longest name of a model that `rest` begins with, and the path after it.

        Names may hold slashes. Raises UnknownModel.
        """
        parts = rest.split("/")
        for count in range(len(parts), 1, -1):
            name = unquote("/".join(parts[:count]))
            if (model := self._library.catalog.find(name)) is not None:
                return model, "/" + "/".join(parts[count:]) if count < len(parts) else ""
        model = self._forwarder.resolve(unquote(parts[0]))
        return model, "/" + "/".join(parts[1:]) if len(parts) > 1 else ""


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
