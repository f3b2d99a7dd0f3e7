"""The chat's settings for admins."""

from __future__ import annotations

import asyncio

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.settings import ChatSettings

SETTINGS = "/api/admin/settings"


class AdminSettings:
    """Shows and changes them."""

    def __init__(self, *, settings: ChatSettings) -> None:
        self._settings = settings

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", SETTINGS, Who.ADMIN, self.show),
            ChatRoute("PATCH", SETTINGS, Who.ADMIN, self.change),
        )

    async def show(self, chat: ChatCall) -> web.Response:  # noqa: ARG002
        """Every setting: its value, what it is for, and who says it where admins cannot."""
        return answered({"settings": await asyncio.to_thread(self._settings.rows)})

    async def change(self, chat: ChatCall) -> web.Response:
        """Set what the body names; null: as if nobody had. All of it, or nothing."""
        await self._settings.change(await chat.json(), chat.user.login)
        return await self.show(chat)
