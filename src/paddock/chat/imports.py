"""Taking in the chats of another program: `POST /api/import`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.feed import Feeds
from paddock.chat.import_formats import chats_in, read_chat
from paddock.chat.imported import Made, made
from paddock.errors import InvalidRequest
from paddock.storage import chats, messages
from paddock.storage.chat_store import Store
from paddock.storage.ids import now_ms

LARGEST: Final = 64 << 20
BATCH: Final = 50
"""Chats in one transaction."""
MOST_TOLD: Final = 100
TOLD_ONE_BY_ONE: Final = 200


class ImportEndpoint:
    """Makes chats of an export. What was imported before is not imported again."""

    def __init__(self, *, store: Store, feeds: Feeds) -> None:
        self._store = store
        self._feeds = feeds
        self._turn = asyncio.Lock()
        """An export becomes many times its size in memory: one at a time."""

    def routes(self) -> tuple[ChatRoute, ...]:
        """The import's route."""
        return (ChatRoute("POST", "/api/import", Who.USER, self.take),)

    async def take(self, call: ChatCall) -> web.StreamResponse:
        """Answer with how many chats and messages came, and what did not, and why."""
        user = call.user.id
        async with self._turn:
            found, skipped = await asyncio.to_thread(
                _read, await call.body(LARGEST), user, now_ms()
            )
            kept: list[Made] = []
            for start in range(0, len(found), BATCH):
                batch = found[start : start + BATCH]
                kept += await self._store.write(partial(_keep, batch=batch))
        there = len(found) - len(kept)
        skipped += [f"chats that are here already: {there}"] if there else []
        self._tell(user, kept)
        return answered(
            {
                "imported": len(kept),
                "messages": sum(len(one.messages) for one in kept),
                "skipped": _shortened(skipped),
            }
        )

    def _tell(self, user_id: str, kept: Sequence[Made]) -> None:
        feed = self._feeds.of(user_id)
        if len(kept) > TOLD_ONE_BY_ONE:
            feed.forget()
            return
        for one in kept:
            feed.tell("chat", {"chat": shapes.summary(one.chat)})


def _read(data: bytes, user_id: str, now: int) -> tuple[list[Made], list[str]]:
    """What an export becomes for this user, and what was left out. Raises InvalidRequest."""
    try:
        return _understood(chats_in(_parsed(data)), user_id, now)
    except RecursionError as error:
        raise InvalidRequest("this export nests too deep") from error


def _understood(given: Sequence[Any], user_id: str, now: int) -> tuple[list[Made], list[str]]:
    found: dict[str, Made] = {}
    skipped: list[str] = []
    for number, one in enumerate(given, start=1):
        read = read_chat(one)
        if read is None:
            skipped.append(f"entry {number} is no chat")
            continue
        result = made(read, user_id, now)
        if not result.messages:
            skipped.append(f"{result.chat.title}: there is no message in it")
            continue
        found[result.chat.id] = result
        skipped += [f"{result.chat.title}: {note}" for note in result.notes]
    return list(found.values()), skipped


def _parsed(data: bytes) -> Any:
    try:
        return _YIELDING.decode(data.removeprefix(b"\xef\xbb\xbf").decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError too
        is_zip = data.startswith(b"PK")
        raise InvalidRequest(
            "this is no JSON",
            hint="unpack the ZIP, and import conversations.json" if is_zip else "",
        ) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """In Python, so that the loop's thread can run while a large text is read."""
    return dict(pairs)


_YIELDING: Final = json.JSONDecoder(object_pairs_hook=_object)


def _keep(connection: Connection, batch: Sequence[Made]) -> list[Made]:
    """Those that were not here."""
    new = [one for one in batch if not _is_here(connection, one)]
    chats.add(connection, *(one.chat for one in new))
    messages.add(connection, *(message for one in new for message in one.messages))
    return new


def _is_here(connection: Connection, one: Made) -> bool:
    """It was imported before, or it is the chat itself that was exported here."""
    return any(
        chats.get(connection, one.chat.user_id, chat_id) is not None
        for chat_id in {one.chat.id, one.key}
    )


def _shortened(skipped: list[str]) -> list[str]:
    if len(skipped) <= MOST_TOLD:
        return skipped
    return [*skipped[:MOST_TOLD], f"and {len(skipped) - MOST_TOLD} more"]
