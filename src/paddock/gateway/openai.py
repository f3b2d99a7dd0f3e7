"""The OpenAI door's model endpoints: OpenAI's, Anthropic's Messages and llama.cpp's own.

All are dispatched by the model they name, in a JSON body whatever its Content-Type, in a multipart
field or in the query, and answered by that model's child.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from paddock.errors import InvalidRequest
from paddock.gateway.assemble import plan
from paddock.gateway.body import LARGE, dump_json, model_name, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.endings import ENDINGS
from paddock.gateway.forward import Ask, Forwarder, passed_headers
from paddock.gateway.multipart import boundary_of, text_field
from paddock.gateway.routes import Call, Route
from paddock.gateway.screen import screen
from paddock.library.model import Model

JSON_LIMIT = 64 << 20
UPLOAD_LIMIT = 100 << 20
"""llama-server takes 100 MiB."""

JSON_TARGETS = {
    "/v1/chat/completions": "/v1/chat/completions",
    "/chat/completions": "/v1/chat/completions",
    "/v1/completions": "/v1/completions",
    "/v1/embeddings": "/v1/embeddings",
    "/embeddings": "/embeddings",
    "/embedding": "/embedding",
    "/v1/responses": "/v1/responses",
    "/v1/messages": "/v1/messages",
    "/v1/messages/count_tokens": "/v1/messages/count_tokens",
    "/v1/rerank": "/v1/rerank",
    "/rerank": "/v1/rerank",
    "/reranking": "/v1/rerank",
    "/v1/reranking": "/v1/rerank",
    "/v1/audio/speech": "/v1/audio/speech",
    "/v1/images/generations": "/v1/images/generations",
    "/infill": "/infill",
    "/completion": "/completion",
    "/completions": "/completions",
    "/tokenize": "/tokenize",
    "/detokenize": "/detokenize",
    "/apply-template": "/apply-template",
}
"""Each JSON endpoint of the door, and the endpoint of the child that answers it."""

JSON = ((b"Content-Type", b"application/json"),)

MULTIPART_PATHS = ("/v1/audio/transcriptions",)


class ModelEndpoints:
    """The endpoints whose answer comes from a model."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        json_routes = (Route("POST", path, self.answer_json) for path in JSON_TARGETS)
        multipart = (Route("POST", path, self.answer_multipart) for path in MULTIPART_PATHS)
        return (*json_routes, *multipart)

    async def answer_json(self, call: Call) -> web.StreamResponse:
        """An endpoint with a JSON body."""
        raw = await sent_body(call.request, JSON_LIMIT)
        body = await parse_json_async(raw)
        model = self._forwarder.resolve(_model_asked_for(call, body))
        target = JSON_TARGETS[call.request.path]
        ask = await _ask(model, target, body, raw)
        return await self._forwarder.forward(call, model, ask)

    async def answer_multipart(self, call: Call) -> web.StreamResponse:
        """An endpoint with a form: only its `model` field is looked at."""
        content_type = call.request.headers.get("Content-Type", "")
        if not content_type.lower().startswith("multipart/form-data"):
            raise InvalidRequest("this endpoint takes multipart/form-data")
        boundary = boundary_of(content_type)
        body = await sent_body(call.request, UPLOAD_LIMIT)
        name = text_field(body, boundary, "model") or call.request.query.get("model", "")
        model = self._forwarder.resolve(model_name({"model": name or None}))
        ask = Ask("POST", call.request.path, body, passed_headers(call.request))
        return await self._forwarder.forward(call, model, ask)


def _model_asked_for(call: Call, body: dict[str, Any]) -> str:
    if body.get("model") is None and "model" in call.request.query:
        return call.request.query["model"]
    return model_name(body)


async def _ask(model: Model, target: str, body: dict[str, Any], raw: bytes) -> Ask:
    """What to ask the child: the client's own bytes unless something in them must change."""
    streams = body.get("stream") is True
    if not runs_llama_cpp(model):
        return Ask("POST", target, raw, JSON, streams=streams)
    screened = screen(target, body)
    assembly = plan(target, screened)
    if assembly is not None:
        data = await _written(assembly.body, len(raw))
        return Ask("POST", target, data, JSON, assembler=assembly.assembler)
    data = raw if screened is body else await _written(screened, len(raw))
    return Ask("POST", target, data, JSON, streams=streams, endings=ENDINGS.get(target, ()))


async def _written(body: dict[str, Any], size: int) -> bytes:
    """The body as JSON; one that came in `size` bytes is written off the loop when that is much."""
    if size > LARGE:
        return await asyncio.to_thread(dump_json, body)
    return dump_json(body)


def runs_llama_cpp(model: Model) -> bool:
    """Whether a model's child is llama.cpp's server, whose weak spots and streams we know."""
    return model.path is not None or "llama-server" in model.settings.cmd
