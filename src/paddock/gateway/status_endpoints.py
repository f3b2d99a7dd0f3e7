"""`/api/paddock/status`: how the house is, in one look."""

from __future__ import annotations

import os
import time
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from paddock import __version__
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.errors import EngineMissing
from paddock.gateway.config_endpoints import ConfigEndpoints
from paddock.gateway.front import Front
from paddock.gateway.places import processor
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.observe.logs import LogRing
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import InstanceView, SchedulerView


class StatusEndpoints:
    """Tells how the daemon is."""

    def __init__(
        self,
        front: Front,
        ring: LogRing,
        library: Library,
        scheduler: Scheduler[Instance],
        launcher: Launcher,
        config: ConfigEndpoints,
        pending: AbstractSet[str],
        gpus: GpuRules,
    ) -> None:
        """`pending`: models that the configuration names and that are being brought in."""
        self._front = front
        self._ring = ring
        self._library = library
        self._scheduler = scheduler
        self._launcher = launcher
        self._config = config
        self._pending = pending
        self._gpus = gpus
        self._started_at = datetime.now(UTC)
        self._started = time.monotonic()

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/paddock/status", self.status),)

    async def status(self, call: Call) -> web.Response:  # noqa: ARG002
        """The doors, the configuration's health, the engine, the models, and what went wrong."""
        catalog = self._library.catalog
        return web.json_response(
            {
                "version": __version__,
                "pid": os.getpid(),
                "started_at": self._started_at.isoformat(timespec="seconds"),
                "uptime": time.monotonic() - self._started,
                "doors": [{"name": name, "url": url} for name, url in self._front.doors],
                "config": self._config.health(),
                "engine": self._engine(),
                "gpus": list(self._gpus.told()),
                "models": {"count": len(catalog.models), "left_out": len(catalog.left_out)},
                "pending": sorted(self._pending),
                **self._scheduled(self._scheduler.snapshot()),
                "warnings": list(self._ring.troubles()),
            }
        )

    def _engine(self) -> dict[str, Any]:
        """The engine of models that name none; empty, with the reason, where there is none."""
        engines = self._launcher.engines
        try:
            return {"default": engines.default(), "problem": "", "known": list(engines.names())}
        except EngineMissing as error:
            problem = f"{error.message}; {error.hint}"
            return {"default": "", "problem": problem, "known": list(engines.names())}

    def _scheduled(self, view: SchedulerView) -> dict[str, Any]:
        return {
            "running": [self._running(one) for one in view.instances],
            "waiting": len(view.waiting),
            "failures": [
                {"model": one.model, "kind": str(one.error.kind), "message": one.error.message}
                for one in view.failed
            ],
        }

    def _running(self, view: InstanceView) -> dict[str, Any]:
        instance = self._launcher.find(view.instance)
        return {
            "model": view.model,
            "state": str(view.state),
            "active": view.active,
            "slots": view.slots,
            "processor": processor(instance) if instance else "",
        }
