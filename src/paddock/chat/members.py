"""What admins do with accounts: see, change, remove, and give a password to who forgot it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from paddock.access.logins import name_of
from paddock.chat import forms
from paddock.chat.account import Usage
from paddock.chat.accounts import Accounts
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.limits import limits_of
from paddock.chat.people import member
from paddock.errors import InvalidRequest
from paddock.storage.users import Role, User

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look like others: it is read out and typed."""


class Members:
    """The endpoints about others' accounts."""

    def __init__(self, *, accounts: Accounts, usage: Usage) -> None:
        self._accounts, self._usage = accounts, usage

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        one = "/api/admin/users/{user}"
        return (
            ChatRoute("GET", "/api/admin/users", Who.ADMIN, self.everybody),
            ChatRoute("PATCH", one, Who.ADMIN, self.change),
            ChatRoute("DELETE", one, Who.ADMIN, self.remove),
            ChatRoute("POST", f"{one}/password", Who.ADMIN, self.reset),
        )

    async def everybody(self, chat: ChatCall) -> web.StreamResponse:  # noqa: ARG002
        """All accounts, and what each has used today."""
        found = await self._accounts.everybody()
        told = [member(user) | {"usage": self._usage(user)} for user in found]
        return answered({"users": told})

    async def change(self, chat: ChatCall) -> web.StreamResponse:
        """Another role, name, or other limits."""
        user = await self._accounts.find(chat.ids["user"])
        values = changes(await chat.json(), user)
        changed = await self._accounts.change(user.id, chat.user.login, **values)
        return answered({"user": member(changed)})

    async def remove(self, chat: ChatCall) -> web.StreamResponse:
        """Remove an account and all of it."""
        await self._accounts.remove(chat.ids["user"], chat.user.login)
        return nothing()

    async def reset(self, chat: ChatCall) -> web.StreamResponse:
        """A temporary password, to be told once, and changed at the next sign-in."""
        user = await self._accounts.find(chat.ids["user"])
        if user.id == chat.user.id:
            raise InvalidRequest("this is your own account", hint="change your password there")
        password = temporary_password()
        await self._accounts.set_password(
            user, password, field="password", by=chat.user.login, must_change=True
        )
        return answered({"password": password})


def changes(told: Mapping[str, Any], user: User) -> dict[str, Any]:
    """What an admin wants to be another way, checked. Raises InvalidRequest."""
    values: dict[str, Any] = {}
    if "role" in told:
        values["role"] = role_of(told["role"])
    if "name" in told:
        values["name"] = name_of(forms.text(told, "name"), user.login)
    if "limits" in told:
        values["limits"] = limits_of(told["limits"])
    return values


def role_of(value: Any) -> Role:
    """The role of this name. Raises InvalidRequest."""
    if not isinstance(value, str) or value not in list(Role):
        raise InvalidRequest(f"a role is one of {', '.join(Role)}", param="role")
    return Role(value)


def temporary_password() -> str:
    """One that is easy to type: four times four letters, some 79 bits."""
    words = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(words)
