"""What admins do with models: load and unload, delete, see what takes the disk, find others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from paddock.chat.auditing import Auditing
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.errors import InvalidRequest
from paddock.gateway.body import model_name
from paddock.gateway.lifecycle import Lifecycle
from paddock.gateway.ollama import fields
from paddock.gateway.removal import told

if TYPE_CHECKING:
    from paddock.gateway.getting import Getting

GetGetting = Callable[[], Awaitable["Getting"]]
"""What gets models, imported when it is first asked for."""

MODELS: Final = "/api/admin/models"


class AdminModels:
    """Models in the hands of admins."""

    def __init__(self, *, lifecycle: Lifecycle, getting: GetGetting, auditing: Auditing) -> None:
        self._lifecycle, self._getting, self._auditing = lifecycle, getting, auditing

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("POST", f"{MODELS}/load", Who.ADMIN, self.load),
            ChatRoute("POST", f"{MODELS}/unload", Who.ADMIN, self.unload),
            ChatRoute("DELETE", MODELS, Who.ADMIN, self.delete),
            ChatRoute("GET", "/api/admin/disk", Who.ADMIN, self.disk),
            ChatRoute("GET", "/api/admin/quants", Who.ADMIN, self.quants),
            ChatRoute("GET", "/api/admin/find", Who.ADMIN, self.find),
        )

    async def load(self, chat: ChatCall) -> web.Response:
        """Begin to load a model; how it goes, its state tells. False: it runs already."""
        return answered({"begun": self._lifecycle.begin(model_name(await chat.json()))})

    async def unload(self, chat: ChatCall) -> web.Response:
        """Unload a model, and answer when its memory is free. False: it did not run."""
        return answered({"unloaded": await self._lifecycle.end(model_name(await chat.json()))})

    async def delete(self, chat: ChatCall) -> web.Response:
        """Delete a model from the disk or, with `dry_run`, tell what would go and be free.

        One that runs is refused, unless `force` says that it is to be unloaded first.
        """
        body = await chat.json()
        name = model_name(body)
        dry_run, force = fields.truth(body, "dry_run"), fields.truth(body, "force")
        removal = (await self._getting()).removal
        done = await removal.removed(name, files=True, force=force, dry_run=dry_run)
        if not dry_run:
            await self._auditing.note(chat, "delete_model", done.name, freed=done.freed)
        return answered(told(done, dry_run=dry_run))

    async def disk(self, chat: ChatCall) -> web.Response:  # noqa: ARG002
        """Who takes how much of the disk."""
        return answered(await (await self._getting()).usage.told())

    async def quants(self, chat: ChatCall) -> web.Response:
        """The quantizations of a model or of a repository, and which of them fit here."""
        name = chat.query.get("name", "").strip()
        if not name:
            raise InvalidRequest("`name` is missing", param="name")
        return answered(await (await self._getting()).quants.told(name))

    async def find(self, chat: ChatCall) -> web.Response:
        """Repositories at the hub in which `q` is found."""
        return answered({"results": await (await self._getting()).pulls.found(chat.query)})
