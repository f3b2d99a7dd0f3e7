"""What takes the room: bytes by model, what downloads have left, and each folder's disk."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from paddock.acquire.pulls import Pulls
from paddock.acquire.room import used_below
from paddock.config.current import Current
from paddock.gateway.routes import Call, Route
from paddock.library.catalog import Catalog
from paddock.library.library import Library
from paddock.library.remnants import Remnant, remnants, remove, split
from paddock.library.store import Store
from paddock.library.usage import Usage, holders, room_of
from paddock.tasks import finished


class UsageEndpoints:
    """Answers what takes the room, and gives back what nobody needs."""

    def __init__(self, current: Current, library: Library, pulls: Pulls) -> None:
        self._current = current
        self._library = library
        self._pulls = pulls

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/api/paddock/usage", self.usage),
            Route("POST", "/api/paddock/usage/clean", self.clean),
        )

    async def usage(self, call: Call) -> web.Response:  # noqa: ARG002
        """Who takes how much."""
        return web.json_response(await self.told())

    async def told(self) -> dict[str, Any]:
        """The same, as the answer tells it."""
        busy = self._pulls.busy()
        catalog, store = self._library.catalog, self._library.store
        return await asyncio.to_thread(self._told, catalog, store, busy)

    async def clean(self, call: Call) -> web.Response:  # noqa: ARG002
        """Remove what is left over. Nobody writes manifests meanwhile."""
        async with self._library.changing() as store:
            gone = await finished(self._cleaned, store, self._pulls.busy())
        removed = [{"path": str(one.path), "size": one.size} for one in gone]
        return web.json_response({"removed": removed, "freed": sum(one.size for one in gone)})

    def _told(self, catalog: Catalog, store: Store, busy: dict[Path, str] | None) -> dict[str, Any]:
        """Blocking."""
        usage = Usage(holders(catalog, store))
        under_way, left_over = self._remnants(store, busy)
        quota = self._current.config.pulls.quota or None
        folders = [*self._folders, store.blobs]
        rooms = (room_of(folder, usage.inside(folder)) for folder in folders)
        return {
            "models": [
                {
                    "name": one.name,
                    "size": one.size,
                    "unique": one.unique,
                    "shared": one.shared,
                    "with": list(one.others),
                }
                for one in usage.shares()
            ],
            "partial": [
                {"path": str(one.path), "size": one.size, "pull": (busy or {}).get(one.part, "")}
                for one in under_way
            ],
            "leftovers": [
                {"path": str(one.path), "size": one.size, "why": one.why} for one in left_over
            ],
            "folders": [
                {
                    "path": str(room.path),
                    "used": room.used,
                    "free": room.free,
                    "total": room.total,
                    "quota": quota,
                }
                for room in rooms
            ],
            "used": used_below(folders),
        }

    def _cleaned(self, store: Store, busy: dict[Path, str] | None) -> list[Remnant]:
        """Blocking."""
        return remove(self._remnants(store, busy)[1])

    def _remnants(
        self, store: Store, busy: dict[Path, str] | None
    ) -> tuple[list[Remnant], list[Remnant]]:
        """What pulls go on with, and what nobody needs. Blocking."""
        found = remnants(self._folders, store)
        if busy is None:  # a pull that has not planned yet may go on with any of them
            return found, []
        return split(found, busy)

    @property
    def _folders(self) -> list[Path]:
        return list(self._current.config.models_dir)
