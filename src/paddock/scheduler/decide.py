"""From the state to what must be done now: the thinking of the scheduler. Pure.

`decide` is asked again after its answer was carried out, until it has none: each step sees the
effects of the one before. All times in a state are compared with `now` here and nowhere else;
`next_wake` tells when the answer may change though nothing happens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from paddock.events import InstanceState
from paddock.scheduler.actions import Action, Expire, Grant, Stop
from paddock.scheduler.idle import spare, unload_at
from paddock.scheduler.limits import Limits
from paddock.scheduler.queue import Line
from paddock.scheduler.rooms import rooms
from paddock.scheduler.state import Leaving, Resident, State
from paddock.scheduler.turns import ages_at, due_at, startable


def decide(state: State, now: float) -> tuple[Action, ...]:
    """What must be done now; empty when all is as it should be."""
    for stage in STAGES:
        if actions := tuple(stage(state, now)):
            return actions
    return ()


def next_wake(state: State, now: float) -> float | None:
    """The first time after `now` at which `decide` may answer something new by itself."""
    later = (time for time in _times(state, now) if now < time < math.inf)
    return min(later, default=None)


def _expiries(state: State, now: float) -> Iterator[Expire]:
    for line in state.queue.lines.values():
        if expires_at(line, state.limits) <= now:
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
            turn_over = resident.leaving is Leaving.TURN_OVER
            yield Stop(resident, (turn_over and resident.why) or resident.leaving)
        elif (time := unload_at(resident)) is not None and time <= now:
            yield Stop(resident, f"idle for {resident.stays:g} s")


def _may_go(resident: Resident, now: float) -> bool:
    if resident.state is InstanceState.STOPPING:
        return False
    return not resident.leases or (resident.cut_at is not None and resident.cut_at <= now)


def _surplus(state: State, now: float) -> Iterator[Stop]:  # noqa: ARG001
    """Who can go, when the limit was lowered below what is loaded."""
    over = sum(resident.open for resident in state.residents) - state.limits.max_loaded
    if over > 0:
        for resident in spare(state.residents, state.queue)[: int(over)]:
            yield Stop(resident, "fewer models may be loaded now")


def expires_at(line: Line, limits: Limits) -> float:
    """When the first of `line` has waited as long as it may."""
    return line.oldest.since + limits.patience(line.model)


def _times(state: State, now: float) -> Iterator[float]:
    for resident in state.residents:
        if (time := unload_at(resident)) is not None:
            yield time
        if resident.cut_at is not None:
            yield resident.cut_at
    for line in state.queue.lines.values():
        yield expires_at(line, state.limits)
        if history := state.failures.blocking(line.model, now):
            yield history.until
    for line in startable(state, now):
        if state.limits.priorities:
            yield ages_at(line, state.limits)
        yield from (due_at(r, line, state.limits) for r in state.residents if r.open)


STAGES: tuple[Callable[[State, float], Iterator[Action]], ...] = (
    _expiries,
    _grants,
    _departures,
    _surplus,
    rooms,
)
"""In this order; the next is asked when those before it have nothing to say."""
