"""What happened, as frozen dataclasses, and the bus that carries them upwards.

A lower room never calls a higher one: it publishes, and whoever cares listens. Publishing is
synchronous and never waits; a reader that falls behind loses the oldest events and is told so.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

log = logging.getLogger(__name__)


class InstanceState(StrEnum):
    """Where an instance is in its life. `FAILED` is the last state of one that could not live."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CatalogChanged:
    """The library's snapshot was replaced. Ids, each in one of the four."""

    added: frozenset[str]
    removed: frozenset[str]
    replaced: frozenset[str]
    """Same id, other files or another command: running instances of these are out of date."""
    refreshed: frozenset[str] = frozenset()
    """Same child, other names or settings: running instances serve on with the new ones."""


@dataclass(frozen=True, slots=True)
class InstanceChanged:
    """An instance changed state, or came further in loading (`progress` 0..1, None if unknown)."""

    model: str
    instance: str
    state: InstanceState
    progress: float | None = None
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConfigChanged:
    """Another configuration is in force: `config.current.Current` has it already."""

    needs_restart: tuple[str, ...] = ()
    """Keys that changed and are only read when the daemon starts."""


@dataclass(frozen=True, slots=True)
class ConfigRefused:
    """A changed configuration cannot be used; the last good one stays. One text per problem."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """Another profile is on; None: none is."""

    name: str | None


@dataclass(frozen=True, slots=True)
class GpusChanged:
    """Models may use more or less of the GPUs: a pause or its end, a reservation by the clock."""


@dataclass(frozen=True, slots=True)
class PullFile:
    """How far a file of a pull is. Bytes."""

    url: str
    """Where it is asked for; without a signature."""
    total: int
    completed: int


@dataclass(frozen=True, slots=True)
class PullChanged:
    """A pull came further: told whenever its state changes, and sometimes in between."""

    id: str
    name: str
    """What was asked for."""
    state: str
    """As `GET /api/paddock/pulls` tells it."""
    ended: bool
    files: tuple[PullFile, ...] = ()
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """A subscriber was too slow: `count` events before the next one were dropped."""

    count: int


Event = (
    CatalogChanged
    | InstanceChanged
    | ConfigChanged
    | ConfigRefused
    | ProfileChanged
    | GpusChanged
    | PullChanged
    | EventsLost
)
Listener = Callable[[Event], None]


class Subscription:
    """A bounded stream of events. Iterate it; leave its `with` block to end it."""

    def __init__(self, bus: EventBus, limit: int) -> None:
        self._bus = bus
        self._limit = limit
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._arrived = asyncio.Event()
        self._closed = False

    def __enter__(self) -> Self:
        self._bus.listen(self._offer)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream; an iterator that waits ends at once. Idempotent."""
        self._closed = True
        self._bus.unlisten(self._offer)
        self._arrived.set()

    def _offer(self, event: Event) -> None:
        if len(self._waiting) >= self._limit:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append(event)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._waiting:
                if self._lost:
                    lost, self._lost = self._lost, 0
                    yield EventsLost(lost)
                yield self._waiting.popleft()
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()


class EventBus:
    """Carries events to listeners, in the order they were published. Loop thread only."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def publish(self, event: Event) -> None:
        """Call every listener now. One that raises is logged and does not stop the others."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %r", event)

    def listen(self, listener: Listener) -> None:
        """Call `listener` for every event from now on. It must not block."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Stop calling `listener`. Idempotent."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def subscribe(self, limit: int = 1024) -> Subscription:
        """A stream of the events from now on, holding at most `limit` that were not read yet."""
        return Subscription(self, limit)
