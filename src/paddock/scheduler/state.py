"""What the scheduler knows. Changed only by `scheduler.py`, and read by everything that thinks."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from paddock.events import InstanceState
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.variant import serves
from paddock.memory.ledger import NOTHING, Claim
from paddock.scheduler.backoff import Failures
from paddock.scheduler.coexist import FREE, Rules
from paddock.scheduler.contract import Instance
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.look import ANYWHERE, Look, Seat
from paddock.scheduler.pace import Pace
from paddock.scheduler.queue import Queue


class Leaving(StrEnum):
    """Why an instance takes no new leases, in words for the owner."""

    TURN_OVER = "its turn is over: another model has waited long enough"
    UNLOADED = "unloaded by hand"
    REPLACED = "its file or its entry changed"
    RELOADED = "a request needs it loaded in another way"
    REMOVED = "it left the library"
    SHUTDOWN = "the daemon stops"
    FAILED = "it failed"
    GPU_TAKEN = "the owner wants its GPU for something else"


@dataclass(eq=False, slots=True)
class Resident:
    """An instance that holds one of the rooms in memory: from its start until it is gone."""

    instance: Instance
    model: Model
    starting: asyncio.Task[Any]
    gone: asyncio.Future[None]
    """Done when the instance has been stopped and its room is free."""
    started_at: float = 0.0
    state: InstanceState = InstanceState.STARTING
    slots: int = 0
    ttl: float = 0.0
    """Idle time before it leaves, as the owner says; 0 = never."""
    keep_alive: float | None = None
    """The same as requests said, `inf` = never; None: none has said it."""
    served: bool = False
    """It has given a lease."""
    returned: bool = False
    """Its model had been swapped out and was soon asked for again."""
    ready_at: float = 0.0
    idle_since: float = 0.0
    leases: set[Lease[Any]] = field(default_factory=set)
    leaving: Leaving | None = None
    """Set: no new leases, and it stops when those it has have ended."""
    cut_at: float | None = None
    """When it stops whether or not leases have ended; None: it waits for them."""
    why: str = ""
    """Of one whose turn is over: whom it goes for, where that is for memory."""
    seat: Seat = ANYWHERE
    """Where it was put."""
    claim: Claim = NOTHING
    """What it holds: by the plan, and once it is ready by what it told."""

    @property
    def open(self) -> bool:
        """Whether it gives leases, now or once it is ready."""
        return self.leaving is None and self.state is not InstanceState.STOPPING

    @property
    def ready(self) -> bool:
        return self.state is InstanceState.READY

    @property
    def pinned(self) -> bool:
        """Whether nobody else's need of memory sends it away."""
        return self.model.settings.pinned

    @property
    def idle(self) -> bool:
        return self.ready and not self.leases

    @property
    def free(self) -> bool:
        """Whether it can give a lease this instant."""
        return self.ready and self.leaving is None and len(self.leases) < self.slots

    @property
    def stays(self) -> float:
        """Idle time before it leaves; `inf` = never, 0 = at once."""
        return (self.ttl or math.inf) if self.keep_alive is None else self.keep_alive

    def becomes_ready(self, limits: Limits, now: float) -> None:
        self.state = InstanceState.READY
        self.slots = limits.slots(self.model, self.instance.slots)
        self.ready_at = self.idle_since = now

    def takes(self, model: Model, limits: Limits) -> None:
        """From now on `model`, of the same fingerprint, and `limits` tell how it is used.

        What requests said about how long it stays is not forgotten.
        """
        self.model, self.ttl = model, limits.ttl(model)
        if self.ready:
            self.slots = limits.slots(model, self.instance.slots)

    def leave(self, reason: Leaving, cut_at: float | None = None) -> None:
        """Take no new leases, from now on for `reason`. Of several times to cut the first holds."""
        self.leaving = reason
        self.cut_at = min((t for t in (self.cut_at, cut_at) if t is not None), default=None)

    def running(self) -> Counter[str]:
        """How many leases each client has here."""
        return Counter(lease.client for lease in self.leases)


@dataclass(slots=True)
class State:
    """Everything a decision is made from."""

    limits: Limits
    rules: Rules = FREE
    residents: list[Resident] = field(default_factory=list)
    queue: Queue = field(default_factory=Queue)
    failures: Failures = field(default_factory=Failures)
    swapped: dict[str, float] = field(default_factory=dict)
    """When a model last went because another needed its room, by id."""
    pace: Pace = field(default_factory=Pace)
    closing: bool = False
    plans: bool = False
    """Memory is looked at before a model gets room."""
    looks: dict[str, Look] = field(default_factory=dict)
    """The last look at each model that waits for room, by id."""
    looking: set[str] = field(default_factory=set)
    """Models that are being looked at."""
    cautious: set[str] = field(default_factory=set)
    """Models whose last load failed for want of memory: the next leaves more of it alone."""

    def resident(self, model_id: str) -> Resident | None:
        """The instance that gives this model's leases: at most one does."""
        for resident in self.residents:
            if resident.model.id == model_id and resident.open:
                return resident
        return None

    def current(self, model: Model, asked: LoadOptions = NOT_SAID) -> Resident | None:
        """The instance that gives leases of this version of `model`, loaded as `asked` for."""
        resident = self.resident(model.id)
        return resident if resident is not None and self.suits(resident, model, asked) else None

    def suits(self, resident: Resident, model: Model, asked: LoadOptions = NOT_SAID) -> bool:
        """Whether `resident` is this version of `model`, loaded so that `asked` is served.

        A version that was made for a request (`variant`) is suited by itself only.
        """
        running = resident.model
        if running.fingerprint == model.fingerprint and asked is NOT_SAID:
            return True
        return not model.origin and serves(running, model, asked, self.limits.context_length)

    @property
    def crowded(self) -> bool:
        """Whether more is loaded than may be: the limit was lowered."""
        return len(self.residents) > self.limits.max_loaded

    def loaded(self, model_id: str) -> Resident | None:
        """The instance that gives this model's leases, or may do so again after others' turn."""
        for resident in self.residents:
            if resident.model.id == model_id and (
                resident.open or (resident.ready and resident.leaving is Leaving.TURN_OVER)
            ):
                return resident
        return None

    def of(self, model_id: str) -> list[Resident]:
        """All instances of this model, older versions on their way out included."""
        return [r for r in self.residents if r.model.id == model_id]

    def forget(self, model_id: str) -> None:
        """The library has no such model any more."""
        self.failures.forget(model_id)
        self.pace.forget(model_id)
        self.swapped.pop(model_id, None)
        self.cautious.discard(model_id)
