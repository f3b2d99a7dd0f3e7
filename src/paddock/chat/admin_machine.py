"""The machine as admins see it: who holds which memory, who waits, what was asked lately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.numbers import number
from paddock.config.current import Current
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.gateway import places
from paddock.gateway.hardware_view import (
    Listing,
    Look,
    Use,
    device_view,
    engines_of,
    host_view,
    look,
)
from paddock.gateway.queue_endpoint import QueueEndpoint
from paddock.hardware import local_time
from paddock.observe.journal import Journal
from paddock.storage.activity import Query, Row

MOST_REQUESTS: Final = 500


class AdminMachine:
    """Shows it."""

    def __init__(
        self,
        *,
        current: Current,
        launcher: Launcher,
        gpus: GpuRules,
        queue: QueueEndpoint,
        journal: Journal,
    ) -> None:
        self._current, self._launcher, self._gpus = current, launcher, gpus
        self._queue, self._journal = queue, journal

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", "/api/admin/machine", Who.ADMIN, self.machine),
            ChatRoute("GET", "/api/admin/queue", Who.ADMIN, self.queue),
            ChatRoute("GET", "/api/admin/requests", Who.ADMIN, self.requests),
        )

    async def machine(self, chat: ChatCall) -> web.Response:  # noqa: ARG002
        """The memory of each GPU and of the machine, and who holds it."""
        seen = await look(self._launcher, engines_of(self._launcher, self._current.config))
        gpus = [one for listing in seen.listings for one in self._of_engine(listing, seen)]
        problems = [f"{one.engine}: {one.problem}" for one in seen.listings if one.problem]
        told = {"gpus": _each_once(gpus), "ram": _ram(seen), "problems": problems}
        return answered(told)

    async def queue(self, chat: ChatCall) -> web.Response:  # noqa: ARG002
        """Who waits, since when and why, and what runs."""
        return answered(self._queue.told())

    async def requests(self, chat: ChatCall) -> web.Response:
        """The last requests, the newest first, with speeds; nothing of what was said in them."""
        limit = number(chat.query, "limit", 50, MOST_REQUESTS)
        await self._journal.settle()
        page = await self._journal.activity.page(Query(limit=limit))
        return answered({"requests": [_request(row) for row in page.rows]})

    def _of_engine(self, listing: Listing, seen: Look) -> Iterator[dict[str, Any]]:
        kept = self._gpus.kept_free(listing.devices, local_time.now())
        mine = seen.of(listing.engine)
        for device in listing.devices:
            told = device_view(device, mine, seen.cards)
            reserved = kept.get(device.name)
            yield {
                "id": device.pci or f"{listing.engine}/{device.name}",
                "name": device.description or device.name,
                "total": device.total,
                "used": device.total - told["free_bytes"],
                "ours": [held for one in mine if (held := _held(one, device.name))],
                "others": told["others_bytes"],
                "reserved": reserved.bytes if reserved else 0,
                "reserved_why": reserved.why if reserved else None,
                "integrated": device.integrated,
                "busy": device.busy,
                "temperature": device.temperature,
                "power": device.power,
            }


def _each_once(gpus: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A card that several engines list is told once, with what all of them hold of it."""
    found: dict[str, dict[str, Any]] = {}
    for gpu in gpus:
        known = found.setdefault(gpu["id"], gpu)
        if known is not gpu:
            known["ours"] += gpu["ours"]
    return list(found.values())


def _held(instance: Instance, device: str) -> dict[str, Any] | None:
    """What an instance holds of a device: as its engine told, else as it is planned."""
    planned = dict(instance.placed.planned) if instance.placed else {}
    held = places.memory(instance).get(device, 0)
    if not held:
        return None
    return {
        "model": instance.model.id,
        "bytes": held,
        "planned": planned.get(device),
        "measured": bool(instance.memory and instance.pool is not None),
        "state": str(instance.state),
    }


def _ram(seen: Look) -> dict[str, Any]:
    host = host_view(seen.ram, seen.uses)
    used = host["total_bytes"] - host["available_bytes"]
    return {
        "total": host["total_bytes"],
        "available": host["available_bytes"],
        "used": used,
        "limit": host["limit_bytes"],
        "ours": [_resident(use) for use in seen.uses],
        "others": max(0, used - host["ours_bytes"]),
    }


def _resident(use: Use) -> dict[str, Any]:
    return {
        "model": use.instance.model.id,
        "bytes": use.resident.own,
        "files": use.resident.files,
        "state": str(use.instance.state),
    }


def _request(row: Row) -> dict[str, Any]:
    """A past request. Engines' errors may quote what was said, so they are left out."""
    return {
        "id": row.id,
        "time": row.time,
        "model": row.model,
        "client": row.client,
        "path": row.path,
        "status": row.status,
        "cancelled": row.cancelled or None,
        "prompt_tokens": row.input_tokens,
        "cached_tokens": max(row.cached_tokens, 0),
        "tokens": row.output_tokens,
        "prompt_per_second": row.prompt_speed or None,
        "tokens_per_second": row.generation_speed or None,
        "first_token_ms": row.first_token,
        "queued_ms": row.queued,
        "loading_ms": row.loading,
        "duration_ms": row.duration,
    }
