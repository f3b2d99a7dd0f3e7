"""Presets: a user's own, and the house's, which only admins make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.fields import (
    LONGEST_MODEL,
    LONGEST_SYSTEM,
    Check,
    flag,
    line,
    params,
    taken,
    words,
)
from paddock.errors import Forbidden, InvalidRequest, UnknownId
from paddock.storage import presets
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.presets import Preset
from paddock.storage.users import Role, User

MOST: Final = 200

_FIELDS: Final[Mapping[str, Check]] = {
    "name": line(),
    "model": words(LONGEST_MODEL),
    "system": words(LONGEST_SYSTEM),
    "params": params,
    "house": flag,
}


class PresetEndpoints:
    """Models with a system prompt and parameters."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of presets."""
        return (
            ChatRoute("GET", "/api/presets", Who.USER, self.list),
            ChatRoute("POST", "/api/presets", Who.USER, self.make),
            ChatRoute("PATCH", "/api/presets/{preset}", Who.USER, self.change),
            ChatRoute("DELETE", "/api/presets/{preset}", Who.USER, self.remove),
        )

    async def list(self, call: ChatCall) -> web.StreamResponse:
        """Answer with all that the user may use."""
        user = call.user.id
        found = await self._store.read(lambda c: presets.of(c, user))
        return answered({"presets": [shapes.preset(preset) for preset in found]})

    async def make(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a new one. `house`: for everybody."""
        sent = taken(await call.json(), _FIELDS)
        owner = _owner(call.user, is_house=sent.pop("house", False))
        if "name" not in sent:
            raise InvalidRequest("`name` is missing", param="name")
        preset = Preset(new_id(), owner, created=now_ms(), updated=now_ms(), **sent)

        def add(connection: Connection) -> None:
            if presets.count(connection, owner) >= MOST:
                raise InvalidRequest(f"there are {MOST} presets already", hint="delete some")
            presets.add(connection, preset)

        await self._store.write(add)
        return answered(shapes.preset(preset), status=201)

    async def change(self, call: ChatCall) -> web.StreamResponse:
        """Answer with the preset as it is after the change."""
        user, preset_id = call.user, call.ids["preset"]
        sent = taken(await call.json(), _FIELDS)
        if "house" in sent:
            sent["user_id"] = _owner(user, is_house=sent.pop("house"))

        def change(connection: Connection) -> Preset:
            owner = _known(connection, user, preset_id).user_id
            values: dict[str, Any] = {**sent, "updated": now_ms()}
            presets.change(connection, owner, preset_id, **values)
            return _known(connection, user, preset_id)

        return answered(shapes.preset(await self._store.write(change)))

    async def remove(self, call: ChatCall) -> web.StreamResponse:
        """Delete a preset; chats that had it go on without."""
        user, preset_id = call.user, call.ids["preset"]

        def remove(connection: Connection) -> None:
            owner = _known(connection, user, preset_id).user_id
            presets.remove(connection, owner, preset_id)

        await self._store.write(remove)
        return nothing()


def _owner(user: User, *, is_house: bool) -> str | None:
    if is_house and user.role is not Role.ADMIN:
        raise Forbidden("only admins make and change the house's presets")
    return None if is_house else user.id


def _known(connection: Connection, user: User, preset_id: str) -> Preset:
    """A preset that this user may change. Raises UnknownId and Forbidden."""
    preset = presets.get(connection, user.id, preset_id)
    if preset is None:
        raise UnknownId("there is no such preset")
    _owner(user, is_house=preset.user_id is None)
    return preset
