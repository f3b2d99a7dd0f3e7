"""`/api/events`: llama-swap's stream of what happens in the house."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import EventBus, InstanceState
from paddock.gateway.event_stream import EVENTS, EventStreams
from paddock.gateway.inflight import Inflight
from paddock.gateway.model_list import states
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.twins import running_id
from paddock.observe.journal import Journal
from paddock.observe.logs import LogRing
from paddock.scheduler.scheduler import Scheduler

if TYPE_CHECKING:
    from paddock.gateway.feed import Sources

STATES = {
    InstanceState.STARTING: "starting",
    InstanceState.READY: "ready",
    InstanceState.STOPPING: "stopping",
}
"""llama-swap's words; anything else is `stopped`."""


class EventEndpoints:
    """Streams events."""

    def __init__(
        self,
        current: Current,
        bus: EventBus,
        journal: Journal,
        inflight: Inflight,
        ring: LogRing,
        launcher: Launcher,
        library: Library,
        scheduler: Scheduler[Instance],
        profiles: Profiles,
        peers: Peers,
        streams: EventStreams,
    ) -> None:
        self._current = current
        self._bus = bus
        self._journal = journal
        self._inflight = inflight
        self._ring = ring
        self._launcher = launcher
        self._profiles = profiles
        self._library = library
        self._scheduler = scheduler
        self._peers = peers
        self._streams = streams

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/events", self.events),)

    async def events(self, call: Call) -> web.StreamResponse:
        """How everything is, and then what happens."""
        from paddock.gateway.feed import Feed  # noqa: PLC0415 - not needed to start

        async with Feed(self._sources()) as feed:
            return await self._streams.serve(call, feed.messages(), EVENTS, event=b"message")

    def _sources(self) -> Sources:
        from paddock.gateway.feed import Sources  # noqa: PLC0415 - not needed to start

        return Sources(
            self._bus,
            self._journal,
            self._inflight,
            self._ring,
            self._launcher,
            models=lambda newer: list(self._models(newer)),
            running=lambda: list(states(self._scheduler.snapshot())),
            ui=lambda: self._current.config.ui.model_dump(by_alias=True),
            profile=lambda: self._profiles.active,
        )

    def _models(self, newer: Mapping[str, InstanceState]) -> Iterator[dict[str, Any]]:
        """Every model with its state, in llama-swap's shape."""
        running = {**states(self._scheduler.snapshot()), **newer}
        for model in self._library.catalog.models.values():
            entry = {
                "id": model.id,
                "name": model.settings.name,
                "description": model.settings.description,
                "state": _state(running.get(running_id(model))),
                "unlisted": model.settings.unlisted,
                "peerID": "",
            }
            yield entry | ({"aliases": list(model.aliases)} if model.aliases else {})
        for offered in self._peers.models():
            blank = {"name": "", "description": "", "state": "", "unlisted": False}
            yield {"id": offered.id, **blank, "peerID": offered.peer.id}


def _state(state: InstanceState | None) -> str:
    return STATES.get(state, "stopped") if state else "stopped"
