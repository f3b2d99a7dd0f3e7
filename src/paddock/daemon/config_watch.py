"""Sees that the configuration's files have changed, and waits until they are written.

It looks at the files twice a second and asks no kernel for news: bind mounts, the `..data` links of
Kubernetes, NixOS's generations and network file systems send none, and two looks a second at a
handful of files cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from paddock.config.current import Current
from paddock.config.source import Source
from paddock.errors import ConfigError
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

EVERY: Final = 0.5
"""Seconds between two looks."""
STEP: Final = 0.1
"""Seconds between two looks while the files are being written."""
PAUSE: Final = 0.3
"""Seconds without a change after which files count as written."""
DOUBT: Final = 2.0
"""The same when one of them is gone or says nothing: editors empty a file before they fill it."""
MOST: Final = 10.0
"""Seconds after which files that never rest are read anyway; what is half written is refused."""


class ConfigWatcher:
    """Calls `reload` when the files have changed, while `watchConfig` is on. Loop thread only."""

    def __init__(
        self, source: Source, current: Current, reload: Callable[[], Awaitable[object]]
    ) -> None:
        self._source = source
        self._current = current
        self._reload = reload
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch until `aclose`. What changed since the source was last read counts."""
        self._watching = spawn(self._watch(), name="config watch")

    async def aclose(self) -> None:
        """Stop watching. Idempotent."""
        if self._watching is not None:
            await cancel_and_wait([self._watching])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            if not self._current.config.watch_config:
                continue
            try:
                await self._look()
            except Exception:
                log.exception("the configuration's files could not be looked at")

    async def _look(self) -> None:
        if not await asyncio.to_thread(self._source.has_changed):
            return
        await self._written()
        if await asyncio.to_thread(self._source.has_changed):  # nobody has reloaded meanwhile
            await self._take()

    async def _written(self) -> None:
        """Return when the files rest."""
        clock = asyncio.get_running_loop().time
        begun = since = clock()
        last = await asyncio.to_thread(self._source.look)
        while clock() - begun < MOST:
            doubt = await asyncio.to_thread(self._source.is_blank)
            if clock() - since >= (DOUBT if doubt else PAUSE):
                return
            await asyncio.sleep(STEP)
            look = await asyncio.to_thread(self._source.look)
            if look != last:
                last, since = look, clock()

    async def _take(self) -> None:
        try:
            await self._reload()
        except ConfigError:
            log.debug("the change of the configuration was refused")  # the reload has told why
