"""Who waits: one line per model, in which clients take turns.

Within a line the next is the client with the fewest running leases there, then the one that was
served longest ago, then the one that came first: a burst of one client cannot starve another, and
the requests of one client keep their order.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.scheduler.lease import Lease


@dataclass(eq=False, slots=True)
class Waiter:
    """One request that waits. Its future gets the lease or the error."""

    model_id: str
    client: str
    since: float
    future: asyncio.Future[Lease[Any]]
    request: str = ""
    """The request's id, by which it finds itself in a view."""
    number: int = 0
    """Its place in the order of arrival; given by the queue."""


@dataclass(eq=False, slots=True)
class Line:
    """The requests that wait for one model. Never empty while it is in a queue."""

    model: Model
    """The newest version asked for: what a start for this line must run."""
    asked: LoadOptions = NOT_SAID
    """How all of these requests together asked for it to be loaded."""
    yielded_at: float = float("-inf")
    """When this model last gave its room to others while it had requests waiting."""
    yielded_as: int = 0
    """The place of that in the order of arrival: times can be equal, numbers cannot."""
    _waiters: OrderedDict[int, Waiter] = field(default_factory=OrderedDict)
    _clients: dict[str, OrderedDict[int, Waiter]] = field(default_factory=dict)
    _served: dict[str, int] = field(default_factory=dict)
    _serves: int = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def __iter__(self) -> Iterator[Waiter]:
        """All waiters, in order of arrival."""
        return iter(self._waiters.values())

    def add(self, waiter: Waiter) -> None:
        self._waiters[waiter.number] = waiter
        self._clients.setdefault(waiter.client, OrderedDict())[waiter.number] = waiter

    def remove(self, waiter: Waiter) -> bool:
        """Whether it was in."""
        if self._waiters.pop(waiter.number, None) is None:
            return False
        waiting = self._clients[waiter.client]
        del waiting[waiter.number]
        if not waiting:
            del self._clients[waiter.client]
        return True

    @property
    def oldest(self) -> Waiter:
        return next(iter(self))

    @property
    def homeless_since(self) -> float:
        """Since when this line waits for room, if its model has none."""
        return max(self.oldest.since, self.yielded_at)

    @property
    def rank(self) -> int:
        """Lines with lower ranks get room first: who came, or gave its room away, longest ago."""
        return max(self.oldest.number, self.yielded_as)

    def next(self, running: Mapping[str, int]) -> Waiter:
        """Who is served next, when `running` tells how many leases of this model clients have."""
        heads = (next(iter(waiting.values())) for waiting in self._clients.values())
        return min(
            heads, key=lambda w: (running.get(w.client, 0), self._served.get(w.client, 0), w.number)
        )

    def served(self, client: str) -> None:
        """Remember that `client` had its turn now."""
        self._serves += 1
        self._served[client] = self._serves


class Queue:
    """All lines, by model id."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self._length = 0
        self._arrivals = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiter]:
        """All waiters, in order of arrival."""
        everyone = (waiter for line in self.lines.values() for waiter in line)
        return iter(sorted(everyone, key=lambda waiter: waiter.number))

    def line(self, model_id: str) -> tuple[Waiter, ...]:
        """Who waits for this model, in order of arrival."""
        return tuple(self.lines.get(model_id, ()))

    def add(self, waiter: Waiter, model: Model) -> Line:
        """Put `waiter` at the end of the line for `model`, which becomes the line's version."""
        waiter.number = self._next_number()
        line = self.lines.setdefault(waiter.model_id, Line(model))
        line.model = model
        line.add(waiter)
        self._length += 1
        return line

    def yields(self, model_id: str, now: float) -> None:
        """The model gives its room to others: if requests wait for it, they go after those."""
        if (line := self.lines.get(model_id)) is not None:
            line.yielded_at, line.yielded_as = now, self._next_number()

    def remove(self, waiter: Waiter) -> None:
        """Take `waiter` out. Idempotent."""
        line = self.lines.get(waiter.model_id)
        if line is None or not line.remove(waiter):
            return
        self._length -= 1
        if not line:
            del self.lines[waiter.model_id]

    def _next_number(self) -> int:
        self._arrivals += 1
        return self._arrivals
