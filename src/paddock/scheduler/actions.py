"""What the scheduler can do, as values: `decide` names them, the core carries them out."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.library.model import Model
from paddock.memory.placement import Plan
from paddock.scheduler.look import ANYWHERE, Seat
from paddock.scheduler.queue import Waiter
from paddock.scheduler.state import Resident


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
    """Start an instance of `model`, which requests wait for, in a free room."""

    model: Model
    seat: Seat = ANYWHERE
    """Its place in memory."""


@dataclass(frozen=True, slots=True)
class Inspect:
    """Find out what placing `model` depends on."""

    model: Model


@dataclass(frozen=True, slots=True)
class Refuse:
    """Fail all who wait for `model`: by this plan there is no place for it."""

    model: Model
    plan: Plan


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop `resident`, whatever it does."""

    resident: Resident
    reason: str
    swap: bool = False
    """It goes because another model needs its room."""


@dataclass(frozen=True, slots=True)
class Yield:
    """Let `resident` end its leases and take no more: another model's turn has come."""

    resident: Resident
    why: str = ""
    """Whom it goes for, and what that one needs, in words."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Let `resident` take leases again: nobody needs its room any more."""

    resident: Resident


Action = Expire | Grant | Start | Inspect | Refuse | Stop | Yield | Resume
