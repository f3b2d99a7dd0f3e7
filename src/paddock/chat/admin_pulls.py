"""Bringing models in: admins begin and end pulls, and their pages are told how far they are."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from aiohttp import web

from paddock.chat.admin_models import GetGetting
from paddock.chat.auditing import Auditing
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.feed import Feeds
from paddock.errors import PaddockError
from paddock.events import Event, EventBus, PullChanged
from paddock.gateway.pull_endpoints import pull_request
from paddock.storage.users import Role
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

PULLS: Final = "/api/admin/pulls"
PAUSE_SECONDS: Final = 0.25
"""Between two states of one pull."""


class AdminPulls:
    """Pulls in the hands of admins. Loop thread only; `start` it, and `aclose` it."""

    def __init__(
        self, *, getting: GetGetting, auditing: Auditing, feeds: Feeds, bus: EventBus
    ) -> None:
        self._getting, self._auditing, self._feeds, self._bus = getting, auditing, feeds, bus
        self._changed: set[str] = set()
        self._stirred = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", PULLS, Who.ADMIN, self.all),
            ChatRoute("POST", PULLS, Who.ADMIN, self.begin),
            ChatRoute("DELETE", f"{PULLS}/{{pull}}", Who.ADMIN, self.end),
        )

    async def all(self, chat: ChatCall) -> web.Response:  # noqa: ARG002
        """The pulls under way, and those that ended last."""
        return answered({"pulls": await (await self._getting()).pulls.rows()})

    async def begin(self, chat: ChatCall) -> web.Response:
        """Begin a pull, or join the one that brings the same."""
        request = pull_request(await chat.json())
        row = await (await self._getting()).pulls.begun(request)
        await self._auditing.note(chat, "pull_model", request.name)
        return answered(row, status=202)

    async def end(self, chat: ChatCall) -> web.Response:
        """End a pull; what it has brought stays for the next one."""
        return answered(await (await self._getting()).pulls.ended(chat.ids["pull"]))

    def start(self) -> None:
        """Tell admins' pages from now on."""
        self._bus.listen(self._hear)
        self._telling = spawn(self._tell(), name="tell how far pulls are")

    async def aclose(self) -> None:
        """Tell no more. Idempotent."""
        self._bus.unlisten(self._hear)
        if self._telling is not None:
            await cancel_and_wait([self._telling])

    def _hear(self, event: Event) -> None:
        if isinstance(event, PullChanged) and self._is_followed():
            self._changed.add(event.id)
            self._stirred.set()

    def _is_followed(self) -> bool:
        return any(user.role is Role.ADMIN for user in self._feeds.followers())

    async def _tell(self) -> None:
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            changed, self._changed = self._changed, set()
            try:
                rows = await (await self._getting()).pulls.rows()
            except PaddockError as error:
                log.debug("how far pulls are is not known: %s", error.message)
                rows = []
            for row in rows:
                if row["id"] in changed:
                    self._feeds.admins("pull", row)
            await asyncio.sleep(PAUSE_SECONDS)
