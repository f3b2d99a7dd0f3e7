"""Why requests wait, in words for the owner. No I/O."""

from __future__ import annotations

import math

from paddock.scheduler.idle import spare
from paddock.scheduler.queue import Line
from paddock.scheduler.rooms import must_leave
from paddock.scheduler.seating import needs, seating
from paddock.scheduler.state import Resident, State
from paddock.scheduler.turns import due_at, startable


def reason(line: Line, state: State, now: float) -> str:
    """What the requests of `line` wait for."""
    resident = state.resident(line.model.id)
    if resident is not None and resident.ready:
        return f"all {resident.slots} slots are in use"
    if resident is not None:
        return "the model is loading"
    history = state.failures.blocking(line.model, now)
    if history is not None and history.until < math.inf:
        return f"the model failed and is tried again in {history.until - now:.0f} s"
    if line.model.id in state.looking:
        return "its place is being planned"
    return "waits for room: " + "; ".join(_hindrances(line, state, now))


def _hindrances(line: Line, state: State, now: float) -> list[str]:
    out = must_leave(line, state)
    if out:
        return [
            f"{_occupation(r, line, state, now)} ({_rule(line, r, state)})"
            for r in state.residents
            if r.model.id in out
        ]
    if len(state.residents) >= state.limits.max_loaded:
        return [_occupation(r, line, state, now) for r in state.residents]
    if wanted := _memory(line, state, now):
        return wanted
    ahead = (other.model.id for other in startable(state, now) if other is not line)
    return [f"{next(ahead, 'another')} is before it, and they do not run together"]


def _memory(line: Line, state: State, now: float) -> list[str]:
    """Who holds the memory that it needs."""
    look = state.looks.get(line.model.id)
    if look is None:
        return []
    idle = spare(state.residents, state.queue)
    found = seating(look, state.residents, idle, state.limits, now)
    leave = found.leave or [one for one in state.residents if not one.open]
    if found.best is None:
        return []
    need = needs(found.best)
    return [f"{_occupation(r, line, state, now)} ({need} is needed)" for r in leave]


def _rule(line: Line, resident: Resident, state: State) -> str:
    if resident.model.id == line.model.id:
        return "an older version"
    return state.rules.why(line.model.id, resident.model.id)


def _occupation(resident: Resident, line: Line, state: State, now: float) -> str:
    name, serves = resident.model.id, f"serves {_requests(len(resident.leases))}"
    if not resident.ready:
        return f"{name} is {resident.state}"
    if not resident.open:
        return f"{name} {serves} and takes no more"
    left = max(due_at(resident, line, state.limits) - now, 0.0)
    if resident.leases:
        return f"{name} {serves}, its turn ends in {left:.0f} s"
    return f"{name} has just come back and stays {left:.0f} s" if left else f"{name} is idle"


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"
