"""Profiles: sets of names that lead elsewhere while one of them is switched on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.config.routing import Profile
from paddock.errors import InvalidRequest, UnknownProfile
from paddock.events import ConfigChanged, Event, EventBus, ProfileChanged
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.routes import Call, Route
from paddock.library.naming import lookup_key

SMALL_BODY = 64 << 10


class Profiles:
    """Knows the profiles and which one is on. None is after a start or a reload."""

    def __init__(self, current: Current, bus: EventBus) -> None:
        self._current = current
        self._bus = bus
        self._active: str | None = None
        self._pins: dict[str, str] = {}
        bus.listen(self._hear)

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/api/profiles", self.profiles),
            Route("PUT", "/api/profiles/active", self.switch),
        )

    @property
    def active(self) -> str | None:
        """The profile that is on."""
        return self._active

    @property
    def pins(self) -> Mapping[str, str | None]:
        """The names that the profile that is on leads elsewhere, as the owner wrote them."""
        profile = self._current.config.profiles.get(self._active or "")
        return profile.pins if profile else {}

    def pinned(self, name: str) -> str:
        """Where `name` leads now: itself in most cases, empty when it is switched off."""
        return self._pins.get(lookup_key(name), name) if self._pins else name

    def activate(self, name: str | None) -> None:
        """Switch a profile on, or None. Raises UnknownProfile. Publishes ProfileChanged."""
        known = self._current.config.profiles
        if name is not None and name not in known:
            hint = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise UnknownProfile(f"no profile is named {name!r}", hint=hint)
        pins = known[name].pins if name is not None else {}
        self._pins = {lookup_key(pin): target or "" for pin, target in pins.items()}
        if name != self._active:
            self._active = name
            self._bus.publish(ProfileChanged(name))

    async def profiles(self, call: Call) -> web.Response:  # noqa: ARG002
        """All profiles, and which one is on."""
        known = sorted(self._current.config.profiles.items())
        told = [_told(name, profile) for name, profile in known]
        return web.json_response({"active": self._active, "profiles": told})

    async def switch(self, call: Call) -> web.Response:
        """Switch a profile on: `{"name": "…"}`; `{"name": null}` switches it off."""
        body = await parse_json_async(await sent_body(call.request, SMALL_BODY))
        name = body.get("name", ...)
        if name is not None and not isinstance(name, str):
            problem = "is missing" if name is ... else "must be a string or null"
            hint = "`GET /api/profiles` lists the names"
            raise InvalidRequest(f"`name` {problem}", param="name", hint=hint)
        self.activate(name or None)
        return web.json_response({"active": self._active})

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigChanged):
            self.activate(None)


def _told(name: str, profile: Profile) -> dict[str, Any]:
    return {"id": name, "description": profile.description, "pins": profile.pins}
