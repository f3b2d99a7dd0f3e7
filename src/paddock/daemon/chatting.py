"""The chat's door, and the room behind it, which is made when the doors are open.

The room brings a database and all that is asked of it: its imports are not in the way of a start.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Final

from paddock.chat.owner_paths import PATHS
from paddock.chat.page import Page
from paddock.daemon.parts import Parts, Serving
from paddock.errors import PaddockError
from paddock.gateway.routes import Call, Route, RouteTable
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from aiohttp import web

    from paddock.daemon.chat_room import OpenRoom

log = logging.getLogger(__name__)

_ROOM: Final = "paddock.daemon.chat_room"


class Chatting:
    """Has the chat, once its room is made. Loop thread only; `aclose` it."""

    def __init__(self, parts: Parts, serving: Serving) -> None:
        self._parts = parts
        self._serving = serving
        self._page = Page()
        self._making = asyncio.Lock()
        self._room: OpenRoom | None = None
        self._beginning: asyncio.Task[None] | None = None

    def table(self) -> RouteTable:
        """What the door answers: the room below `/api`, the page everywhere else."""
        return RouteTable(
            (
                Route("*", "/api/*", self._answer, public=True),
                Route("GET", "/*", self._page.answer, public=True),
            )
        )

    def owner_routes(self) -> tuple[Route, ...]:
        """What the commands about accounts and keys ask. No key is asked for, but the owner's
        token is."""
        return tuple(Route("*", path, self._answer_owner, public=True) for path in PATHS)

    def begin(self) -> None:
        """Make the room in the background."""
        self._beginning = spawn(self._begin(), name="open the chat")

    async def aclose(self) -> None:
        """End what works in the room. Idempotent."""
        if self._beginning is not None:
            await cancel_and_wait([self._beginning])
        room, self._room = self._room, None
        if room is not None:
            await room.aclose()

    async def _begin(self) -> None:
        try:
            room = await self.opened()
            if room.setup_token is not None:
                print(self._first_steps(room.setup_token), file=sys.stderr, flush=True)  # noqa: T201
        except PaddockError as error:
            log.warning("the chat cannot be used: %s; %s", error.message, error.hint)

    def _first_steps(self, token: str) -> str:
        url = dict(self._serving.front.doors).get("chat", "the chat")
        return f"The chat has no admin yet. Open {url}/setup and give this token: {token}\n"

    async def _answer(self, call: Call) -> web.StreamResponse:
        return await (self._room or await self.opened()).answer(call)

    async def _answer_owner(self, call: Call) -> web.StreamResponse:
        return await (self._room or await self.opened()).answer_owner(call)

    async def opened(self) -> OpenRoom:
        """The room, made if there is none: it is tried again where it could not be.

        Raises StorageError.
        """
        async with self._making:
            if self._room is None:
                module = await asyncio.to_thread(importlib.import_module, _ROOM)
                self._room = await module.opened(self._parts, self._serving)
        return self._room
