"""Who must leave so that a model gets a good place in memory. Pure.

A model is given the best place that it could have if all others left, or one as good: so nobody
leaves for nothing, and nothing runs on the processor while a GPU is full of what nobody uses. Of
those who could leave, those go whom it costs least to bring back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from paddock.events import InstanceState
from paddock.memory.ledger import Holding, Phase
from paddock.memory.placement import Plan
from paddock.scheduler.limits import Limits
from paddock.scheduler.look import Look, Seat
from paddock.scheduler.state import Resident
from paddock.units import format_bytes

ALMOST: Final = 0.9
"""A place with this part of what the best has on devices is as good."""
STAYS_FOREVER: Final = 100.0
"""Who was asked to stay for ever is as dear as so many others."""
MINUTE: Final = 60.0
_RANK: Final = {"refused": 0, "cpu": 1, "hybrid": 2, "split": 3, "gpu": 3}


class Seating(NamedTuple):
    """What must be done for a place. With a `seat` nothing more."""

    seat: Seat | None = None
    leave: tuple[Resident, ...] = ()
    """They must go first; who works must end that first. None and no seat: they are going."""
    refused: Plan | None = None
    """There is no place, whoever leaves."""
    best: Plan | None = None
    """What it waits for."""


def seating(
    look: Look,
    residents: Sequence[Resident],
    idle: Sequence[Resident],
    limits: Limits,
    now: float,
    ahead: Sequence[Holding] = (),
) -> Seating:
    """A place for the model of `look` beside `residents`. `idle` of them can leave at once.

    `ahead` is what those will hold who wait longer: nothing is taken from them.
    """
    here = look.plan((*_holdings(residents), *ahead))
    if here is None:
        return Seating(look.seat(None))
    best = look.plan(_holdings(residents, [one for one in residents if not one.pinned]))
    if best is None or best.kind == "refused":
        return Seating(refused=best and _with_who_stays(best, residents))
    if _is_as_good(here, best):
        return Seating(look.seat(here))
    going = [one for one in residents if not one.open]
    if ahead or _is_good(look, residents, going, best):
        return Seating(best=best)  # who leaves already makes the room, or others come first
    spare = sorted((one for one in idle if not one.pinned), key=lambda r: cost(r, limits, now))
    busy = [one for one in residents if one.open and not one.pinned and one not in spare]
    leave = _fewest(look, residents, going, [*spare, *busy], best)
    then = look.plan(_holdings(residents, [*going, *leave]))
    return Seating(leave=leave, best=then)


def _with_who_stays(refused: Plan, residents: Iterable[Resident]) -> Plan:
    """A refusal that names the models which would have to be stopped by hand."""
    pinned = [one.model.id for one in residents if one.pinned]
    if not pinned:
        return refused
    stop = f"stopping what is pinned ({', '.join(f'`paddock stop {name}`' for name in pinned)})"
    return replace(refused, helps=(stop, *refused.helps))


def cost(resident: Resident, limits: Limits, now: float) -> float:
    """What it costs to let an idle one go: its load again, the likelier the sooner it was used."""
    load = max(0.1, resident.ready_at - resident.started_at)
    recent = 1 / (1 + max(0.0, now - resident.idle_since) / MINUTE)
    worth = 2.0 ** max(-16, min(16, limits.priority(resident.model)))
    forever = STAYS_FOREVER if resident.keep_alive == math.inf else 1.0
    return load * recent * worth * forever


def _fewest(
    look: Look,
    residents: Sequence[Resident],
    going: Sequence[Resident],
    order: Sequence[Resident],
    best: Plan,
) -> tuple[Resident, ...]:
    """Of `order`, the first that are enough, without those of them that are not needed."""
    leave: list[Resident] = []
    for one in order:
        leave.append(one)
        if _is_good(look, residents, [*going, *leave], best):
            break
    for one in reversed(leave[:-1]):
        others = [other for other in leave if other is not one]
        if _is_good(look, residents, [*going, *others], best):
            leave = others
    return tuple(leave)


def _is_good(
    look: Look, residents: Sequence[Resident], gone: Sequence[Resident], best: Plan
) -> bool:
    plan = look.plan(_holdings(residents, gone))
    return plan is not None and _is_as_good(plan, best)


def _is_as_good(plan: Plan, best: Plan) -> bool:
    if _RANK[plan.kind] != _RANK[best.kind]:
        return _RANK[plan.kind] > _RANK[best.kind]
    if plan.context < best.context or plan.slots < best.slots:
        return False
    return plan.kind != "hybrid" or _there(plan) >= ALMOST * _there(best)


def _there(plan: Plan) -> int:
    return sum(share.logged for share in plan.estimate.devices.values())


def _holdings(residents: Iterable[Resident], gone: Sequence[Resident] = ()) -> tuple[Holding, ...]:
    """What they hold when these are gone; until then who is stopping holds all it has."""
    return tuple(
        Holding(one.claim, Phase.LEAVING if one in gone else _phase(one)) for one in residents
    )


def _phase(resident: Resident) -> Phase:
    return Phase.LOADING if resident.state is InstanceState.STARTING else Phase.READY


def held(residents: Iterable[Resident]) -> tuple[Holding, ...]:
    """What they hold now, as far as can be told."""
    return tuple(
        Holding(
            one.claim,
            Phase.LEAVING if one.state is InstanceState.STOPPING else _phase(one),
        )
        for one in residents
    )


def needs(plan: Plan) -> str:
    """What a plan takes, and where, in words."""
    parts = [
        f"{format_bytes(share.total)} on {name}" for name, share in plan.estimate.devices.items()
    ]
    if not parts or plan.kind == "hybrid":
        parts.append(f"{format_bytes(plan.estimate.host.total)} of RAM")
    return " and ".join(parts)
