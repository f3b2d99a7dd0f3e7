"""A user's chats: listed, made, changed, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.feed import Feeds
from paddock.chat.fields import LONGEST_NAME, Check, flag, id_or_none, line, settings, taken
from paddock.chat.leaving import Leaving
from paddock.chat.numbers import number
from paddock.errors import InvalidRequest, UnknownId
from paddock.storage import chats, files, folders, messages, presets
from paddock.storage.chat_store import Store
from paddock.storage.chats import Chat, Place
from paddock.storage.ids import new_id, now_ms

PAGE: Final = 50
LARGEST_PAGE: Final = 200

_NEW: Final[Mapping[str, Check]] = {
    "title": line(LONGEST_NAME),
    "folder": id_or_none,
    "temporary": flag,
    "settings": settings,
}
_CHANGES: Final[Mapping[str, Check]] = {
    "title": line(LONGEST_NAME),
    "folder": id_or_none,
    "pinned": flag,
    "archived": flag,
    "current": id_or_none,
    "settings": settings,
}
_COLUMNS: Final = {"folder": "folder_id"}


class ChatEndpoints:
    """What the page's list of chats asks for."""

    def __init__(
        self,
        *,
        store: Store,
        feeds: Feeds,
        leaving: Leaving,
        as_now: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda told: told,
    ) -> None:
        """`as_now`: a message as it is now, where it is being written."""
        self._as_now = as_now
        self._store = store
        self._feeds = feeds
        self._leaving = leaving

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of chats."""
        return (
            ChatRoute("GET", "/api/chats", Who.USER, self.list),
            ChatRoute("POST", "/api/chats", Who.USER, self.make),
            ChatRoute("DELETE", "/api/chats", Who.USER, self.remove_all),
            ChatRoute("GET", "/api/chats/{chat}", Who.USER, self.get),
            ChatRoute("PATCH", "/api/chats/{chat}", Who.USER, self.change),
            ChatRoute("DELETE", "/api/chats/{chat}", Who.USER, self.remove),
        )

    async def list(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a page of chats, and where the next one begins."""
        query, user = call.query, call.user.id
        limit = number(query, "limit", PAGE, LARGEST_PAGE)
        before = _place(query["before"]) if query.get("before") else None
        archived = query.get("archived", "") in {"1", "true"}
        folder = query.get("folder") or None
        found = await self._store.read(
            lambda connection: chats.page(
                connection,
                user,
                limit=limit,
                before=before,
                archived=archived,
                folder_id=folder,
            )
        )
        rest = [chat for chat in found if not chat.pinned]
        told: dict[str, Any] = {"chats": [shapes.summary(chat) for chat in found]}
        if len(rest) == limit:
            told["next"] = f"{rest[-1].updated}.{rest[-1].id}"
        return answered(told)

    async def make(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a new chat."""
        user, now = call.user.id, now_ms()
        sent = taken(await call.json(), _NEW)
        chat = Chat(new_id(), user, now, now, **_columns(sent))

        def add(connection: Connection) -> None:
            _check(connection, user, sent)
            chats.add(connection, chat)

        await self._store.write(add)
        self._tell(chat)
        return answered(shapes.chat(chat), status=201)

    async def get(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a chat and all its messages, every branch."""
        user, chat_id = call.user.id, call.ids["chat"]
        told = await self._store.read(lambda c: whole(c, user, chat_id))
        if any(map(self._is_behind, told["messages"])):
            told = await self._store.read(lambda c: whole(c, user, chat_id))
        told["messages"] = [self._as_now(message) for message in told["messages"]]
        return answered(told)

    async def change(self, call: ChatCall) -> web.StreamResponse:
        """Answer with the chat as it is after the change."""
        user, chat_id = call.user.id, call.ids["chat"]
        sent = taken(await call.json(), _CHANGES)
        values = _columns(sent)

        def change(connection: Connection) -> Chat:
            _check(connection, user, sent)
            current = sent.get("current")
            if current and messages.get(connection, user, chat_id, current) is None:
                raise InvalidRequest("`current` is no message of this chat", param="current")
            return known(chats.change(connection, user, chat_id, **values))

        chat = await self._store.write(change)
        self._tell(chat)
        return answered(shapes.chat(chat))

    async def remove(self, call: ChatCall) -> web.StreamResponse:
        """Delete a chat, its messages and their files."""
        user, chat_id = call.user.id, call.ids["chat"]
        known(await self._store.read(lambda c: chats.get(c, user, chat_id)))
        await self._leaving.remove(user, [chat_id])
        return nothing()

    async def remove_all(self, call: ChatCall) -> web.StreamResponse:
        """Delete all chats of the user, archived ones too."""
        user = call.user.id
        await self._leaving.remove(user, await self._store.read(lambda c: chats.ids(c, user)))
        return nothing()

    def _is_behind(self, message: Mapping[str, Any]) -> bool:
        """Whether a message was finished while it was read."""
        now = self._as_now(message)
        return bool(message["state"] == "writing" and now["state"] != "writing")

    def _tell(self, chat: Chat) -> None:
        if not chat.temporary:
            self._feeds.of(chat.user_id).tell("chat", {"chat": shapes.summary(chat)})


def known(chat: Chat | None) -> Chat:
    """The chat. Raises UnknownId where there is none, or where it is another's."""
    if chat is None:
        raise UnknownId("there is no such chat", hint="it may have been deleted")
    return chat


def whole(connection: Connection, user_id: str, chat_id: str) -> dict[str, Any]:
    """A chat with its messages, as the page is told it. Raises UnknownId."""
    chat = known(chats.get(connection, user_id, chat_id))
    said = messages.of(connection, user_id, chat_id)
    named = {file_id for message in said for file_id in message.files}
    found = {file.id: file for file in files.get_many(connection, user_id, named)}
    return {
        "chat": shapes.chat(chat),
        "messages": [shapes.message(message, found) for message in said],
    }


def _columns(sent: Mapping[str, Any]) -> dict[str, Any]:
    named = {_COLUMNS.get(name, name): value for name, value in sent.items()}
    return named | ({"title_by": "user"} if "title" in sent else {})


def _check(connection: Connection, user_id: str, sent: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for a folder or a preset that is not there for this user."""
    folder = sent.get("folder")
    if folder and folders.get(connection, user_id, folder) is None:
        raise InvalidRequest("there is no such folder", param="folder")
    preset = sent.get("settings", {}).get("preset")
    if preset and presets.get(connection, user_id, preset) is None:
        raise InvalidRequest("there is no such preset", param="settings.preset")


def _place(text: str) -> Place:
    updated, dot, chat_id = text.partition(".")
    if not (dot and updated.isascii() and updated.isdecimal() and len(updated) < 17):
        raise InvalidRequest("`before` must be the `next` of another page", param="before")
    return Place(int(updated), chat_id)
