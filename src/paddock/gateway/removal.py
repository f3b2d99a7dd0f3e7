"""Removing a model of either kind: with everything that is only its own, and nothing else.

Files go only from models folders and from the store, and only those that the library knows: no
client names a path.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, LibraryError, ModelInUse, UnknownModel
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.ollama import fields
from paddock.gateway.ollama.contained import inside
from paddock.gateway.routes import Call, Route
from paddock.library.durable import flush_folder
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.ollama_name import OllamaName
from paddock.library.twins import running_id
from paddock.library.usage import Removal, Usage, holders
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import finished

BODY_BYTES: Final = 64 << 10


class RemovalEndpoints:
    """Answers who wants models removed."""

    def __init__(self, current: Current, library: Library, scheduler: Scheduler[Instance]) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", "/api/paddock/remove", self.remove),
            Route("DELETE", "/models", self.delete),
        )

    async def remove(self, call: Call) -> web.Response:
        """Remove a model, or tell what that would do."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        name = fields.asked_name(body, "model", "name")
        dry_run = fields.truth(body, "dry_run")
        files, force = fields.truth(body, "files"), fields.truth(body, "force")
        done = await self.removed(name, files=files, force=force, dry_run=dry_run)
        return web.json_response(told(done, dry_run=dry_run))

    async def delete(self, call: Call) -> web.Response:
        """llama.cpp's router: remove a model that does not run."""
        name = call.request.query.get("model", "")
        if not name:
            raise InvalidRequest("`model` is missing", param="model")
        await self.removed(name, files=True)  # there all models are files
        return web.json_response({"success": True})

    async def removed(
        self, name: str, *, files: bool = False, force: bool = False, dry_run: bool = False
    ) -> Removal:
        """Remove a model; with `dry_run` nothing is done.

        The owner's files in the models folders go only when `files` says so. A model that runs is
        refused, or with `force` unloaded first: its requests get the owner's time to end. Raises
        UnknownModel, InvalidRequest, ModelInUse, StoreError and LibraryError.
        """
        model = self._library.catalog.find(name)
        if model is not None and model.path is None:
            raise InvalidRequest(
                f"{model.id} is an entry of the configuration with a cmd: take it out there",
                param="model",
            )
        removal, stored = await asyncio.to_thread(self._planned, name, model)
        if dry_run:
            return removal
        if stored is None and not files:
            raise _is_a_file(removal)
        if model is not None:
            await self._unload(model, force=force)
        if stored is not None:
            async with self._library.changing() as store:
                await finished(store.remove, stored)
        else:
            await finished(_remove, [file.path for file in removal.files])
        await self._library.rescan()
        return removal

    async def _unload(self, model: Model, *, force: bool) -> None:
        """Make sure that nothing runs of it. A twin of the same bytes keeps what runs running."""
        running = running_id(model)
        state, requests = self._scheduler.occupation(running)
        if running != model.id or (state is None and not requests):
            return
        if not force:
            busy = f", with {requests} requests" if requests else ""
            raise ModelInUse(
                f"{model.id} is in memory{busy}",
                hint=f"`paddock stop {model.id}` first, or remove it with --force (`force: true`)",
            )
        await self._scheduler.unload(running)

    def _planned(self, asked: str, model: Model | None) -> tuple[Removal, OllamaName | None]:
        """What goes, and its name in the store. Blocking."""
        store = self._library.store
        usage = Usage(holders(self._library.catalog, store))
        if model is not None and model.recipe is None:
            removal = usage.removal(model.id)
            for file in removal.files:
                if not inside(file.path.parent, self._current.config.models_dir):
                    raise LibraryError(f"{file.path} is not in a models folder, and stays")
            return removal, None
        name = store.find(OllamaName.parse(model.id if model else asked))
        if name is None:
            raise UnknownModel(asked)
        store.check_writable()
        try:
            return usage.removal(str(name)), name
        except UnknownModel:  # its manifest cannot be read: then only its name goes
            return Removal(str(name), 0, (), (), ()), name


def _is_a_file(removal: Removal) -> InvalidRequest:
    paths = ", ".join(str(file.path) for file in removal.files)
    return InvalidRequest(
        f"{removal.name} is a file in a models folder: {paths}",
        param="files",
        hint="to delete it from the disk: `paddock rm --files` (`files: true`)",
    )


def told(removal: Removal, *, dry_run: bool) -> dict[str, Any]:
    """What went or, with `dry_run`, would go, and what that gives back."""
    return {
        "model": removal.name,
        "removed": not dry_run,
        "freed": removal.freed,
        "files": [{"path": str(file.path), "size": file.size} for file in removal.files],
        "shared": [
            {"path": str(kept.path), "size": kept.size, "with": list(kept.others)}
            for kept in removal.shared
        ],
        "breaks": list(removal.breaks),
    }


def _remove(files: list[Path]) -> None:
    """Remove files of the models folders; of a link only the link. Blocking. Raises LibraryError.

    The first shard goes first: without it the others are no model any more.
    """
    for file in files:
        try:
            file.unlink(missing_ok=True)
            flush_folder(file.parent)
        except OSError as error:
            raise LibraryError(f"{file} cannot be removed: {error.strerror}") from error
