"""What one client of `/api/events` is told: how everything is, and then what changes.

A client that reads slowly loses the oldest messages, and is then told again how everything is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio import Task
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from paddock.engine.launcher import Launcher
from paddock.events import (
    CatalogChanged,
    ConfigChanged,
    ConfigRefused,
    Event,
    EventBus,
    InstanceChanged,
    InstanceState,
    ProfileChanged,
)
from paddock.gateway.inflight import Inflight
from paddock.observe.journal import Gone, Journal, News, Recorded
from paddock.observe.logs import LogRing
from paddock.observe.record import Record
from paddock.tasks import cancel_and_wait, spawn

MOST_WAITING = 1024
TICK_SECONDS = 0.5
"""How often the bytes of running requests are told anew."""

HISTORY_LINES = 200
"""Of each running model's output, at the beginning."""

MANY_MODELS = 300
"""So many are written as JSON off the loop."""

Payload = Mapping[str, Any] | list[dict[str, Any]]
Message = Callable[[], tuple[str, Payload] | None]
"""Kind and data of a message, made when it is its turn; None when it has become pointless."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a feed listens to, and how the rest is now."""

    bus: EventBus
    journal: Journal
    inflight: Inflight
    ring: LogRing
    launcher: Launcher
    models: Callable[[Mapping[str, InstanceState]], list[dict[str, Any]]]
    """All models, in these states where they are newer than what the scheduler knows."""
    running: Callable[[], list[str]]
    """Ids of the models that have a process."""
    ui: Callable[[], Mapping[str, Any]]
    profile: Callable[[], str | None]


class Feed:
    """Use it as a context manager around the reading of `messages`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._tasks: dict[str, Task[None]] = {}
        """Who follows a log, by its name; the daemon's is the empty one."""
        self._models_wait = False
        self._states: dict[str, InstanceState] = {}
        self._told_bytes: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        self._sources.bus.listen(self._heard)
        self._sources.journal.watch(self._read)
        self._follow("", self._daemon_log())
        for model in self._sources.running():
            self._follow(model, self._output(model))
        self._put(lambda: ("logData", _log("proxy", self._sources.ring.history())))
        self._tell_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sources.bus.unlisten(self._heard)
        self._sources.journal.unwatch(self._read)
        await cancel_and_wait(self._tasks.values())

    async def messages(self) -> AsyncIterator[bytes]:
        """The messages, without end."""
        while True:
            while self._waiting:
                if (message := self._waiting.popleft()()) is not None:
                    yield await _written(*message)
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS if self._told_bytes else None):
                    await self._arrived.wait()
            self._tell_progress()

    # --- what has happened

    def _heard(self, event: Event) -> None:
        match event:
            case InstanceChanged():
                self._instance(event)
            case CatalogChanged():
                self._tell_models()
            case ProfileChanged():
                self._put(lambda: ("profileChanged", {"active": event.name}))
                self._tell_models()
            case ConfigChanged():
                told = {"ok": True, "needs_restart": event.needs_restart}
                self._put(lambda: ("configChanged", told))
                self._tell_ui()
                self._tell_models()
            case ConfigRefused():
                refused = {"ok": False, "problems": event.problems}
                self._put(lambda: ("configChanged", refused))

    def _instance(self, event: InstanceChanged) -> None:
        if event.state is InstanceState.STARTING:
            self._follow(event.model, self._output(event.model))
        if self._states.get(event.model) is not event.state:  # else it only got further in loading
            self._states[event.model] = event.state
            self._tell_models()

    def _read(self, news: News) -> None:
        if isinstance(news, Recorded):
            self._put(lambda: ("activity", {"id": news.row.id}))
        elif isinstance(news, Gone):
            self._told_bytes.pop(news.id, None)
            self._put(lambda: ("inflight", {"operation": "remove", "id": news.id}))
        else:
            self._told_bytes[news.record.id] = 0
            self._tell_request(news.record)

    # --- what is told

    def _put(self, message: Message) -> None:
        """Queue a message."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            self._models_wait = False
            self._tell_all()
        self._waiting.append(message)
        self._arrived.set()

    def _tell_all(self) -> None:
        self._tell_models()
        self._tell_ui()
        active = self._sources.profile()
        self._put(lambda: ("profileChanged", {"active": active}))
        self._told_bytes = {record.id: 0 for record in self._sources.journal.running()}
        self._put(self._snapshot)

    def _tell_models(self) -> None:
        if not self._models_wait:
            self._models_wait = True
            self._put(self._models)

    def _models(self) -> tuple[str, Payload]:
        self._models_wait = False
        return ("modelStatus", self._sources.models(self._states))

    def _tell_ui(self) -> None:
        self._put(lambda: ("uiConfig", self._sources.ui()))

    def _snapshot(self) -> tuple[str, Payload]:
        requests = self._sources.inflight.all()
        return ("inflight", {"operation": "snapshot", "requests": requests})

    def _tell_request(self, record: Record) -> None:
        self._put(lambda: self._upsert(record))

    def _upsert(self, record: Record) -> tuple[str, Payload] | None:
        if record.id not in self._told_bytes:
            return None  # it has ended meanwhile
        request = self._sources.inflight.one(record)
        self._told_bytes[record.id] = request["resp_bytes"]
        return ("inflight", {"operation": "upsert", "request": request})

    def _tell_progress(self) -> None:
        for record in self._sources.journal.running() if self._told_bytes else ():
            if record.report().sent != self._told_bytes.get(record.id):
                self._tell_request(record)

    # --- logs

    def _follow(self, name: str, following: Any) -> None:
        if name in self._tasks:
            following.close()
        else:
            self._tasks[name] = spawn(following, name=f"event feed of the log {name or 'itself'}")

    async def _daemon_log(self) -> None:
        async for data in self._sources.ring.follow(history=False):
            self._tell_log("proxy", data.decode("utf-8", "replace"))

    async def _output(self, model: str) -> None:
        with self._sources.launcher.output(model).subscribe(HISTORY_LINES) as lines:
            async for line in lines:
                self._tell_log("upstream", f"{line}\n")

    def _tell_log(self, source: str, text: str) -> None:
        self._put(lambda: ("logData", _log(source, text)))


def _log(source: str, text: str) -> dict[str, str]:
    return {"source": source, "data": text}


async def _written(kind: str, data: Payload) -> bytes:
    if isinstance(data, list) and len(data) > MANY_MODELS:
        return await asyncio.to_thread(_json, kind, data)
    return _json(kind, data)


def _json(kind: str, data: Payload) -> bytes:
    return json.dumps({"type": kind, "data": json.dumps(data)}).encode()
