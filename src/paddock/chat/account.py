"""One's own account: name and settings, password, devices, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from paddock.access.logins import name_of
from paddock.access.tries import Tries
from paddock.chat import forms
from paddock.chat.accounts import Accounts
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.people import device, person
from paddock.chat.sessions import Sessions
from paddock.errors import Forbidden, InvalidRequest, UnknownId
from paddock.gateway import problems
from paddock.gateway.body import dump_json
from paddock.storage.users import User

MOST_SETTINGS: Final = 64 << 10
"""Bytes of the page's settings: a system prompt is among them."""


class WrongPassword(Forbidden):
    """Who is signed in could not say the password."""

    param = "password"


problems.SHAPES[WrongPassword] = problems.Shape(403, "permission_error", "wrong_password")

Usage = Callable[[User], dict[str, Any]]


class Account:
    """The endpoints of one's own account."""

    def __init__(
        self, *, accounts: Accounts, sessions: Sessions, tries: Tries, usage: Usage
    ) -> None:
        """`usage`: what somebody has used today, to tell."""
        self._accounts = accounts
        self._sessions = sessions
        self._tries = tries
        self._usage = usage

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", "/api/me", Who.PENDING, self.me),
            ChatRoute("PATCH", "/api/me", Who.USER, self.change),
            ChatRoute("DELETE", "/api/me", Who.USER, self.remove),
            ChatRoute("POST", "/api/me/password", Who.USER, self.set_password),
            ChatRoute("GET", "/api/me/sessions", Who.USER, self.devices),
            ChatRoute("DELETE", "/api/me/sessions/{session}", Who.USER, self.end_session),
        )

    async def me(self, chat: ChatCall) -> web.StreamResponse:
        """Who is signed in, and what was used today."""
        return answered({"user": person(chat.user), "usage": self._usage(chat.user)})

    async def change(self, chat: ChatCall) -> web.StreamResponse:
        """Another name, other settings: those that are named, None takes one away."""
        told = await chat.json()
        values: dict[str, Any] = {}
        if "name" in told:
            values["name"] = name_of(forms.text(told, "name"), chat.user.login)
        if "settings" in told:
            values["settings"] = _merged(chat.user.settings, told["settings"])
        return answered({"user": person(await self._accounts.set_own(chat.user, **values))})

    async def remove(self, chat: ChatCall) -> web.StreamResponse:
        """Remove the account and all of it."""
        told = await chat.json(forms.SMALL)
        await self._prove(chat, forms.text(told, "password"), "password")
        await self._accounts.remove(chat.user.id, by=chat.user.login)
        response = nothing()
        response.headers["Set-Cookie"] = self._sessions.forgotten(chat.call.request)
        return response

    async def set_password(self, chat: ChatCall) -> web.StreamResponse:
        """Another password: all other devices are signed out."""
        told = await chat.json(forms.SMALL)
        old, new = forms.text(told, "old"), forms.text(told, "new")
        await self._prove(chat, old, "old")
        if old == new:
            raise InvalidRequest("this is the password you have", param="new")
        user = await self._accounts.set_password(chat.user, new, field="new", keep=chat.session.id)
        return answered({"user": person(user)})

    async def devices(self, chat: ChatCall) -> web.StreamResponse:
        """Where one is signed in."""
        found = await self._sessions.of(chat.user.id)
        return answered({"sessions": [device(one, chat.session.id) for one in found]})

    async def end_session(self, chat: ChatCall) -> web.StreamResponse:
        """Sign another device out, or this one."""
        if not await self._sessions.end(chat.user.id, chat.ids["session"]):
            raise UnknownId("there is no such session")
        return nothing()

    async def _prove(self, chat: ChatCall, password: str, field: str) -> None:
        """Whoever found a page open may not do everything. Raises WrongPassword."""
        address, login = chat.call.request.remote or "", chat.user.login
        self._tries.begin(address, login)
        if await self._accounts.proven(login, password) is None:
            error = WrongPassword("the password is wrong")
            error.param = field
            raise error
        self._tries.right(address, login)


def _merged(before: dict[str, Any], told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise InvalidRequest("settings must be an object", param="settings")
    merged = {key: value for key, value in (before | told).items() if value is not None}
    if len(dump_json(merged)) > MOST_SETTINGS:
        raise InvalidRequest("these settings are too large", param="settings")
    return merged
