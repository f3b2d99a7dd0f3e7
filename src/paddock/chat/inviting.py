"""Invites: an admin makes a link, and whoever has it makes one account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import segno
from aiohttp import web
from sqlalchemy import Connection

from paddock.access.tokens import digest_of, new_token
from paddock.chat import forms
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.members import role_of
from paddock.chat.origin import origin_of
from paddock.chat.people import invite as shown
from paddock.chat.sessions import DAY_MS
from paddock.errors import InvalidRequest, UnknownId
from paddock.storage import audit, invites
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.invites import Invite
from paddock.storage.users import Role

DAYS: Final = 7
MOST_DAYS: Final = 90
MOST_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class Made:
    """A new invite, and what its link has in it, which is not kept."""

    invite: Invite
    token: str

    def told(self, origin: str) -> dict[str, Any]:
        """What an admin is told, who reaches the chat at `origin`."""
        link = link_of(origin, self.token)
        return {
            "invite": shown(self.invite),
            "token": self.token,
            "link": link,
            "qr": picture_of(link),
        }


def link_of(origin: str, token: str) -> str:
    """The link of an invite: what comes after `#` is sent to no server and gets into no log."""
    return f"{origin}/#/invite/{token}"


def picture_of(link: str) -> str:
    """A QR code as an SVG that stands by itself."""
    code, picture = segno.make(link, error="m", micro=False), BytesIO()
    code.save(picture, kind="svg", xmldecl=False, scale=4, border=2, dark="#000", light="#fff")
    return picture.getvalue().decode()


async def make(store: Store, told: Mapping[str, Any], user_id: str, by: str) -> Made:
    """A new invite by this admin. Raises InvalidRequest."""
    token, now = new_token(), now_ms()
    role = role_of(told.get("role", Role.USER))
    if role is Role.PENDING:
        raise InvalidRequest("who is invited need not wait", param="role")
    days = forms.number(told.get("days", DAYS), "days", 1, MOST_DAYS)
    note = " ".join(forms.text(told, "note", "").split())[:MOST_NOTE]
    invite = Invite(new_id(), role, note, user_id, now, now + days * DAY_MS)

    def write(connection: Connection) -> None:
        invites.add(connection, invite, digest_of(token))
        audit.note(connection, by, "invite", note, {"role": role, "days": days})

    await store.write(write)
    return Made(invite, token)


class Inviting:
    """The endpoints for admins who invite."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", "/api/admin/invites", Who.ADMIN, self.all),
            ChatRoute("POST", "/api/admin/invites", Who.ADMIN, self.make),
            ChatRoute("DELETE", "/api/admin/invites/{invite}", Who.ADMIN, self.remove),
        )

    async def all(self, chat: ChatCall) -> web.StreamResponse:  # noqa: ARG002
        """All invites, without their links."""
        found = await self._store.read(invites.everything)
        return answered({"invites": [shown(one) for one in found]})

    async def make(self, chat: ChatCall) -> web.StreamResponse:
        """A new invite: its link and QR code are told this once."""
        request = chat.call.request
        made = await make(self._store, await chat.json(forms.SMALL), chat.user.id, chat.user.login)
        return answered(made.told(origin_of(request)))

    async def remove(self, chat: ChatCall) -> web.StreamResponse:
        """Take an invite back. Accounts that were made with it stay."""
        invite = chat.ids["invite"]
        if not await self._store.write(lambda c: invites.remove(c, invite)):
            raise UnknownId("there is no such invite")
        return nothing()
