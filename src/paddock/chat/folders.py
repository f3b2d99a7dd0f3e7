"""A user's folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.fields import Check, line, position, taken
from paddock.errors import InvalidRequest, UnknownId
from paddock.storage import folders
from paddock.storage.chat_store import Store
from paddock.storage.folders import Folder
from paddock.storage.ids import new_id

MOST: Final = 500

_FIELDS: Final[Mapping[str, Check]] = {"name": line(), "position": position}


class FolderEndpoints:
    """Names under which chats are kept together."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of folders."""
        return (
            ChatRoute("GET", "/api/folders", Who.USER, self.list),
            ChatRoute("POST", "/api/folders", Who.USER, self.make),
            ChatRoute("PATCH", "/api/folders/{folder}", Who.USER, self.change),
            ChatRoute("DELETE", "/api/folders/{folder}", Who.USER, self.remove),
        )

    async def list(self, call: ChatCall) -> web.StreamResponse:
        """Answer with all of the user's."""
        user = call.user.id
        found = await self._store.read(lambda c: folders.of(c, user))
        return answered({"folders": [shapes.folder(folder) for folder in found]})

    async def make(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a new one, the last in the list unless it has a position."""
        user = call.user.id
        sent = taken(await call.json(), _FIELDS)
        if "name" not in sent:
            raise InvalidRequest("`name` is missing", param="name")

        def add(connection: Connection) -> Folder:
            count = folders.count(connection, user)
            if count >= MOST:
                raise InvalidRequest(f"there are {MOST} folders already", hint="delete some")
            folder = Folder(new_id(), user, **{"position": count, **sent})
            folders.add(connection, folder)
            return folder

        return answered(shapes.folder(await self._store.write(add)), status=201)

    async def change(self, call: ChatCall) -> web.StreamResponse:
        """Answer with the folder as it is after the change."""
        user, folder_id = call.user.id, call.ids["folder"]
        sent = taken(await call.json(), _FIELDS)
        folder = await self._store.write(lambda c: folders.change(c, user, folder_id, **sent))
        if folder is None:
            raise UnknownId("there is no such folder")
        return answered(shapes.folder(folder))

    async def remove(self, call: ChatCall) -> web.StreamResponse:
        """Delete a folder; the chats in it stay."""
        user, folder_id = call.user.id, call.ids["folder"]
        if not await self._store.write(lambda c: folders.remove(c, user, folder_id)):
            raise UnknownId("there is no such folder")
        return nothing()
