"""`/api/tags`: everything that can be asked for by name, in Ollama's shape, newest first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.gateway.body import dump_json
from paddock.gateway.naming import Names
from paddock.gateway.ollama.details import (
    NO_DETAILS,
    capabilities,
    details,
    local_time,
    stand_in_digest,
    told_digest,
    told_name,
)
from paddock.gateway.peer import VIA, PeerModel
from paddock.gateway.peers import Peers
from paddock.gateway.routes import Call, Route
from paddock.library.catalog import Catalog
from paddock.library.library import Library
from paddock.library.model import Model
from paddock.library.naming import lookup_key


class Tags:
    """Answers what can be asked for."""

    def __init__(self, current: Current, library: Library, names: Names, peers: Peers) -> None:
        self._current = current
        self._library = library
        self._names = names
        self._peers = peers
        self._since = datetime.now(UTC).timestamp()

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", "/api/tags", self.tags),)

    async def tags(self, call: Call) -> web.Response:
        """Everything that is listed. A Paddock that asks is not told of our peers' models."""
        peers = tuple(self._peers.models()) if VIA not in call.request.headers else ()
        selectors = {name: bool(selector.unlisted) for name, selector, _ in self._names.selectors()}
        body = await asyncio.to_thread(self._body, self._library.catalog, peers, selectors)
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    def _body(
        self, catalog: Catalog, peers: tuple[PeerModel, ...], selectors: Mapping[str, bool]
    ) -> bytes:
        """Blocking: templates of many models may have to be looked at."""
        entries = {lookup_key(peer.name): self._elsewhere(peer.name) for peer in peers}
        for model in catalog.models.values():
            for name in self._listed(model):
                entries[lookup_key(name)] = self._here(model, name)
        for name, hidden in selectors.items():
            entries.pop(lookup_key(name), None)
            if not hidden:
                entries[lookup_key(name)] = self._elsewhere(name)
        newest_first = sorted(entries.values(), key=lambda one: -one[0])
        return dump_json({"models": [told for _, told in newest_first]})

    def _listed(self, model: Model) -> Iterator[str]:
        if model.settings.unlisted:
            return
        yield model.id
        if self._current.config.include_aliases_in_list:
            yield from model.aliases

    def _here(self, model: Model, name: str) -> tuple[float, dict[str, Any]]:
        """When a model was last changed, and what is told of it under `name`."""
        changed = model.modified or self._since
        return changed, {
            "name": told_name(name),
            "model": told_name(name),
            "modified_at": local_time(changed),
            "size": model.size,
            "digest": told_digest(model),
            "details": details(model),
            "capabilities": capabilities(model),
        }

    def _elsewhere(self, name: str) -> tuple[float, dict[str, Any]]:
        """What is known of a name that leads to another one, here or on a peer."""
        told = {
            "name": told_name(name),
            "model": told_name(name),
            "modified_at": local_time(self._since),
            "size": 0,
            "digest": stand_in_digest(name),
            "details": dict(NO_DETAILS),
            "capabilities": ["completion"],
        }
        return self._since, told
