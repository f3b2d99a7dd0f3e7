"""What would happen if a model were loaded now. Pure; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.library.model import Model
from paddock.memory.placement import Plan
from paddock.memory.question import Question
from paddock.scheduler.idle import spare
from paddock.scheduler.look import Look
from paddock.scheduler.seating import needs, seating
from paddock.scheduler.state import State


@dataclass(frozen=True, slots=True)
class Outlook:
    """The plan by which a model would be loaded."""

    question: Question
    plan: Plan
    leave: tuple[str, ...] = ()
    """Models that would have to leave first, by id."""
    busy: tuple[str, ...] = ()
    """Of those, who serve requests now: they would be waited for."""
    needs: str = ""
    """What they make room for; empty when nobody has to leave."""


def outlook(state: State, look: Look, model: Model, now: float) -> Outlook | None:
    """The outlook for `model`; None: it is not planned. An instance of its own leaves anyway."""
    if look.question is None:
        return None
    others = [one for one in state.residents if one.model.id != model.id]
    found = seating(look, others, spare(others, state.queue), state.limits, now)
    plan = found.seat.plan if found.seat else found.refused or found.best
    if plan is None:
        return None
    going = [one for one in others if not one.open] if not found.seat and not found.leave else []
    leave = (*found.leave, *going)
    return Outlook(
        look.question,
        plan,
        tuple(one.model.id for one in leave),
        tuple(one.model.id for one in leave if one.leases),
        needs(plan) if leave else "",
    )
