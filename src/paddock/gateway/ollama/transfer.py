"""`/api/pull` and `/api/push`: bringing models in, and giving them away.

What is in the library already is told as pulled. Downloads are not there yet: whoever adds them
gives `Transfer` a `fetch`, and `/api/create` has them too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

from aiohttp import web

from paddock.errors import InvalidRequest, StoreError, UnknownModel
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.naming import Names
from paddock.gateway.ollama import fields, progress
from paddock.gateway.ollama.progress import SUCCESS, Status
from paddock.gateway.peer import PeerModel
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.manifest import Manifest
from paddock.library.model import Model
from paddock.library.ollama_name import OllamaName

BODY_BYTES: Final = 64 << 10
SHOWN_DIGITS: Final = 12
"""Of a digest, in a status."""

Fetch = Callable[[str], AsyncGenerator[Status]]
"""Brings the model of a name in, and tells how it goes; raises before the first status when it
cannot."""


class CannotDownload(StoreError):
    """A model is not here, and nothing can bring it in."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f'pull model manifest: "{name[:200]}" is not in the library '
            "and Paddock cannot download yet",
            hint="put its GGUF into the models folder",
        )


class Transfer:
    """Answers who wants a model brought in, or given away."""

    def __init__(
        self, library: Library, names: Names, streams: EventStreams, fetch: Fetch | None = None
    ) -> None:
        """`fetch` downloads; without it there is only what is here."""
        self._library = library
        self._names = names
        self._streams = streams
        self._fetch = fetch

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", "/api/pull", self.pull),
            Route("POST", "/api/push", self.push),
        )

    async def pull(self, call: Call) -> web.StreamResponse:
        """Bring a model in; one that is here needs nothing."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        name = fields.asked_name(body, "model", "name")
        fields.truth(body, "insecure")
        stream = fields.truth(body, "stream", default=True)
        return await progress.answer(call, self.brought(name), self._streams, stream=stream)

    async def push(self, call: Call) -> web.StreamResponse:
        """Refuse to give a model away, in words."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        name = fields.asked_name(body, "model", "name")
        fields.truth(body, "insecure")
        fields.truth(body, "stream", default=True)
        self._library.resolve(name)
        raise InvalidRequest(
            f'"{name[:200]}" stays here: Paddock cannot push models to a registry', param="model"
        )

    async def brought(self, name: str, field: str = "model") -> AsyncGenerator[Status]:
        """Bring in the model of this name, the last status is SUCCESS.

        Raises InvalidRequest, which names `field`, for what is no name.
        """
        try:
            model = self._names.resolve(name).model
        except UnknownModel:
            fields.store_name(name, field)
            if self._fetch is None:
                raise CannotDownload(name) from None
            async with aclosing(self._fetch(name)) as statuses:
                async for status in statuses:
                    yield status
            return
        yield {"status": "pulling manifest"}
        for status in await asyncio.to_thread(self._present, model):
            yield status
        yield SUCCESS

    def _present(self, model: Model | PeerModel) -> list[Status]:
        """What is told of a model that is here already. Blocking."""
        if isinstance(model, PeerModel) or model.recipe is None:
            return []
        manifest = self._library.store.read(OllamaName.parse(model.id))
        return _blobs(manifest) if manifest else []


def _blobs(manifest: Manifest) -> list[Status]:
    told = [
        {
            "status": f"pulling {layer.digest.hex[:SHOWN_DIGITS]}",
            "digest": str(layer.digest),
            "total": layer.size,
            "completed": layer.size,
        }
        for layer in (*manifest.layers, manifest.config)
    ]
    return [*told, {"status": "verifying sha256 digest"}, {"status": "writing manifest"}]
