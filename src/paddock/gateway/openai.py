"""The endpoints whose answer comes from a model: OpenAI's, Anthropic's Messages, llama.cpp's own,
and those that llama-swap passes to servers of pictures and speech.

All are dispatched by the model they name, in a JSON body whatever its Content-Type, in a field of a
form or in the query, and answered by that model's child or its peer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from paddock import __version__
from paddock.config.current import Current
from paddock.errors import InvalidRequest
from paddock.gateway.assemble import plan
from paddock.gateway.body import LARGE, dump_json, model_name, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.endings import ENDINGS
from paddock.gateway.filters import overridden, renamed, stripped
from paddock.gateway.forms import form_of, is_form
from paddock.gateway.forward import Ask, Forwarder, passed_headers
from paddock.gateway.naming import Names, Target
from paddock.gateway.peer import PeerModel
from paddock.gateway.recipes import told_by
from paddock.gateway.routes import Call, Route
from paddock.gateway.screen import screen
from paddock.library.model import Model, Recipe

JSON_LIMIT = 64 << 20
UPLOAD_LIMIT = 100 << 20
"""llama-server takes 100 MiB."""

_SAME = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/embeddings",
    "/embedding",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/rerank",
    "/v1/reranking",
    "/rerank",
    "/reranking",
    "/v1/audio/speech",
    "/v1/images/generations",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/infill",
    "/completion",
    "/completions",
    "/tokenize",
    "/detokenize",
    "/apply-template",
)
"""JSON endpoints that have the same path there."""

_WITHOUT_V1 = (
    "/chat/completions",
    "/completions",
    "/responses",
    "/messages",
    "/messages/count_tokens",
    "/embeddings",
    "/rerank",
    "/reranking",
)
"""Endpoints of servers that know no `/v1`; here they are below `/v`."""

JSON_TARGETS = {
    **{path: path for path in _SAME},
    **{f"/v{path}": path for path in _WITHOUT_V1},
    "/chat/completions": "/v1/chat/completions",
    "/audioapi/v1/tasks/run": "/v1/tasks/run",
}
"""Each JSON endpoint of the door, and the path that answers it."""

FORM_PATHS = ("/v1/audio/transcriptions",)
"""Endpoints that take a form."""

EITHER_PATHS = ("/v1/audio/voices", "/v1/images/edits")
"""Endpoints that take a form or JSON."""

QUERY_PATHS = ("/v1/audio/voices", "/sdapi/v1/loras", "/props")
"""Endpoints without a body: the query names the model."""

JSON = ((b"Content-Type", b"application/json"),)
CHAT = "/v1/chat/completions"


class ModelEndpoints:
    """The endpoints whose answer comes from a model."""

    def __init__(self, current: Current, names: Names, forwarder: Forwarder) -> None:
        self._current = current
        self._names = names
        self._forwarder = forwarder

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            *(Route("POST", path, self.answer_json, asks=True) for path in JSON_TARGETS),
            *(Route("POST", path, self.answer_form, asks=True) for path in FORM_PATHS),
            *(Route("POST", path, self.answer_either, asks=True) for path in EITHER_PATHS),
            *(Route("GET", path, self.answer_query, asks=True) for path in QUERY_PATHS),
        )

    async def answer_json(self, call: Call) -> web.StreamResponse:
        """An endpoint with a JSON body."""
        raw = await sent_body(call.request, JSON_LIMIT)
        if raw[:1] != b"{" and is_form(_content_type(call), raw):
            return await self._answer_form(call, raw)
        return await self._answer_json(call, raw)

    async def answer_form(self, call: Call) -> web.StreamResponse:
        """An endpoint with a form."""
        form_of(_content_type(call), b"")  # before much is read
        return await self._answer_form(call, await sent_body(call.request, UPLOAD_LIMIT))

    async def answer_either(self, call: Call) -> web.StreamResponse:
        """An endpoint with a form or a JSON body."""
        raw = await sent_body(call.request, UPLOAD_LIMIT)
        if is_form(_content_type(call), raw):
            return await self._answer_form(call, raw)
        return await self._answer_json(call, raw)

    async def answer_query(self, call: Call) -> web.StreamResponse:
        """An endpoint without a body."""
        name = call.request.query.get("model")
        if name is None and call.request.path == "/props":
            return web.json_response(ROUTER_PROPS)
        if call.request.method == "HEAD":  # the relay passes bodies on
            raise InvalidRequest("HEAD cannot be passed to a model")
        target = self._names.resolve(model_name({"model": name}))
        url = call.request.rel_url
        url = url.update_query({"model": target.told}) if target.told else url
        ask = Ask("GET", str(url), b"", passed_headers(call.request))
        return await self._forwarder.forward(call, target, ask)

    async def _answer_json(self, call: Call, raw: bytes) -> web.StreamResponse:
        body = await parse_json_async(raw)
        target = self._names.resolve(_model_asked_for(call, body))
        path = call.request.path
        path = JSON_TARGETS.get(path, path)
        recipe = _recipe(target.model)
        if recipe and recipe.template and path == CHAT:
            ask = await asyncio.to_thread(self._templated, target, body, len(raw))
            if ask is not None:
                return await self._forwarder.translate(call, target, ask)
        ask = await _ask(target, path, body, raw)
        return await self._forwarder.forward(call, target, ask)

    def _templated(self, target: Target, body: dict[str, Any], size: int) -> Ask | None:
        """How to ask for a chat by the template that a model brings; None: as any model. Blocking:
        a template that is met for the first time is parsed.
        """
        from paddock.gateway.templated_chat import (  # noqa: PLC0415 - few models bring one
            templated_ask,
        )

        told = told_to(target, CHAT, body, screened=True)
        return templated_ask(target.model, self._current.config.ollama.go_template, told, size)

    async def _answer_form(self, call: Call, raw: bytes) -> web.StreamResponse:
        form = form_of(_content_type(call), raw)
        name = form.field("model") or call.request.query.get("model")
        target = self._names.resolve(model_name({"model": name}))
        if target.told:
            form = form.with_field("model", target.told)
        path = call.request.path
        ask = Ask(
            "POST",
            JSON_TARGETS.get(path, path),
            form.body,
            passed_headers(call.request),
            streams=form.field("stream") == "true",
        )
        return await self._forwarder.forward(call, target, ask)


ROUTER_PROPS = {
    "role": "router",
    "model_alias": "paddock",
    "model_path": "none",
    "default_generation_settings": {"n_ctx": 0, "params": {}},
    "build_info": f"paddock {__version__}",
}
"""What `/props` answers for no model: llama.cpp's router says the same kind of thing."""


