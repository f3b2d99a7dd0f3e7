"""`/api/paddock/quants`: the quantizations of a model or of a repository, and how they fit here.

See docs/reference/api-pulls.md.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from paddock.acquire.hubs import Hubs
from paddock.acquire.offer import Row, best_of, judged
from paddock.acquire.pulls import Pulls
from paddock.acquire.reference import HubReference
from paddock.acquire.remote import RemoteFile
from paddock.acquire.request import PullRequest
from paddock.acquire.surveyor import Surveyor
from paddock.acquire.weights import Weights
from paddock.config.current import Current
from paddock.errors import InvalidRequest, LibraryError, PaddockError
from paddock.gateway.routes import Call, Route
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.variant import context_of
from paddock.memory.placement import LEAST

PATH: Final = "/api/paddock/quants"


class QuantsEndpoint:
    """Answers what there is of a model, here or at the hub."""

    def __init__(
        self, current: Current, library: Library, surveyor: Surveyor, pulls: Pulls, hubs: Hubs
    ) -> None:
        self._current, self._library, self._surveyor = current, library, surveyor
        self._pulls, self._hubs = pulls, hubs

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", PATH, self.quants),)

    async def quants(self, call: Call) -> web.Response:
        """The quantizations of `?name=`; with `hub=1` as a pull finds them, and nothing more."""
        name = call.request.query.get("name", "").strip()
        if not name:
            raise InvalidRequest("`name` is missing", param="name")
        if call.request.query.get("hub", "") not in {"", "0", "1"}:
            raise InvalidRequest("`hub` is 1 or left out", param="hub")
        only_hub = call.request.query.get("hub") == "1"
        return web.json_response(await self.told(name, only_hub=only_hub))

    async def told(self, name: str, *, only_hub: bool = False) -> dict[str, Any]:
        """The quantizations of a model here or, else or with `only_hub`, at a hub.

        Raises LibraryError, InvalidRequest and AcquireError.
        """
        model = None if only_hub else self._library.catalog.find(name)
        if model is None and not only_hub and "/" not in name:
            model = self._library.resolve(name)  # tells which names are near
        if model is not None:
            return await self._of_model(model, name)
        offered = await self._hubs.offer(name, look=not only_hub)
        return await asyncio.to_thread(offered.told, name)

    async def _of_model(self, model: Model, name: str) -> dict[str, Any]:
        """The library's quantizations of it, best first."""
        if model.path is None:
            raise InvalidRequest(
                f"{model.id} is a command of the owner's: its quantization is not known",
                param="name",
                hint="ask for a model that is a GGUF file, or for a repository user/repo",
            )
        rows = [await self._row(model)]
        for other in (await self._surveyor.kin(model))[1:]:
            with suppress(LibraryError):
                rows.append(await self._row(other))
        rows.sort(key=lambda row: (row.loss, -row.size, row.weights.model))
        tokens = self._context(model)
        memory = await self._hubs.memory()
        best, note = best_of(rows, memory, tokens)
        return {
            "name": name,
            "repository": self._origin(model),
            "local": True,
            "context": tokens,
            "models": [row.weights.model for row in rows],
            "note": note,
            "rows": [{**row.told(), "best": row is best} for row in rows],
        }

    async def _row(self, model: Model) -> Row:
        told = model.header
        shape = await self._surveyor.shape(model)
        fit = await self._surveyor.prospect(model, self._context(model))
        bits = model.size * 8 / told.parameters if told.parameters else 0.0
        files = tuple(RemoteFile(str(path), 0, None, "") for path in model.shards)
        memory = await self._hubs.memory()
        how = judged(told.quantization, bits, told.parameters, told.architecture, memory)
        weights = Weights(model.id, told.quantization, "", files)
        return Row(weights, model.size + shape.beside, how.words, how.loss, how.bits, fit)

    def _context(self, model: Model) -> int:
        return context_of(model, self._current.config.context_length) or LEAST

    def _origin(self, model: Model) -> str:
        """The repository that the model was pulled from, as far as anybody remembers."""
        names = [pull.name for pull in self._pulls.all() if model.id in pull.models]
        for name in (*names, *((model.id,) if "/" in model.id else ())):
            try:
                reference = self._hubs.check(PullRequest(name))
            except PaddockError:
                continue
            if isinstance(reference, HubReference):
                return reference.repo
        return ""
