"""What would happen if a model were loaded now. Pure; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from paddock.engine.learned import Taken
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.memory.ledger import left
from paddock.memory.placement import Plan
from paddock.memory.question import Question
from paddock.scheduler.idle import spare
from paddock.scheduler.look import Look
from paddock.scheduler.seating import held, needs, seating
from paddock.scheduler.state import Resident, State

if TYPE_CHECKING:
    from paddock.hardware.devices import Device


class Leaver(NamedTuple):
    """A model that would have to leave first."""

    model: str
    busy: bool
    """It serves requests now: it would be waited for."""
    why: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a model would be loaded."""

    question: Question | None = None
    """None, as `plan`, for what is not planned: a command of the owner's."""
    plan: Plan | None = None
    taken: Taken | None = None
    """Of what is not planned: what it took the last time, where that is known."""
    leave: tuple[Leaver, ...] = ()
    needs: str = ""
    """The memory that some of them make room for; empty when nobody has to leave for memory."""
    devices: tuple[Device, ...] = ()
    """With what is free of each now, beside all that runs and what the owner keeps."""
    host: int = 0
    """Bytes of the machine's own memory that are free now."""


def outlook(state: State, look: Look, model: Model, now: float) -> Outlook:
    """The outlook for `model`. An instance of its own leaves anyway."""
    target = running_id(model)
    others = [one for one in state.residents if one.model.id != target]
    sent = _by_rule(state, target, others)
    stay = [one for one in others if all(one is not gone for gone, _ in sent)]
    by_number = _by_number(state, stay)
    sent += [(one, f"maxLoadedModels is {state.limits.max_loaded:.0f}") for one in by_number]
    stay = [one for one in stay if one not in by_number]
    if look.question is None:
        return Outlook(leave=_leavers(sent))
    devices, host = left(look.question.measured, held(state.residents))
    gone = [one for one in state.residents if one not in stay]
    look = Look(look.at, _without(look.question, gone))
    found = seating(look, stay, spare(stay, state.queue), state.limits, now)
    plan = found.seat.plan if found.seat else found.refused or found.best
    going = [one for one in stay if not one.open] if not found.seat and not found.leave else []
    making_room = (*found.leave, *going)
    needed = needs(plan) if plan and making_room else ""
    sent += [(one, f"{needed} is needed") for one in making_room]
    return Outlook(
        look.question, plan, leave=_leavers(sent), needs=needed, devices=devices, host=host
    )


def _by_rule(state: State, target: str, others: Sequence[Resident]) -> list[tuple[Resident, str]]:
    """Those whom the owner's rules send away, and by which."""
    running = frozenset(one.model.id for one in others if one.open)
    going = frozenset(one.model.id for one in others if not one.open)
    out = state.rules.must_leave(target, running, going)
    return [(one, state.rules.why(target, one.model.id)) for one in others if one.model.id in out]


def _by_number(state: State, stay: Sequence[Resident]) -> list[Resident]:
    """Those who go because no more may be loaded: who leaves already, who is idle, who is busy."""
    over = len(stay) + 1 - state.limits.max_loaded
    if over <= 0:
        return []
    going = [one for one in stay if not one.open]
    idle = spare(stay, state.queue)
    busy = [one for one in stay if one.open and one not in idle]
    return [*going, *idle, *sorted(busy, key=lambda one: one.ready_at)][: int(over)]


def _without(question: Question, gone: Iterable[Resident]) -> Question:
    """The question when these have given back what they hold of the machine's own memory."""
    measured = question.measured
    host = measured.host + sum(one.claim.host for one in gone)
    return replace(question, measured=replace(measured, host=host))


def _leavers(sent: Iterable[tuple[Resident, str]]) -> tuple[Leaver, ...]:
    return tuple(Leaver(one.model.id, bool(one.leases), why) for one, why in sent)
