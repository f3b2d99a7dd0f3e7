"""`/api/events`: llama-swap's stream of what happens in the house."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import EventBus, InstanceState
from paddock.gateway.event_stream import EVENTS, EventStreams
from paddock.gateway.feed import Feed, Sources
from paddock.gateway.inflight import Inflight
from paddock.gateway.model_list import states
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.observe.journal import Journal
from paddock.observe.logs import LogRing
from paddock.scheduler.scheduler import Scheduler

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
        self._library = library
        self._scheduler = scheduler
        self._peers = peers
        self._streams = streams
        self._sources = Sources(
            bus,
            journal,
            inflight,
            ring,
            launcher,
            models=lambda newer: list(self._models(newer)),
            running=lambda: list(states(scheduler.snapshot())),
            ui=lambda: self._current.config.ui.model_dump(by_alias=True),
            profile=lambda: profiles.active,
        )

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/events", self.events),)

    async def events(self, call: Call) -> web.StreamResponse:
        """How everything is, and then what happens."""
        async with Feed(self._sources) as feed:
            return await self._streams.serve(call, feed.messages(), EVENTS, event=b"message")

    def _models(self, newer: Mapping[str, InstanceState]) -> Iterator[dict[str, Any]]:
        """Every model with its state, in llama-swap's shape."""
        running = {**states(self._scheduler.snapshot()), **newer}
        for model in self._library.catalog.models.values():
            entry = {
                "id": model.id,
                "name": model.settings.name,
                "description": model.settings.description,
                "state": _state(running.get(model.id)),
                "unlisted": model.settings.unlisted,
                "peerID": "",
            }
            yield entry | ({"aliases": list(model.aliases)} if model.aliases else {})
        for offered in self._peers.models():
            blank = {"name": "", "description": "", "state": "", "unlisted": False}
            yield {"id": offered.id, **blank, "peerID": offered.peer.id}


def _state(state: InstanceState | None) -> str:
    return STATES.get(state, "stopped") if state else "stopped"
