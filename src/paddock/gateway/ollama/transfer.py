"""`/api/pull` and `/api/push`: bringing models in, and giving them away.

What is in a models folder, or at a peer, is told as pulled. A model of the store is looked up at
its registry again, for there may be a newer one; it stays as it is where the registry does not
answer, or has never heard of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiohttp import web

from paddock.errors import (
    AddressRefused,
    HubUnreachable,
    InvalidRequest,
    NeedsToken,
    NotThere,
    UnknownModel,
)
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.naming import Names
from paddock.gateway.ollama import fields, progress
from paddock.gateway.ollama.fetching import Fetching
from paddock.gateway.ollama.progress import SUCCESS, Status
from paddock.gateway.ollama.pushing import Pushing
from paddock.gateway.peer import PeerModel
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.manifest import Manifest
from paddock.library.model import Model
from paddock.library.ollama_name import OllamaName

BODY_BYTES: Final = 64 << 10
SHOWN_DIGITS: Final = 12
"""Of a digest, in a status."""

_NOT_NOW: Final = (NotThere, HubUnreachable, AddressRefused, NeedsToken)
"""With these a registry does not take from us what is here."""


class Transfer:
    """Answers who wants a model brought in, or given away."""

    def __init__(
        self,
        library: Library,
        names: Names,
        streams: EventStreams,
        fetching: Fetching,
        pushing: Pushing,
    ) -> None:
        self._library = library
        self._names = names
        self._streams = streams
        self._fetching = fetching
        self._pushing = pushing

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
        insecure = fields.truth(body, "insecure")
        stream = fields.truth(body, "stream", default=True)
        work = self.brought(name, insecure=insecure)
        return await progress.answer(call, work, self._streams, stream=stream)

    async def push(self, call: Call) -> web.StreamResponse:
        """Give a model of the store to a registry."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        name = fields.asked_name(body, "model", "name")
        fields.truth(body, "insecure")
        stream = fields.truth(body, "stream", default=True)
        model = self._library.resolve(name)
        if model.recipe is None:
            raise InvalidRequest(
                f"{model.id} is a file of the models folder, and registries take models of the "
                "store",
                param="model",
                hint=f"`paddock cp {model.id} user/name` makes one of the same bytes",
            )
        work = self._pushing.pushed(name, model.id)
        return await progress.answer(call, work, self._streams, stream=stream)

    async def brought(self, name: str, *, insecure: bool = False) -> AsyncGenerator[Status]:
        """Bring in the model of this name; the last status is SUCCESS.

        Raises what a pull does, and InvalidName for what is none.
        """
        try:
            model = self._names.resolve(name).model
        except UnknownModel:
            async with aclosing(self._fetching.fetch(name, insecure=insecure)) as statuses:
                async for status in statuses:
                    yield status
            return
        if isinstance(model, Model) and model.recipe is not None:
            async with aclosing(self._updated(name, insecure=insecure)) as statuses:
                async for status in statuses:
                    yield status
                    if status == SUCCESS:
                        return
        else:
            yield {"status": "pulling manifest"}
        for status in await asyncio.to_thread(self._present, model):
            yield status
        yield SUCCESS

    async def _updated(self, name: str, *, insecure: bool) -> AsyncGenerator[Status]:
        """Look for a newer one. Without SUCCESS at its end there is none to be had now."""
        try:
            fetch = self._fetching.fetch(name, insecure=insecure, update=True)
            async with aclosing(fetch) as statuses:
                async for status in statuses:
                    yield status
        except _NOT_NOW as error:
            yield {"status": f"what is here stays: {error.message}"}

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
