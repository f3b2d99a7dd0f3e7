"""The scheduler's state as others may see it: immutable, with every reason in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paddock.errors import InstanceFailed
from paddock.events import InstanceState
from paddock.scheduler.idle import unload_at
from paddock.scheduler.queue import Waiter
from paddock.scheduler.state import Resident, State


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One instance. Times are seconds."""

    model: str
    instance: str
    state: InstanceState
    slots: int
    """Leases it can give at once; 0 until it is ready."""
    active: int
    """Leases it gives now."""
    idle: float | None
    """How long nobody has used it; None while somebody does, or it is not ready."""
    ttl: float
    """Idle time before it leaves; 0 = never."""
    unload_in: float | None
    """Time left of it; None: not idle, or never."""
    load_time: float | None
    """How long its start took; None while it starts."""
    leaving: str
    """Why it takes no new requests; empty while it does."""


@dataclass(frozen=True, slots=True)
class WaitingView:
    """One request that waits."""

    model: str
    client: str
    request: str
    """The request's id, as its client sees it in `X-Request-Id`."""
    waited: float
    position: int
    """Place in order of arrival among the requests for its model, from 1."""
    priority: int
    """Its model's; higher goes first."""
    reason: str


@dataclass(frozen=True, slots=True)
class FailureView:
    """A model that may not be started now, and the answer its requests get."""

    model: str
    error: InstanceFailed
    """Its `retry_after` is the pause left; None: not before something changes."""
    failures: int
    """How often it failed within a minute."""


@dataclass(frozen=True, slots=True)
class SchedulerView:
    """What runs, what waits, what failed."""

    instances: tuple[InstanceView, ...]
    waiting: tuple[WaitingView, ...]
    """In order of arrival."""
    failed: tuple[FailureView, ...]


def view(state: State, now: float) -> SchedulerView:
    """A picture of `state` that stays as it is."""
    return SchedulerView(
        instances=tuple(_instance(resident, now) for resident in state.residents),
        waiting=_waiting(state, now),
        failed=tuple(
            FailureView(history.model_id, history.answer(now), len(history.times))
            for history in state.failures
            if history.until > now
        ),
    )


def _instance(resident: Resident, now: float) -> InstanceView:
    leaves_at = unload_at(resident)
    return InstanceView(
        model=resident.model.id,
        instance=resident.instance.id,
        state=resident.state,
        slots=resident.slots,
        active=len(resident.leases),
        idle=max(now - resident.idle_since, 0.0) if resident.idle else None,
        ttl=resident.ttl,
        unload_in=None if leaves_at is None else max(leaves_at - now, 0.0),
        load_time=resident.ready_at - resident.started_at if resident.slots else None,
        leaving=resident.leaving or "",
    )


def _waiting(state: State, now: float) -> tuple[WaitingView, ...]:
    seen: dict[str, int] = {}
    views = []
    for waiter in state.queue:
        seen[waiter.model_id] = position = seen.get(waiter.model_id, 0) + 1
        views.append(_waiter(waiter, position, state, now))
    return tuple(views)


def _waiter(waiter: Waiter, position: int, state: State, now: float) -> WaitingView:
    return WaitingView(
        model=waiter.model_id,
        client=waiter.client,
        request=waiter.request,
        waited=max(now - waiter.since, 0.0),
        position=position,
        priority=state.limits.priority(state.queue.lines[waiter.model_id].model),
        reason=_reason(waiter.model_id, state, now),
    )


def _reason(model_id: str, state: State, now: float) -> str:
    resident = state.resident(model_id)
    if resident is not None and resident.ready:
        return f"all {resident.slots} slots are in use"
    if resident is not None:
        return "the model is loading"
    history = state.failures.blocking(state.queue.lines[model_id].model, now)
    if history is not None and history.until < math.inf:
        return f"the model failed and is tried again in {history.until - now:.0f} s"
    return "waits for room: " + "; ".join(_occupation(other) for other in state.residents)


def _occupation(resident: Resident) -> str:
    if resident.leases and resident.ready:
        return f"{resident.model.id} serves {len(resident.leases)} requests"
    return f"{resident.model.id} is {resident.state}"
