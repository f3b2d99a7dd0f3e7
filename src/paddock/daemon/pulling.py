"""The pulls of the daemon, made when they are first needed: their imports cost every start."""

from __future__ import annotations

import asyncio
import importlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paddock.config.current import Current
from paddock.events import EventBus
from paddock.library.library import Library
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.acquire.hubs import Hubs
    from paddock.acquire.pulls import Pulls

log = logging.getLogger(__name__)

_ROOM: Final = "paddock.acquire.pulls"
_RECORDS: Final = "pulls/*.json"
"""Below the state folder, what is to be gone on with."""


class Pulling:
    """Has the pulls, once somebody needs them. Loop thread only; `aclose` it."""

    def __init__(self, current: Current, library: Library, bus: EventBus, state_dir: Path) -> None:
        self._current = current
        self._library = library
        self._bus = bus
        self._state_dir = state_dir
        self._pulls: Pulls | None = None
        self._hubs: Hubs | None = None
        self._resuming: asyncio.Task[None] | None = None
        self.pending: set[str] = set()
        """Models that the configuration names and that are being brought in."""

    async def pulls(self) -> Pulls:
        """The pulls; imports in a thread what they need."""
        if self._pulls is None:
            await asyncio.to_thread(importlib.import_module, _ROOM)
        return self.made()[0]

    async def hubs(self) -> Hubs:
        """The hubs that they ask, in the same way."""
        await self.pulls()
        return self.made()[1]

    def made(self) -> tuple[Pulls, Hubs]:
        """The pulls, and the hubs that they ask: made now, once what they need is imported."""
        from paddock.acquire.hubs import Hubs  # noqa: PLC0415 - not needed to start
        from paddock.acquire.pulls import Pulls  # noqa: PLC0415

        if self._pulls is None or self._hubs is None:
            self._hubs = Hubs(self._current)
            self._pulls = Pulls(
                self._current, self._library, self._bus, self._state_dir, self._hubs
            )
            self._pulls.resuming = self._resuming
        return self._pulls, self._hubs

    def begin(self) -> None:
        """Go on in the background with what was under way when the daemon ended."""
        self._resuming = spawn(self._resume(), name="resume pulls")

    async def aclose(self) -> None:
        """Stop; what is under way goes on after the next start. Idempotent."""
        if self._resuming is not None:
            await cancel_and_wait([self._resuming])
        if self._pulls is not None:
            await self._pulls.aclose()

    async def _resume(self) -> None:
        if await asyncio.to_thread(_has_records, self._state_dir):
            await (await self.pulls()).resume()


def _has_records(state_dir: Path) -> bool:
    return any(state_dir.glob(_RECORDS))
