"""What goes: chats with their files, temporary ones that were left, files that nobody sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from sqlalchemy import Connection

from paddock.chat.feed import Feeds
from paddock.chat.vault import Vault
from paddock.errors import PaddockError
from paddock.storage import chats, files
from paddock.storage.chat_store import Store
from paddock.storage.ids import now_ms
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

TEMPORARY_MS: Final = 3600 * 1000
UNSENT_MS: Final = 24 * 3600 * 1000
LOOK_SECONDS: Final = 600.0
TOLD_ONE_BY_ONE: Final = 200
"""Of more chats that go at once the pages hear that all is anew."""
BATCH: Final = 500

StopAnswers = Callable[[str, Sequence[str]], Awaitable[None]]
"""Ends what is being written in chats: by their user's id and their own."""


class Leaving:
    """Deletes what users delete, and what time deletes. `start` it, and `aclose` it."""

    def __init__(
        self, *, store: Store, vault: Vault, feeds: Feeds, stop_answers: StopAnswers
    ) -> None:
        self._store = store
        self._vault = vault
        self._feeds = feeds
        self._stop_answers = stop_answers
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Delete what an earlier run left, and look again from time to time."""
        await self.sweep(temporary_before=now_ms() + 1)
        self._looking = spawn(self._keep_looking(), name="what goes from the chats")

    async def aclose(self) -> None:
        """Look no more. Idempotent."""
        if self._looking is not None:
            await cancel_and_wait((self._looking,))

    async def remove(self, user_id: str, chat_ids: Sequence[str]) -> None:
        """Delete chats of a user's, their messages, and the files that no other chat has."""
        await self._stop_answers(user_id, chat_ids)
        for start in range(0, len(chat_ids), BATCH):
            batch = tuple(chat_ids[start : start + BATCH])
            gone = await self._store.write(partial(_removed, user_id=user_id, chat_ids=batch))
            await asyncio.to_thread(self._vault.remove, gone)
        feed = self._feeds.of(user_id)
        if len(chat_ids) > TOLD_ONE_BY_ONE:
            feed.forget()
            return
        for chat_id in chat_ids:
            feed.tell("chat_gone", {"id": chat_id})

    async def sweep(self, temporary_before: int | None = None) -> None:
        """Delete temporary chats in which nothing happens, files that nobody sent, and bytes that
        nothing knows of. Raises StorageError.
        """
        now = now_ms()
        before = temporary_before or now - TEMPORARY_MS
        for chat in await self._store.read(lambda c: chats.stale(c, before)):
            await self.remove(chat.user_id, [chat.id])
        gone = await self._store.write(lambda c: _unused_removed(c, now - UNSENT_MS))
        await asyncio.to_thread(self._vault.remove, gone)
        known = await self._store.read(files.all_ids)
        day_ago = datetime.now(UTC).timestamp() - UNSENT_MS / 1000
        strays = await asyncio.to_thread(self._vault.strays, known, day_ago)
        await asyncio.to_thread(self._vault.clear, strays)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.sweep()
            except (PaddockError, OSError) as error:
                log.warning("old chats and files could not be deleted: %s", error)


def _removed(connection: Connection, user_id: str, chat_ids: Sequence[str]) -> tuple[str, ...]:
    """The ids of the files that went with the chats."""
    named = files.in_chats(connection, user_id, *chat_ids)
    chats.remove(connection, user_id, *chat_ids)
    left = files.in_chats(connection, user_id) if named else frozenset()
    return files.remove(connection, user_id, *(named - left))


def _unused_removed(connection: Connection, before: int) -> tuple[str, ...]:
    return tuple(
        file_id
        for file in files.unused(connection, before)
        for file_id in files.remove(connection, file.user_id, file.id)
    )
