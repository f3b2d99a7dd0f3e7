"""`/api/queue`: who waits for what, since when and why, and what runs meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.gateway.routes import Call, Route
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import InstanceView, WaitingView


class QueueEndpoint:
    """Shows the queue."""

    def __init__(self, scheduler: Scheduler[Instance], launcher: Launcher) -> None:
        self._scheduler = scheduler
        self._launcher = launcher

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/queue", self.queue),)

    async def queue(self, call: Call) -> web.Response:  # noqa: ARG002
        """All who wait, in order of arrival, and all that runs."""
        return web.json_response(self.told())

    def told(self) -> dict[str, Any]:
        """The same, as the answer tells it."""
        view = self._scheduler.snapshot()
        return {
            "waiting": waiting_rows(view.waiting),
            "running": [self._running(one) for one in view.instances],
        }

    def _running(self, view: InstanceView) -> dict[str, Any]:
        instance = self._launcher.find(view.instance)
        return {
            "model": view.model,
            "instance": view.instance,
            "state": str(view.state),
            "progress": instance.progress if instance else None,
            "slots": view.slots,
            "active": view.active,
            "leaving": view.leaving,
            "group": view.group,
            "stays_for": view.stays_for,
        }


def waiting_rows(waiting: Iterable[WaitingView]) -> list[dict[str, Any]]:
    """Who waits, as JSON tells it. Times are seconds."""
    now = datetime.now(UTC)
    return [_row(one, now) for one in waiting]


def _row(view: WaitingView, now: datetime) -> dict[str, Any]:
    since = now - timedelta(seconds=view.waited)
    return {
        "model": view.model,
        "client": view.client,
        "request": view.request,
        "since": since.isoformat(timespec="milliseconds"),
        "waited": round(view.waited, 3),
        "position": view.position,
        "priority": view.priority,
        "reason": view.reason,
    }
