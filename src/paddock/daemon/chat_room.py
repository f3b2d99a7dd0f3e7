"""Puts the chat's room together: the only file that knows all of its parts."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from paddock.chat.feed import Feeds
from paddock.chat.room import Room
from paddock.chat.sessions import Sessions
from paddock.daemon.parts import Parts, Serving
from paddock.storage.chat_store import Store

if TYPE_CHECKING:
    from aiohttp import web

    from paddock.gateway.routes import Call


class OpenRoom:
    """The room with its database open. `aclose` it."""

    def __init__(self, room: Room, stack: AsyncExitStack) -> None:
        self._room = room
        self._stack = stack

    async def answer(self, call: Call) -> web.StreamResponse:
        """Answer one request below `/api`."""
        return await self._room.answer(call)

    async def aclose(self) -> None:
        """End all that works here, and close the database. Idempotent."""
        await self._stack.aclose()


async def opened(parts: Parts, serving: Serving) -> OpenRoom:  # noqa: ARG001
    """A room in use. Raises StorageError when its database cannot be."""
    async with AsyncExitStack() as stack:
        store = Store(parts.current.config.state_dir / "chat" / "chat.db")
        stack.push_async_callback(store.aclose)
        await store.open()
        days = parts.current.config.chat.session_days
        sessions = Sessions(store=store, feeds=Feeds(), days=lambda: days)
        return OpenRoom(Room((), sessions), stack.pop_all())
    raise AssertionError
