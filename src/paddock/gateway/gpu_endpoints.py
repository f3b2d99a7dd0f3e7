"""`/api/paddock/gpus`: what is kept free of each GPU, and pausing one.

Imported when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.launcher import Launcher
from paddock.engine.pauses import Pause
from paddock.errors import InvalidRequest, UnknownId
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.hardware_view import Listing, Look, device_view, engines_of, look
from paddock.gateway.inflight import rfc3339
from paddock.gateway.ollama import fields
from paddock.gateway.problems import NoRoute
from paddock.gateway.routes import Call, Route
from paddock.hardware import local_time
from paddock.hardware.devices import Device
from paddock.hardware.reservations import Kept, meant, place_of

PATH: Final = "/api/paddock/gpus"
BODY_BYTES: Final = 4096
MOST_SECONDS: Final = 366 * 86400


class GpuEndpoints:
    """Shows what is kept free, and pauses."""

    def __init__(self, current: Current, launcher: Launcher, rules: GpuRules) -> None:
        self._current, self._launcher, self._rules = current, launcher, rules

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("GET", PATH, self.all), Route("POST", f"{PATH}/*", self.change))

    async def all(self, call: Call) -> web.Response:  # noqa: ARG002
        """Each GPU of each engine: its memory, who holds it, what is kept free, and the pauses."""
        seen, now = await self._look(), local_time.now()
        change = self._rules.next_change(now)
        gpus = [one for listing in seen.listings for one in self._gpus(listing, seen, now)]
        return web.json_response(
            {
                "gpus": gpus,
                "paused": [
                    {"gpu": place, **_pause(pause)}
                    for place, pause in self._rules.pauses(now).items()
                ],
                "next_change": change and rfc3339(change),
                "problems": [*_problems(seen), *self._rules.problems()],
            }
        )

    async def change(self, call: Call) -> web.Response:
        """`{device}/pause` and `{device}/resume`."""
        name, _, verb = call.rest.rpartition("/")
        act = {"pause": self._pause, "resume": self._resume}.get(verb)
        if act is None or not name:
            raise NoRoute(call.request.method, f"{PATH}/{call.rest}", ())
        body = await sent_body(call.request, BODY_BYTES)
        return await act(unquote(name), await parse_json_async(body) if body else {})

    async def _pause(self, name: str, body: dict[str, Any]) -> web.Response:
        seconds, keep_running = _seconds(body), fields.truth(body, "keep_running")
        found = _one_gpu(name, await self._devices())
        until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
        pause = Pause(until, keep_running)
        await self._rules.pause(found[0], pause)
        return web.json_response({**_found(found), "paused": _pause(pause)})

    async def _resume(self, name: str, body: dict[str, Any]) -> web.Response:  # noqa: ARG002
        places = {place.casefold(): place for place in self._rules.pauses()}
        if place := places.get(name.casefold()):  # it may be gone from the machine
            await self._rules.resume(place)
            return web.json_response({"gpu": place, "names": [], "paused": None})
        found = _one_gpu(name, await self._devices())
        for device in found:
            await self._rules.resume(place_of(device))
        return web.json_response({**_found(found), "paused": None})

    async def _look(self) -> Look:
        return await look(self._launcher, engines_of(self._launcher, self._current.config))

    async def _devices(self) -> tuple[Device, ...]:
        return tuple(one for listing in (await self._look()).listings for one in listing.devices)

    def _gpus(self, listing: Listing, seen: Look, now: datetime) -> Iterable[dict[str, Any]]:
        kept, pauses = self._rules.kept_free(listing.devices, now), self._rules.pauses(now)
        mine = seen.of(listing.engine)
        for device in listing.devices:
            pause = pauses.get(device.pci) or pauses.get(device.name)
            yield {
                "engine": listing.engine,
                **device_view(device, mine, seen.cards),
                "models": sorted({one.model.id for one in mine if one.memory.get(device.name)}),
                "kept": _kept(kept.get(device.name)),
                "paused": _pause(pause) if pause else None,
            }


def _one_gpu(name: str, devices: tuple[Device, ...]) -> tuple[Device, ...]:
    """The devices that are the GPU of this name. Raises UnknownId for none, or several."""
    if found := meant(name, devices):
        return found
    known = dict.fromkeys(f"{one.name} ({one.description})" for one in devices)
    raise UnknownId(
        f"{name!r} names no GPU, or more than one",
        hint=f"there are {', '.join(known)}" if known else "no engine has a GPU here",
    )


def _seconds(body: dict[str, Any]) -> float | None:
    seconds = body.get("seconds")
    if seconds is None:
        return None
    if type(seconds) not in {int, float} or not 0 < seconds <= MOST_SECONDS:
        raise InvalidRequest(
            f"`seconds` must be a number above 0, at most {MOST_SECONDS}",
            param="seconds",
            hint="without it, the GPU is paused until it is resumed",
        )
    return float(seconds)


def _problems(seen: Look) -> list[str]:
    return [f"{one.engine}: {one.problem}" for one in seen.listings if one.problem]


def _found(devices: tuple[Device, ...]) -> dict[str, Any]:
    return {
        "gpu": place_of(devices[0]),
        "names": list(dict.fromkeys(one.name for one in devices)),
    }


def _kept(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {
        "bytes": kept.bytes,
        "why": kept.why,
        "leaves": kept.leaves,
        "until": kept.until and rfc3339(kept.until),
    }


def _pause(pause: Pause) -> dict[str, Any]:
    until = pause.until and rfc3339(pause.until)
    return {"until": until, "keep_running": pause.keep_running}
