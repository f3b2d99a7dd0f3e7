"""The part of the chat's room that keeps: chats, folders, presets, files, and what goes of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from paddock.chat.answers import Answers
from paddock.chat.calls import ChatRoute
from paddock.chat.chats import ChatEndpoints
from paddock.chat.export import ExportEndpoints
from paddock.chat.feed import Feeds
from paddock.chat.files import FileEndpoints
from paddock.chat.folders import FolderEndpoints
from paddock.chat.imports import ImportEndpoint
from paddock.chat.leaving import Leaving
from paddock.chat.presets import PresetEndpoints
from paddock.chat.search import SearchEndpoint
from paddock.chat.settings import ChatSettings
from paddock.chat.vault import Vault
from paddock.storage import files
from paddock.storage.chat_store import Store
from paddock.storage.users import User


@dataclass(frozen=True, slots=True)
class History:
    """What is there then."""

    routes: tuple[ChatRoute, ...]
    store: Store
    vault: Vault
    answers: Answers

    async def leave(self, user: User) -> None:
        """An account goes: nothing is written for it any more, and its files go."""
        await self.answers.stop_chats(user.id)
        gone = await self.store.write(lambda c: files.remove_of(c, user.id))
        await asyncio.to_thread(self.vault.remove, gone)


async def history(
    stack: AsyncExitStack,
    *,
    store: Store,
    feeds: Feeds,
    settings: ChatSettings,
    vault: Vault,
    answers: Answers,
) -> History:
    """All of it at work; `stack` ends it. Raises StorageError."""
    leaving = Leaving(store=store, vault=vault, feeds=feeds, stop_answers=answers.stop_chats)
    stack.push_async_callback(leaving.aclose)
    await leaving.start()
    endpoints = (
        ChatEndpoints(store=store, feeds=feeds, leaving=leaving, as_now=answers.as_now),
        FolderEndpoints(store=store),
        PresetEndpoints(store=store),
        SearchEndpoint(store=store),
        ExportEndpoints(store=store),
        ImportEndpoint(store=store, feeds=feeds),
        FileEndpoints(
            store=store,
            vault=vault,
            largest=lambda: settings.now.uploads.largest,
            total=lambda: settings.now.uploads.total,
        ),
    )
    routes = tuple(route for one in endpoints for route in one.routes())
    return History(routes, store, vault, answers)
