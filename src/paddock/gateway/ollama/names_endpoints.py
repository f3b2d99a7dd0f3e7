"""`/api/copy` and `/api/delete`: names that lead to models of the store, and taking them away."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Final

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, LibraryError, UnknownModel
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.ollama import fields
from paddock.gateway.ollama.contained import inside
from paddock.gateway.ollama.create import Create
from paddock.gateway.ollama.create_request import Wanted
from paddock.gateway.ollama.taking import check_free
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.ollama_name import OllamaName
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import finished

BODY_BYTES: Final = 64 << 10


class NamesEndpoints:
    """Gives models further names, and takes models away."""

    def __init__(
        self,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        create: Create,
    ) -> None:
        """`create` makes a model of the store of what is copied from a models folder."""
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._create = create

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("POST", "/api/copy", self.copy),
            Route("DELETE", "/api/delete", self.delete),
        )

    # --- copying

    async def copy(self, call: Call) -> web.Response:
        """Another name for the same model. Of a file of the models folders the store then has a
        model too, of the same bytes.
        """
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        given = fields.asked_name(body, "source")
        destination = fields.store_name(fields.asked_name(body, "destination"), "destination")
        source = self._library.resolve(given)
        check_free(self._library, destination, "destination")
        if source.recipe is None:
            async with aclosing(self._create.made(Wanted(destination, source.id))) as statuses:
                async for _ in statuses:
                    pass
            return web.Response(status=200)
        async with self._library.changing() as store:
            await finished(store.copy, OllamaName.parse(source.id), destination)
        await self._library.rescan()
        return web.Response(status=200)

    # --- deleting

    async def delete(self, call: Call) -> web.Response:
        """Take a model away: unloaded first, then its name, then the bytes that nothing else uses.

        Files of the models folders go only with `files: true`.
        """
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        given = fields.asked_name(body, "model", "name")
        with_files = fields.truth(body, "files")
        model = self._library.catalog.find(given)
        if model is None or model.recipe is not None:
            await self._delete_stored(given, model)
        else:
            _check_deletable(model, with_files=with_files)
            await self._delete_files(model)
        await self._library.rescan()
        return web.Response(status=200)

    async def _delete_stored(self, given: str, model: Model | None) -> None:
        """A name whose model is not in the catalog may still be in the store, damaged."""
        name = OllamaName.parse(model.id if model else given)
        if model is not None:
            await self._scheduler.unload(model.id)
        async with self._library.changing() as store:
            try:
                await finished(store.remove, name)
            except UnknownModel:
                raise UnknownModel(given) from None

    async def _delete_files(self, model: Model) -> None:
        others = [one for one in self._library.catalog.models.values() if one.id != model.id]
        shared = {one.projector for one in others}
        files = [*model.shards, *([model.projector] if model.projector not in shared else ())]
        doomed = [file for file in files if file is not None]
        await self._scheduler.unload(model.id)
        await finished(_remove, doomed, self._current.config.models_dir)


def _check_deletable(model: Model, *, with_files: bool) -> None:
    """Raises InvalidRequest for what is not in the store."""
    if model.path is None:
        raise InvalidRequest(
            f"{model.id} is an entry of the configuration with a cmd: take it out there",
            param="model",
        )
    if not with_files:
        raise InvalidRequest(
            f"{model.id} is a file in the models folder, {model.path}, and is not deleted with "
            "its name",
            param="model",
            hint="`paddock rm --files` (`files: true`) deletes the file too",
        )


def _remove(files: list[Path], folders: list[Path]) -> None:
    """Remove files of the models folders; of a link only the link. Blocking.

    Raises LibraryError, before anything is removed when one of them is elsewhere.
    """
    for file in files:
        if not inside(file.parent, folders):
            raise LibraryError(f"{file} is not in a models folder, and stays")
    for file in files:
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LibraryError(f"{file} cannot be removed: {error.strerror}") from error