def _content_type(call: Call) -> str:
    return call.request.headers.get("Content-Type", "")


def _model_asked_for(call: Call, body: dict[str, Any]) -> str:
    if body.get("model") is None and "model" in call.request.query:
        return call.request.query["model"]
    return model_name(body)


async def _ask(target: Target, path: str, body: dict[str, Any], raw: bytes) -> Ask:
    """What to ask the target: the client's own bytes unless something in them must change."""
    known = runs_llama_cpp(target.model)
    told = told_to(target, path, body, screened=known)
    assembly = plan(path, told) if known else None
    if assembly is not None:
        data = await _written(assembly.body, len(raw))
        return Ask("POST", path, data, JSON, assembler=assembly.assembler)
    data = raw if told is body else await _written(told, len(raw))
    endings = ENDINGS.get(path, ()) if known else ()
    return Ask("POST", path, data, JSON, streams=told.get("stream") is True, endings=endings)


def told_to(target: Target, path: str, body: dict[str, Any], *, screened: bool) -> dict[str, Any]:
    """The body as the target sees it: with the owner's changes, of which none is screened."""
    filters = target.filters
    told = renamed(body, target.told)
    told = stripped(told, filters) if filters else told
    recipe = _recipe(target.model)
    told = told_by(recipe, path, told) if recipe else told
    told = screen(path, told) if screened else told
    return overridden(told, filters, target.name) if filters else told


def _recipe(model: Model | PeerModel) -> Recipe | None:
    """What a model adds to its weights; of most models nothing."""
    return None if isinstance(model, PeerModel) else model.recipe


async def _written(body: dict[str, Any], size: int) -> bytes:
    """The body as JSON; one that came in `size` bytes is written off the loop when that is much."""
    if size > LARGE:
        return await asyncio.to_thread(dump_json, body)
    return dump_json(body)


def runs_llama_cpp(model: Model | PeerModel) -> bool:
    """Whether a model's child is llama.cpp's server, whose weak spots and streams we know."""
    if isinstance(model, PeerModel):
        return False
    return model.path is not None or "llama-server" in model.settings.cmd
