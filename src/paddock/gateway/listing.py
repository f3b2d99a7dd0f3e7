"""What runs, as llama-swap tells it, and every detail of what there is, as Paddock does."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.config.model_entry import ModelEntry
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import InstanceState
from paddock.gateway import places
from paddock.gateway.model_list import STATUS, states
from paddock.gateway.queue_endpoint import waiting_rows
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import FailureView, InstanceView


class Listing:
    """Answers what runs, and every detail of what there is."""

    def __init__(
        self,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        launcher: Launcher,
    ) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._launcher = launcher

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/running", self.running),
            Route("GET", "/api/paddock/library", self.library),
            Route("GET", "/api/paddock/instances", self.instances),
        )

    async def running(self, call: Call) -> web.Response:  # noqa: ARG002
        """llama-swap's list of what is in memory."""
        view = self._scheduler.snapshot()
        return web.json_response({"running": [self._running(one) for one in view.instances]})

    async def library(self, call: Call) -> web.Response:
        """All models, unlisted ones too, and with `?all=1` the files that were left out."""
        catalog = self._library.catalog
        view = self._scheduler.snapshot()
        running, failed = states(view), {failure.model for failure in view.failed}
        told = [_library_entry(m, _state_word(m, running, failed)) for m in catalog.models.values()]
        left_out = [{"path": str(f.path), "reason": f.reason} for f in catalog.left_out]
        everything = "all" in call.request.query
        return web.json_response({"models": told, "left_out": left_out if everything else []})

    async def instances(self, call: Call) -> web.Response:  # noqa: ARG002
        """What runs, who waits, what failed."""
        view = self._scheduler.snapshot()
        return web.json_response(
            {
                "instances": [self._instance(one) for one in view.instances],
                "queue": waiting_rows(view.waiting),
                "failures": [_failure(one) for one in view.failed],
            }
        )

    def _running(self, view: InstanceView) -> dict[str, Any]:
        instance = self._launcher.find(view.instance)
        model = self._library.catalog.models.get(view.model)
        settings = model.settings if model else ModelEntry()
        return {
            "model": view.model,
            "state": str(view.state),
            "cmd": shlex.join(map(self._current.masking.text, instance.argv)) if instance else "",
            "proxy": instance.address if instance else "",
            "ttl": int(view.ttl),
            "name": settings.name,
            "description": settings.description,
        }

    def _instance(self, view: InstanceView) -> dict[str, Any]:
        instance = self._launcher.find(view.instance)
        placed = instance.placed if instance else None
        return {
            "model": view.model,
            "instance": view.instance,
            "state": str(view.state),
            "progress": instance.progress if instance else None,
            "engine": instance.engine if instance else "",
            "pid": instance.pid if instance else None,
            "slots": view.slots,
            "active": view.active,
            "idle_seconds": view.idle,
            "ttl": view.ttl,
            "keep_alive": -1 if math.isinf(view.keep_alive) else view.keep_alive,
            "context": (places.context(instance) if instance else 0) or view.context,
            "processor": places.processor(instance) if instance else "",
            "memory": dict(instance.memory) if instance else {},
            "planned": dict(placed.planned) if placed else {},
            "reason": placed.reason if placed else "",
            "expires_in": view.unload_in,
            "load_seconds": view.load_time,
            "size": instance.model.size if instance else 0,
            "leaving": view.leaving,
            "group": view.group,
            "stays_for": view.stays_for,
        }


def _state_word(model: Model, states: dict[str, InstanceState], failed: Iterable[str]) -> str:
    runs_as = running_id(model)
    if runs_as in states:
        return STATUS.get(states[runs_as], "unloaded")
    return "failed" if runs_as in failed else "unloaded"


def _library_entry(model: Model, state: str) -> dict[str, Any]:
    header = model.header
    return {
        "id": model.id,
        "aliases": list(model.aliases),
        "name": model.settings.name or header.name,
        "path": str(model.path) if model.path else "",
        "shards": [PurePath(shard).name for shard in model.shards],
        "projector": str(model.projector) if model.projector else "",
        "size": model.size,
        "quantization": header.quantization,
        "parameters": header.parameters,
        "context_length": header.context_length,
        "architecture": header.architecture,
        "traits": sorted(model.traits),
        "modified": model.modified,
        "unlisted": model.settings.unlisted,
        "state": state,
    }


def _failure(view: FailureView) -> dict[str, Any]:
    return {
        "model": view.model,
        "kind": str(view.error.kind),
        "message": view.error.message,
        "hint": view.error.hint,
        "retry_after": view.error.retry_after,
    }
