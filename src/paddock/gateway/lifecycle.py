"""Loading and unloading by hand: llama.cpp's router endpoints, llama-swap's, and Paddock's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from aiohttp import web

from paddock.access.hosts import is_from_other_page, page_refused
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, PaddockError
from paddock.events import (
    CatalogChanged,
    Event,
    EventBus,
    InstanceChanged,
    InstanceState,
    PullChanged,
)
from paddock.gateway.body import model_name, parse_json_async
from paddock.gateway.context_header import options_of
from paddock.gateway.door import sent_body
from paddock.gateway.event_stream import EVENTS, EventStreams
from paddock.gateway.naming import Names
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.twins import running_id, running_model
from paddock.library.variant import checked
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import cancel_and_wait, spawn

SMALL_BODY = 64 << 10

OK = "OK"


class Lifecycle:
    """Loads and unloads models when somebody says so, and tells what happens to them."""

    def __init__(
        self,
        library: Library,
        names: Names,
        scheduler: Scheduler[Instance],
        bus: EventBus,
        streams: EventStreams,
    ) -> None:
        self._library = library
        self._names = names
        self._scheduler = scheduler
        self._bus = bus
        self._streams = streams
        self._loads: set[asyncio.Task[None]] = set()

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", "/models/load", self.load),
            Route("POST", "/models/unload", self.unload),
            Route("GET", "/models/sse", self.events),
            Route("GET", "/unload", self.unload_all),
            Route("POST", "/api/models/unload", self.unload_all),
            Route("POST", "/api/models/unload/*", self.unload_named),
            Route("POST", "/api/paddock/load", self.load_and_wait),
        )

    async def aclose(self) -> None:
        """End the loads that nobody waits for. Idempotent."""
        await cancel_and_wait(self._loads)

    async def load(self, call: Call) -> web.Response:
        """llama.cpp's router: begin to load and answer at once."""
        if not self.begin(await _name_in_body(call)):
            raise InvalidRequest("model is already running", param="model")
        return web.json_response({"success": True})

    def begin(self, name: str) -> bool:
        """Begin to load a model; False: it runs already. Raises UnknownModel."""
        model = self._runs(self._names.resolve_here(name))
        if self._is_running(model):
            return False
        task = spawn(self._load_quietly(model), name=f"load {model.id}")
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)
        return True

    async def unload(self, call: Call) -> web.Response:
        """llama.cpp's router: unload one model."""
        if not await self.end(await _name_in_body(call)):
            raise InvalidRequest("model is not running", param="model")
        return web.json_response({"success": True})

    async def end(self, name: str) -> bool:
        """Unload a model and return when its memory is free; False: it did not run.

        Raises UnknownModel.
        """
        return await self._scheduler.unload(running_id(self._in_memory(name)))

    async def load_and_wait(self, call: Call) -> web.Response:
        """Load a model and answer when it is ready, or with the reason why it cannot be."""
        model = self._names.resolve_here(await _name_in_body(call))
        await self._scheduler.load(self._runs(model), checked(options_of(call)))
        views = self._scheduler.snapshot().instances
        seconds = next((v.load_time for v in views if v.model == running_id(model)), None)
        return web.json_response({"model": model.id, "state": "loaded", "load_seconds": seconds})

    async def unload_all(self, call: Call) -> web.Response:
        """Unload everything; answers when memory is free. Not for a link on some page."""
        if is_from_other_page(call.request.headers.get("Sec-Fetch-Site", "")) and not call.origin:
            raise page_refused()
        await self._scheduler.unload_all()
        if call.request.method == "GET":
            return web.Response(text=OK)
        return web.json_response({"msg": "ok"})

    async def unload_named(self, call: Call) -> web.Response:
        """Unload one model by any of its names; answers when its memory is free."""
        name = call.request.rel_url.path.removeprefix("/api/models/unload/")
        await self.end(name)
        return web.Response(text=OK)

    async def events(self, call: Call) -> web.StreamResponse:
        """llama.cpp's router events: status changes, progress and library changes, as they are."""
        with self._bus.subscribe() as subscription:
            return await self._streams.serve(call, _told(subscription), EVENTS)

    def _in_memory(self, name: str) -> Model:
        """The model to unload. Its own names come first: a profile that leads one of them elsewhere
        must not keep it in memory.
        """
        return self._library.catalog.find(name) or self._names.resolve_here(name)

    def _runs(self, model: Model) -> Model:
        return running_model(model, self._library.catalog.models)

    def _is_running(self, model: Model) -> bool:
        return any(view.model == model.id for view in self._scheduler.snapshot().instances)

    async def _load_quietly(self, model: Model) -> None:
        try:
            await self._scheduler.load(model)
        except PaddockError:
            return  # told to all by the instance's own event


async def _name_in_body(call: Call) -> str:
    return model_name(await parse_json_async(await sent_body(call.request, SMALL_BODY)))


async def _told(events: AsyncIterable[Event]) -> AsyncIterator[bytes]:
    async for event in events:
        for told in router_events(event):
            yield json.dumps(told).encode()


def router_events(event: Event) -> list[dict[str, Any]]:
    """An event of ours in the words of llama.cpp's router; nothing for what it does not tell."""
    if isinstance(event, CatalogChanged):
        return [{"model": "*", "event": "models_reload"}]
    if isinstance(event, PullChanged):
        return _download(event)
    if not isinstance(event, InstanceChanged):
        return []
    return [{"model": event.model, "event": "status_change", "data": _status(event)}]


def _download(event: PullChanged) -> list[dict[str, Any]]:
    if event.ended:
        kind = "download_finished" if event.state == "done" else "download_failed"
        ended = {"model": event.name, "event": kind}
        return [ended | ({"data": {"error": event.reason}} if event.reason else {})]
    files = {file.url: {"done": file.completed, "total": file.total} for file in event.files}
    if not files:
        return [{"model": event.name, "event": "status_change", "data": {"status": "downloading"}}]
    data = {"progress": files}
    return [{"model": event.name, "event": "download_progress", "data": data}]


def _status(event: InstanceChanged) -> dict[str, Any]:
    if event.state is InstanceState.STARTING:
        value = event.progress or 0.0
        stage = {"stages": ["text_model"], "current": "text_model", "value": value}
        return {"status": "loading", "progress": stage}
    if event.state is InstanceState.READY:
        return {"status": "loaded"}
    if event.state is InstanceState.STOPPING:
        return {"status": "loaded", "stopping": True}
    ended: dict[str, Any] = {"status": "unloaded", "exit_code": event.exit_code or 0}
    if event.state is InstanceState.FAILED:
        ended |= {"failed": True, "reason": event.reason}
    return ended
