"""Puts the chat's room together: the only file that knows all of its parts."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.chat.feed import Feeds
from paddock.chat.live import Live
from paddock.chat.room import Room
from paddock.chat.sessions import Sessions
from paddock.chat.settings import ChatSettings
from paddock.chat.vault import Vault
from paddock.config.schema import Config
from paddock.daemon.chat_accounts import people
from paddock.daemon.chat_admin import administration
from paddock.daemon.chat_answers import answering
from paddock.daemon.chat_history import history
from paddock.daemon.parts import Parts, Serving
from paddock.storage.chat_store import Store

if TYPE_CHECKING:
    from aiohttp import web

    from paddock.chat.calls import ChatRoute
    from paddock.chat.owning import Owning
    from paddock.gateway.routes import Call


class OpenRoom:
    """The room with its database open. `aclose` it."""

    def __init__(
        self, room: Room, owning: Owning, setup_token: str | None, stack: AsyncExitStack
    ) -> None:
        self.setup_token = setup_token
        """What makes the first account an admin's; None: there is one."""
        self._room = room
        self._owning = owning
        self._stack = stack

    @property
    def routes(self) -> tuple[ChatRoute, ...]:
        """All that is answered below `/api`."""
        return self._room.routes

    async def answer(self, call: Call) -> web.StreamResponse:
        """Answer one request below `/api`."""
        return await self._room.answer(call)

    async def answer_owner(self, call: Call) -> web.StreamResponse:
        """Answer one request of the commands about accounts and keys."""
        return await self._owning.answer(call)

    async def aclose(self) -> None:
        """End all that works here, and close the database. Idempotent."""
        await self._stack.aclose()


async def opened(parts: Parts, serving: Serving) -> OpenRoom:
    """A room in use. Raises StorageError when its database cannot be."""
    async with AsyncExitStack() as stack:
        store = Store(_database(parts.current.config))
        stack.push_async_callback(store.aclose)
        await store.open()
        settings = ChatSettings(parts.current, store, parts.bus)
        await settings.open()
        stack.callback(settings.close)
        feeds = Feeds()
        sessions = Sessions(store=store, feeds=feeds, days=lambda: settings.now.session_days)
        admin = await administration(
            stack, parts, serving, store=store, feeds=feeds, settings=settings, sessions=sessions
        )
        live = Live(feeds=feeds, streams=parts.streams)
        vault = Vault(parts.current.config.state_dir / "chat" / "files")
        family = await people(
            stack,
            parts,
            store=store,
            feeds=feeds,
            settings=settings,
            sessions=sessions,
            chat_url=lambda: dict(serving.front.doors).get("chat", ""),
        )
        chatting = await answering(
            stack,
            parts,
            serving,
            store=store,
            feeds=feeds,
            settings=settings,
            vault=vault,
            limits=family.limits,
        )
        past = await history(
            stack,
            store=store,
            feeds=feeds,
            settings=settings,
            vault=vault,
            answers=chatting.answers,
        )
        family.accounts.on_leaving(past.leave)
        routes = (*family.routes, *live.routes(), *admin.routes, *chatting.routes, *past.routes)
        room, token = Room(routes, sessions), await family.setup.token()
        return OpenRoom(room, family.owning, token, stack.pop_all())
    raise AssertionError


def _database(config: Config) -> Path | str:
    said = config.chat.database
    if said is None:
        return config.state_dir / "chat" / "chat.db"
    return said if "://" in said else Path(said)
