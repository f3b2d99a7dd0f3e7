"""Whose turn it is: who gets room first, and how long a loaded model keeps its own. No I/O.

Lines are ordered by priority, then by who came, or gave its room away, longest ago. A line that has
been without room for half of the time its requests may wait goes before all that have not, whatever
its priority: so a model of low priority has a turn at least that often.
"""

from __future__ import annotations

import math

from paddock.events import InstanceState
from paddock.scheduler.limits import Limits
from paddock.scheduler.queue import Line
from paddock.scheduler.state import Resident, State

COMEBACK = 60.0
"""Seconds within which a model that was swapped out must be asked for again to be kept a while."""


def startable(state: State, now: float) -> list[Line]:
    """The lines that need room and whose model may be started now, in the order they get it."""
    housed = {resident.model.id for resident in state.residents if resident.open}
    lines = [
        line
        for line in state.queue.lines.values()
        if line.model.id not in housed and not state.failures.blocking(line.model, now)
    ]
    lines.sort(key=lambda line: line.rank)
    if state.limits.priorities:
        lines.sort(key=lambda line: _standing(line, state.limits, now), reverse=True)
    return lines


def ages_at(line: Line, limits: Limits) -> float:
    """When `line` will have been without room for so long that it goes first."""
    return line.homeless_since + limits.patience(line.model) / 2


def keeps_until(resident: Resident, limits: Limits) -> float:
    """Until when an idle `resident` keeps its room though others need it.

    Only who was swapped out and asked for again soon is kept: two clients of two models would
    otherwise swap at every request, while the first swap should be made at once.
    """
    if not resident.ready or not resident.returned:
        return -math.inf
    return resident.ready_at + limits.min_residency


def due_at(resident: Resident, line: Line, limits: Limits) -> float:
    """When ready `resident` must give its room to `line`; for one that starts: not before it is.

    For a busy one, what counts is the time during which it was ready and its requests overtook:
    were it the line's whole wait, every model would lose its room as soon as it was loaded once
    loads take longer than the limit. A line of lower priority must have aged, too: its rank would
    otherwise give the room back at once.
    """
    if resident.state is InstanceState.STARTING:
        return math.inf
    kept = keeps_until(resident, limits)
    if not resident.leases:
        return kept
    turn = max(line.homeless_since, resident.ready_at) + limits.max_overtake
    if limits.priority(line.model) < limits.priority(resident.model):
        turn = max(turn, ages_at(line, limits))
    return max(turn, kept)


def has_come_back(line: Line, state: State) -> bool:
    """Whether the model of `line` was swapped out and soon asked for again."""
    swapped_at = state.swapped.get(line.model.id, -math.inf)
    return line.oldest.since - swapped_at <= COMEBACK


def _standing(line: Line, limits: Limits, now: float) -> float:
    return math.inf if ages_at(line, limits) <= now else limits.priority(line.model)
