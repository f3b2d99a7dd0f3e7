"""From the state to what must be done now: the thinking of the scheduler. Pure.

`decide` is asked again after its answer was carried out, until it has none: each step sees the
effects of the one before. All times in a state are compared with `now` here and nowhere else;
`next_wake` tells when the answer may change though nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from paddock.events import InstanceState
from paddock.library.model import Model
from paddock.scheduler.idle import spare, unload_at
from paddock.scheduler.limits import Limits
from paddock.scheduler.queue import Line, Waiter
from paddock.scheduler.state import Leaving, Resident, State


@dataclass(frozen=True, slots=True)
class Expire:
    """Fail `waiter`: it has waited as long as the owner allows."""

    waiter: Waiter


@dataclass(frozen=True, slots=True)
class Grant:
    """Give `waiter` a free slot of `resident`."""

    waiter: Waiter
    resident: Resident


@dataclass(frozen=True, slots=True)
class Start:
    """Start an instance of `model` in a free room."""

    model: Model


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop `resident`, whatever it does."""

    resident: Resident
    reason: str


@dataclass(frozen=True, slots=True)
class Yield:
    """Let `resident` end its leases and take no more: another model's turn has come."""

    resident: Resident


@dataclass(frozen=True, slots=True)
class Resume:
    """Let `resident` take leases again: nobody needs its room any more."""

    resident: Resident


Action = Expire | Grant | Start | Stop | Yield | Resume


def decide(state: State, now: float) -> tuple[Action, ...]:
    """What must be done now; empty when all is as it should be."""
    for stage in (_expiries, _grants, _departures, _rooms):
        if actions := tuple(stage(state, now)):
            return actions
    return ()


def next_wake(state: State, now: float) -> float | None:
    """The first time after `now` at which `decide` may answer something new by itself."""
    later = (time for time in _times(state, now) if now < time < math.inf)
    return min(later, default=None)


def _expiries(state: State, now: float) -> Iterator[Expire]:
    for line in state.queue.lines.values():
        if expires_at(line.oldest, state.limits) <= now:
            yield Expire(line.oldest)


def _grants(state: State, now: float) -> Iterator[Grant]:  # noqa: ARG001 (all stages look alike)
    if not state.queue:
        return
    for resident in state.residents:
        line = state.queue.lines.get(resident.model.id)
        if line and resident.free:
            yield Grant(line.next(resident.running()), resident)


def _departures(state: State, now: float) -> Iterator[Stop]:
    for resident in state.residents:
        if resident.leaving and _may_go(resident, now):
            yield Stop(resident, resident.leaving)
        elif (time := unload_at(resident)) is not None and time <= now:
            yield Stop(resident, f"idle for {resident.ttl:g} s")


def _may_go(resident: Resident, now: float) -> bool:
    if resident.state is InstanceState.STOPPING:
        return False
    return not resident.leases or (resident.cut_at is not None and resident.cut_at <= now)


def _rooms(state: State, now: float) -> Iterator[Action]:
    """Find a room for every model that needs one: free, being freed, freed now, or freed later."""
    lines = tuple(startable(state, now))
    yielding = {
        r.model.id: r for r in state.residents if r.leaving is Leaving.TURN_OVER and r.ready
    }
    if not lines and not yielding:
        return
    free = state.limits.max_loaded - len(state.residents)
    stopping = sum(r.state is InstanceState.STOPPING for r in state.residents)
    draining = sum(not r.open for r in state.residents) - stopping
    evictable = iter(spare(state.residents, state.queue))
    for line in lines:
        if own := yielding.pop(line.model.id, None):
            # Rooms that drain are promised last: one that is left was needed by nobody before.
            if draining > 0:
                draining -= 1
                yield Resume(own)
        elif free > 0:
            free -= 1
            yield Start(line.model)
        elif stopping > 0:
            stopping -= 1
        elif victim := next(evictable, None):
            yield Stop(victim, f"room for {line.model.id}")
        elif draining > 0:
            draining -= 1
        elif due := [r for r in _busy(state) if turn_ends_at(r, line, state.limits) <= now]:
            yield Yield(min(due, key=lambda r: r.ready_at))
            return
    yield from (Resume(resident) for resident in list(yielding.values())[:draining])


def startable(state: State, now: float) -> Iterator[Line]:
    """The lines that need room and whose model may be started now, first come first."""
    return (line for line in state.homeless() if not state.failures.blocking(line.model, now))


def expires_at(waiter: Waiter, limits: Limits) -> float:
    """When `waiter` has waited as long as it may."""
    return waiter.since + limits.queue_timeout


def turn_ends_at(resident: Resident, line: Line, limits: Limits) -> float:
    """When busy `resident` must give its room to `line`.

    What counts is the time during which the instance was ready and its requests overtook: were it
    the line's whole wait, every model would lose its room as soon as it was loaded once loads take
    longer than the limit.
    """
    return max(line.homeless_since, resident.ready_at) + limits.max_overtake


def _busy(state: State) -> Iterator[Resident]:
    return (r for r in state.residents if r.ready and r.open and r.leases)


def _times(state: State, now: float) -> Iterator[float]:
    for resident in state.residents:
        if (time := unload_at(resident)) is not None:
            yield time
        if resident.cut_at is not None:
            yield resident.cut_at
    for line in state.queue.lines.values():
        yield expires_at(line.oldest, state.limits)
        if history := state.failures.blocking(line.model, now):
            yield history.until
    for line in startable(state, now):
        yield from (turn_ends_at(r, line, state.limits) for r in _busy(state))
