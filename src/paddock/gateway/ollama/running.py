"""`/api/ps`: what is in memory, how much of it, and until when."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from aiohttp import web

from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.gateway.ollama.details import details, forever, local_time, told_digest, told_name
from paddock.gateway.places import context, sizes_of
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import InstanceView

LONG = 100 * 365 * 86400.0
"""Seconds: what stays so long stays for ever."""


class Running:
    """Answers what is in memory."""

    def __init__(
        self, scheduler: Scheduler[Instance], launcher: Launcher, library: Library
    ) -> None:
        self._scheduler = scheduler
        self._launcher = launcher
        self._library = library

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/ps", self.running),)

    async def running(self, call: Call) -> web.Response:  # noqa: ARG002
        """One entry for each instance, the one that stays longest first."""
        views = sorted(self._scheduler.snapshot().instances, key=stays_for, reverse=True)
        found = ((view, self._launcher.find(view.instance)) for view in views)
        told = [
            _entry(view, instance, self._shown(instance))
            for view, instance in found
            if instance is not None
        ]
        return web.json_response({"models": told})

    def _shown(self, instance: Instance) -> Model:
        """The model as it was asked for last, if it still has that name."""
        asked = self._library.catalog.models.get(instance.asked_as)
        runs = asked is not None and running_id(asked) == instance.model.id
        return asked if asked is not None and runs else instance.model


def stays_for(view: InstanceView) -> float:
    """Seconds until it leaves if nobody asks for it any more; below 0: it is leaving now."""
    if view.leaving:
        return -1.0
    return view.keep_alive if view.unload_in is None else view.unload_in


def _entry(view: InstanceView, instance: Instance, model: Model) -> dict[str, Any]:
    size, on_gpus = sizes_of(instance, model.size)
    return {
        "name": told_name(model.id),
        "model": told_name(model.id),
        "size": size,
        "digest": told_digest(model),
        "details": details(model),
        "expires_at": _expiry(stays_for(view)),
        "size_vram": on_gpus,
        "context_length": context(instance) or view.context,
    }


def _expiry(seconds: float) -> str:
    if math.isinf(seconds) or seconds > LONG:
        return forever()
    return local_time(datetime.now().astimezone().timestamp() + seconds)
