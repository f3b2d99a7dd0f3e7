"""Reading others' chats in an emergency: off, unless the owner's configuration lets admins do it.

Who does it gives a reason, which is written down, as is every chat that is read; the one whose
chats they are is told at once, and sees it in the account later on. It is over after half an hour,
and with the daemon.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, Final

from aiohttp import web

from paddock.chat import shapes
from paddock.chat.auditing import Auditing
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.feed import Feeds
from paddock.chat.settings import ChatSettings
from paddock.errors import Forbidden, InvalidRequest, UnknownId
from paddock.gateway.ollama import fields
from paddock.storage import audit, chats, files, messages, users
from paddock.storage.chat_store import Store
from paddock.storage.ids import now_ms
from paddock.storage.users import User

log = logging.getLogger(__name__)

SECONDS: Final = 30 * 60
LONGEST_REASON: Final = 500
MOST_NOTICES: Final = 50
MOST_CHATS: Final = 200

DEED: Final = "break_glass"


class BreakGlass:
    """Lets admins read, for a while. Loop thread only."""

    def __init__(
        self,
        *,
        store: Store,
        feeds: Feeds,
        settings: ChatSettings,
        auditing: Auditing,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store, self._feeds, self._settings = store, feeds, settings
        self._auditing, self._clock = auditing, clock
        self._open_until: dict[tuple[str, str], float] = {}
        """By the ids of the admin and of the user."""

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        of_user = "/api/admin/users/{user}/chats"
        return (
            ChatRoute("POST", "/api/admin/break-glass", Who.ADMIN, self.open),
            ChatRoute("GET", of_user, Who.ADMIN, self.chats),
            ChatRoute("GET", f"{of_user}/{{chat}}", Who.ADMIN, self.chat),
            ChatRoute("GET", "/api/me/notices", Who.USER, self.notices),
        )

    async def open(self, chat: ChatCall) -> web.Response:
        """Begin to read a user's chats, for `reason`."""
        if not self._settings.now.break_glass:
            raise Forbidden(
                "admins cannot read others' chats here",
                hint="whoever owns the machine can allow it: `chat.breakGlass` in the file",
            )
        body = await chat.json()
        reason = fields.text(body, "reason").strip()[:LONGEST_REASON]
        if not reason:
            raise InvalidRequest("`reason` is missing: it is told to the user", param="reason")
        user = await self._user(fields.text(body, "user"))
        log.warning("%s breaks the glass of %s: %s", chat.user.login, user.login, reason)
        until = now_ms() + SECONDS * 1000
        deed = await self._auditing.note(chat, DEED, user.login, reason=reason, until=until)
        self._open_until[chat.user.id, user.id] = self._clock() + SECONDS
        self._feeds.of(user.id).tell("notice", {"text": _told(deed), **_notice(deed)})
        return answered({"user": user.id, "until": until})

    async def chats(self, chat: ChatCall) -> web.Response:
        """The user's newest chats; with `archived=1` those that are put away."""
        user = await self._opened(chat)
        archived = chat.query.get("archived", "") == "1"
        found = await self._store.read(
            partial(chats.page, user_id=user.id, limit=MOST_CHATS, archived=archived)
        )
        await self._auditing.note(chat, f"{DEED}_list", user.login)
        return answered({"chats": [shapes.summary(one) for one in found]})

    async def chat(self, chat: ChatCall) -> web.Response:
        """One chat of the user's, with what was said in it."""
        user, chat_id = await self._opened(chat), chat.ids["chat"]

        def read(connection: Any) -> dict[str, Any] | None:
            found = chats.get(connection, user.id, chat_id)
            if found is None or found.temporary:
                return None
            said = messages.of(connection, user.id, chat_id)
            wanted = [file for one in said for file in one.files]
            named = {one.id: one for one in files.get_many(connection, user.id, wanted)}
            told = [shapes.message(one, named) for one in said]
            return {"chat": shapes.chat(found), "messages": told}

        told = await self._store.read(read)
        if told is None:
            raise _not_there()
        await self._auditing.note(chat, f"{DEED}_read", user.login, read=chat_id)
        return answered(told)

    async def notices(self, chat: ChatCall) -> web.Response:
        """What admins did to this account that its owner is to know."""
        return answered({"notices": await self.notices_of(chat.user)})

    async def notices_of(self, user: User) -> list[dict[str, Any]]:
        """The same for an account, the newest first."""
        deeds = await self._store.read(
            partial(
                audit.about,
                login=user.login,
                action=DEED,
                since=user.created,
                limit=MOST_NOTICES,
            )
        )
        return [{"text": _told(deed), **_notice(deed)} for deed in deeds]

    async def _opened(self, chat: ChatCall) -> User:
        """The user of the path, whose chats this admin may read now. Raises UnknownId."""
        until = self._open_until.get((chat.user.id, chat.ids["user"]), 0.0)
        if not self._settings.now.break_glass or self._clock() >= until:
            raise _not_there()
        return await self._user(chat.ids["user"])

    async def _user(self, user_id: str) -> User:
        found = await self._store.read(partial(users.get, user_id=user_id))
        if found is None:
            raise UnknownId("there is no such user", hint="`GET /api/admin/users` lists them")
        return found


def _not_there() -> UnknownId:
    return UnknownId("there is no such chat", hint="")


def _told(deed: audit.Deed) -> str:
    return f"{deed.actor} may read your chats for 30 minutes. The reason: {deed.detail['reason']}"


def _notice(deed: audit.Deed) -> dict[str, Any]:
    return {
        "time": deed.time,
        "by": deed.actor,
        "reason": deed.detail["reason"],
        "until": deed.detail["until"],
    }
