"""One's own keys for programs."""

from __future__ import annotations

from aiohttp import web

from paddock.chat import forms
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.key_ring import Keyring
from paddock.chat.people import key as shown


class ApiKeys:
    """The endpoints of one's own keys."""

    def __init__(self, *, keys: Keyring) -> None:
        self._keys = keys

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", "/api/me/keys", Who.USER, self.all),
            ChatRoute("POST", "/api/me/keys", Who.USER, self.add),
            ChatRoute("DELETE", "/api/me/keys/{key}", Who.USER, self.remove),
        )

    async def all(self, chat: ChatCall) -> web.StreamResponse:
        """The user's keys, without their secrets."""
        return answered({"keys": [shown(key) for key in await self._keys.of(chat.user.id)]})

    async def add(self, chat: ChatCall) -> web.StreamResponse:
        """A new key; its secret is told this once."""
        key, secret = await self._keys.add(chat.user, await chat.json(forms.SMALL))
        return answered({"key": shown(key), "secret": secret})

    async def remove(self, chat: ChatCall) -> web.StreamResponse:
        """Take a key back: it works no more when this is answered."""
        await self._keys.remove(chat.user.id, chat.ids["key"])
        return nothing()
