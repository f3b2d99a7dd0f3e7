"""The scheduler's state as others may see it: immutable, with every reason in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from paddock.errors import InstanceFailed
from paddock.events import InstanceState
from paddock.library.variant import context_of
from paddock.scheduler.idle import unload_at
from paddock.scheduler.queue import Waiter
from paddock.scheduler.reasons import reason
from paddock.scheduler.state import Resident, State
from paddock.scheduler.turns import keeps_until


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
    """Idle time before it leaves, as the owner says; 0 = never."""
    keep_alive: float
    """Idle time before it leaves, as requests said, else the owner; `inf` = never."""
    context: int
    """Tokens that one request may use; 0 = unknown."""
    unload_in: float | None
    """Time left of it; None: not idle, or never."""
    load_time: float | None
    """How long its start took; None while it starts."""
    leaving: str
    """Why it takes no new requests; empty while it does."""
    group: str
    """Its group in the owner's rules; empty where there are no groups."""
    stays_for: float
    """How long it still keeps its room at least, though nobody uses it."""


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
    loading: bool
    """Its model loads, or where it will do so is being found out."""


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
        instances=tuple(_instance(resident, state, now) for resident in state.residents),
        waiting=_waiting(state, now),
        failed=tuple(
            FailureView(history.model_id, history.answer(now), len(history.times))
            for history in state.failures
            if history.until > now
        ),
    )


def _instance(resident: Resident, state: State, now: float) -> InstanceView:
    leaves_at = unload_at(resident)
    return InstanceView(
        model=resident.model.id,
        instance=resident.instance.id,
        state=resident.state,
        slots=resident.slots,
        active=len(resident.leases),
        idle=max(now - resident.idle_since, 0.0) if resident.idle else None,
        ttl=resident.ttl,
        keep_alive=resident.stays,
        context=context_of(resident.model, state.limits.context_length),
        unload_in=None if leaves_at is None else max(leaves_at - now, 0.0),
        load_time=resident.ready_at - resident.started_at if resident.slots else None,
        leaving=resident.leaving or "",
        group=state.rules.group(resident.model.id),
        stays_for=max(keeps_until(resident, state.limits) - now, 0.0),
    )


def _waiting(state: State, now: float) -> tuple[WaitingView, ...]:
    """One look at each line tells what all of it waits for."""
    looks = {
        model_id: (
            reason(line, state, now),
            state.limits.priority(line.model),
            _is_loading(model_id, state),
            count(1),
        )
        for model_id, line in state.queue.lines.items()
    }
    return tuple(_waiter(waiter, *looks[waiter.model_id], now) for waiter in state.queue)


def _is_loading(model_id: str, state: State) -> bool:
    resident = state.resident(model_id)
    return model_id in state.looking if resident is None else not resident.ready


def _waiter(
    waiter: Waiter, why: str, priority: int, loading: bool, positions: Iterator[int], now: float
) -> WaitingView:
    return WaitingView(
        model=waiter.model_id,
        client=waiter.client,
        request=waiter.request,
        waited=max(now - waiter.since, 0.0),
        position=next(positions),
        priority=priority,
        reason=why,
        loading=loading,
    )
