"""What was found out about a model before it gets room: what it wants, and what there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from paddock.engine.buffers import HOST
from paddock.engine.placed import Placed
from paddock.library.model import Model
from paddock.memory.flags import flags
from paddock.memory.ledger import NOTHING, Claim, Holding
from paddock.memory.placement import Plan
from paddock.memory.question import Question

if TYPE_CHECKING:
    from paddock.hardware.devices import Device

FRESH = 5.0
"""Seconds for which a look holds: other programs use the machine, too."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A place for one instance."""

    claim: Claim = NOTHING
    placed: Placed | None = None
    """None: its engine puts it where it likes."""
    plan: Plan | None = None
    question: Question | None = None
    engine: str = ""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that there were to choose from."""
        return self.question.measured.devices if self.question else ()


ANYWHERE: Final = Seat()


@dataclass(eq=False, slots=True)
class Look:
    """One look at one model. Its answers are kept: decisions are made over and over."""

    at: float
    question: Question | None = None
    """None: it cannot be planned, and starts without a plan."""
    claim: Claim = NOTHING
    """Of what cannot be planned: what it took the last time."""
    engine: str = ""
    fingerprint: str = ""
    """Of the version that was looked at."""
    _answers: dict[tuple[object, ...], Plan] = field(default_factory=dict)

    def holds(self, model: Model, now: float) -> bool:
        """Whether it still tells how `model` is placed."""
        return now - self.at <= FRESH and self.fingerprint == model.fingerprint

    def plan(self, holdings: tuple[Holding, ...]) -> Plan | None:
        """Where it goes beside these; None: where its engine likes."""
        if self.question is None:
            return None
        held = tuple(
            (tuple(one.claim.cards.items()), *one.claim[1:], one.phase) for one in holdings
        )
        if held not in self._answers:
            self._answers[held] = self.question.answer(holdings)
        return self._answers[held]

    def seat(self, plan: Plan | None) -> Seat:
        """The place by a plan."""
        if plan is None or self.question is None:
            return Seat(self.claim)
        claim, chosen = self.question.claim(plan), placed(self.question, plan)
        return Seat(claim, chosen, plan, self.question, self.engine)


def placed(question: Question, plan: Plan) -> Placed:
    """A plan in words for the engine."""
    numbers = plan.estimate
    planned = {name: share.logged for name, share in numbers.devices.items()}
    return Placed(
        words=tuple(flags(plan, question.shape)),
        context=plan.context,
        slots=plan.slots,
        processor=question.processor(plan),
        on_devices=question.on_devices(plan),
        reason=plan.reason,
        planned={**planned, HOST: numbers.host.logged},
    )
