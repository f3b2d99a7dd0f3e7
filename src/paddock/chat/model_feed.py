"""Tells open pages what models do, as it happens; and `GET /api/models`.

The scheduler is looked at when an instance changes and twice a second, while somebody listens.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.feed import Feeds, Told
from paddock.chat.model_states import ModelStates, State, may_use
from paddock.events import (
    CatalogChanged,
    ConfigChanged,
    Event,
    EventBus,
    GpusChanged,
    InstanceChanged,
    ProfileChanged,
)
from paddock.storage.users import User
from paddock.tasks import cancel_and_wait, spawn

LOOK_SECONDS: Final = 0.5
MOST_SINGLE: Final = 20
"""Where more than these have changed, pages hear of all at once."""

_ALL_ANEW: Final = (CatalogChanged, ConfigChanged, GpusChanged, ProfileChanged)
"""After these, there may be other models, or the same may fit elsewhere."""


class ModelFeed:
    """Tells. Loop thread only; `start` it, and `aclose` it."""

    def __init__(self, *, states: ModelStates, feeds: Feeds, bus: EventBus) -> None:
        self._states, self._feeds, self._bus = states, feeds, bus
        self._told: dict[str, State] = {}
        """What pages know, by id."""
        self._active: set[str] = set()
        """The models about which something went on at the last look."""
        self._all_anew = False
        self._stirred = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (ChatRoute("GET", "/api/models", Who.USER, self.models),)

    async def models(self, chat: ChatCall) -> web.Response:
        """What this user may ask for, and what it is doing."""
        return answered({"models": self._states.of(chat.user)})

    def start(self) -> None:
        """Tell from now on."""
        self._feeds.add_snapshot(self._snapshot)
        self._bus.listen(self._hear)
        self._telling = spawn(self._tell(), name="tell what models do")

    async def aclose(self) -> None:
        """Tell no more. Idempotent."""
        self._bus.unlisten(self._hear)
        if self._telling is not None:
            await cancel_and_wait([self._telling])

    def found(self, model: str) -> None:
        """More is known of this model than pages were told: they are, at the next look."""
        self._active.add(model)

    def _snapshot(self, user: User) -> list[Told]:
        self._tell_what_changed()  # from here on pages that were open know the same as this one
        states = self._take_all()
        self._stirred.set()
        return [("models", _allowed(user, states))]

    def _hear(self, event: Event) -> None:
        self._all_anew |= isinstance(event, _ALL_ANEW)
        if isinstance(event, (*_ALL_ANEW, InstanceChanged)):
            self._stirred.set()

    async def _tell(self) -> None:
        while True:
            await self._stirred.wait()
            while any(self._feeds.followers()):
                self._stirred.clear()
                self._tell_what_changed()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._stirred.wait()
            self._stirred.clear()

    def _tell_what_changed(self) -> None:
        changed = [] if self._all_anew else self._changed()
        if self._all_anew or len(changed) > MOST_SINGLE:
            self._tell_all()
            return
        for state in changed:
            self._told[state["id"]] = state
            for user in self._feeds.followers():
                if may_use(user, state["id"]):
                    self._feeds.of(user.id).tell("model", state)

    def _tell_all(self) -> None:
        states = self._take_all()
        for user in self._feeds.followers():
            self._feeds.of(user.id).tell("models", _allowed(user, states))

    def _take_all(self) -> list[State]:
        self._all_anew = False
        states = self._states.all()
        self._told = {state["id"]: state for state in states}
        return states

    def _changed(self) -> list[State]:
        busy = self._states.busy(self._states.now(), self._active)
        self._active = {state["id"] for state in busy if state["state"] != "unloaded"}
        return [state for state in busy if self._told.get(state["id"]) != state]


def _allowed(user: User, states: list[State]) -> list[State]:
    return [state for state in states if may_use(user, state["id"])]
