"""Writing down what admins do, and showing it to them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.numbers import number
from paddock.storage import audit
from paddock.storage.chat_store import Store

log = logging.getLogger(__name__)

MOST: Final = 500


class Auditing:
    """Keeps the list."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (ChatRoute("GET", "/api/admin/audit", Who.ADMIN, self.page),)

    async def page(self, chat: ChatCall) -> web.Response:
        """What was done, the newest first; `before` an id for what came earlier."""
        limit, before = number(chat.query, "limit", 100, MOST), chat.query.get("before", "")[:64]
        deeds = await self._store.read(partial(audit.page, limit=limit, before=before))
        return answered({"entries": [_told(deed) for deed in deeds]})

    async def note(
        self, chat: ChatCall, action: str, subject: str = "", **detail: Any
    ) -> audit.Deed:
        """Write down what the admin of this call does now, in the log too."""
        actor = chat.user.login
        log.info("%s: %s %s", actor, action, subject)
        return await self._store.write(
            partial(audit.note, actor=actor, action=action, subject=subject, detail=detail)
        )


def _told(deed: audit.Deed) -> Mapping[str, Any]:
    return {
        "id": deed.id,
        "time": deed.time,
        "actor": deed.actor,
        "action": deed.action,
        "subject": deed.subject,
        "detail": deed.detail,
    }
