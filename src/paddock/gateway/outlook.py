"""What each waiting request waits for, and how far its model has loaded."""

from __future__ import annotations

import asyncio

from paddock.engine.instance import Instance
from paddock.events import Event, EventBus, InstanceChanged, InstanceState
from paddock.gateway.loading import Wait
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import SchedulerView, WaitingView

LOOK_SECONDS = 0.5
"""How old a look at the scheduler may be: all who wait share one."""


class Outlook:
    """Looks at the scheduler for all who wait, and hears of their models' progress."""

    def __init__(self, scheduler: Scheduler[Instance], bus: EventBus) -> None:
        self._scheduler = scheduler
        self._progress: dict[str, float | None] = {}
        """Of the instances that start, by their ids."""
        self._waiting: dict[str, WaitingView] = {}
        """By request."""
        self._loading: dict[str, str] = {}
        """The instance that starts, by model."""
        self._looked_at = float("-inf")
        bus.listen(self._heard)

    def of(self, request: str) -> Wait | None:
        """What this request waits for; None when it does not wait any more."""
        self._look(request)
        waiting = self._waiting.get(request)
        if waiting is None:
            return None
        instance = self._loading.get(waiting.model)
        progress = self._progress.get(instance or "")
        return Wait(
            model=waiting.model,
            state="loading" if waiting.loading else "queued",
            position=waiting.position,
            reason=waiting.reason,
            progress=None if progress is None else round(progress, 2),
        )

    def _look(self, request: str) -> None:
        """Look again when the last look is old, or older than the request."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < LOOK_SECONDS and request in self._waiting:
            return
        view = self._scheduler.snapshot()
        self._looked_at = now
        self._waiting = {one.request: one for one in view.waiting}
        self._loading = _loading(view)

    def _heard(self, event: Event) -> None:
        if not isinstance(event, InstanceChanged):
            return
        if event.state is InstanceState.STARTING:
            self._progress[event.instance] = event.progress
        else:
            self._progress.pop(event.instance, None)


def _loading(view: SchedulerView) -> dict[str, str]:
    starting = (one for one in view.instances if one.state is InstanceState.STARTING)
    return {one.model: one.instance for one in starting if not one.leaving}
