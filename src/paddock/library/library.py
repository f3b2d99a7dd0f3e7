"""The library: follows the models folders and always has a current catalog.

One thread scans, so scans never overlap; the loop only swaps the snapshot and says what changed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.errors import LibraryError, StoreError
from paddock.events import EventBus
from paddock.library.cache import HeaderCache
from paddock.library.catalog import EMPTY, Catalog, build
from paddock.library.gguf import read_header
from paddock.library.gguf_arrays import Steps
from paddock.library.hashes import Hashes
from paddock.library.header import Header
from paddock.library.model import Model
from paddock.library.scan import NOTHING, Scan, ScanStopped, scan
from paddock.library.store import Store
from paddock.library.watch import Watcher
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.library.stored import Shelf

log = logging.getLogger(__name__)

_CLOSE: Final = 5.0
"""Seconds that a running scan gets to end; it hangs only in a file system that hangs."""
_MOST_REST: Final = 0.3
"""Seconds at most between two looks when things happen all the time."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A catalog, and what it was made from."""

    found: Scan
    config: Config
    catalog: Catalog


class Library:
    """All models there are. Loop thread only; `start` it once and `aclose` it."""

    def __init__(self, current: Current, bus: EventBus, cache_dir: Path) -> None:
        self._current = current
        self._bus = bus
        self._cache = HeaderCache(cache_dir)
        self._catalog = EMPTY
        self._found = NOTHING
        self.hashes = Hashes(cache_dir)
        """What is known of the folders' files by their digest."""
        self._shelf: Shelf | None = None
        self._changing = asyncio.Lock()
        self._watcher = Watcher(current.config.models_dir, self.store.manifests)
        self._scanning = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="library scan")
        self._stop = threading.Event()
        self._following: asyncio.Task[None] | None = None

    @property
    def catalog(self) -> Catalog:
        """The current snapshot; another one once something changes."""
        return self._catalog

    @property
    def store(self) -> Store:
        """Where pulled and created models are kept; need not exist. To write, take `changing`."""
        return Store(self._current.config.store_dir)

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[Store]:
        """The store, with nobody else of this daemon writing manifests. `rescan` afterwards.

        Its methods block: call them in a thread.
        """
        async with self._changing:
            yield self.store

    def resolve(self, name: str) -> Model:
        """The model of this name. Raises UnknownModel with the nearest names."""
        return self._catalog.resolve(name)

    async def start(self) -> None:
        """Scan once and return with the catalog full; then follow the folders until `aclose`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._remember)
        await self.rescan()
        self._following = spawn(self._follow(), name="library follow")

    async def rescan(self) -> None:
        """Look at everything now; the catalog is current on return.

        Publishes CatalogChanged when models came, went or changed. Cancelling does not stop the
        look itself, only the waiting.
        """
        async with self._scanning:
            loop = asyncio.get_running_loop()
            try:
                draft = await loop.run_in_executor(self._thread, self._look)
            except ScanStopped:
                return
            while draft.config is not self._current.config:  # reconfigured during the look
                draft = await asyncio.to_thread(_draft, draft.found, self._current.config)
            self._take(draft)

    async def prepare(self, config: Config) -> Draft:
        """What `config` makes of the files that are known now, for `reconfigure`. Changes nothing.

        The work is done in a thread.
        """
        return await asyncio.to_thread(_draft, self._found, config)

    def reconfigure(self, draft: Draft) -> None:
        """Take in the current configuration, for which `draft` was prepared, without a wait.

        Publishes CatalogChanged when models came, went or changed. Folders that are new are looked
        at soon, or with `rescan`.
        """
        config = self._current.config
        if draft.found is not self._found or draft.config is not config:
            draft = _draft(self._found, config)
        self._take(draft)
        self._watcher.follow(config.models_dir, self.store.manifests)

    async def header(self, model: Model) -> Header:
        """Everything in the header of the model's (first) file, read anew in a thread.

        Raises LibraryError when it has no file or it cannot be read, GgufError when it is broken.
        """
        if model.path is None:
            raise LibraryError(f"model {model.id!r} is a command and has no file of its own")
        try:
            return await asyncio.to_thread(_read_header, model.path)
        except OSError as error:
            raise LibraryError(f"{model.path} cannot be read: {error.strerror}") from error

    async def aclose(self) -> None:
        """Stop following. Idempotent; the catalog stays as it is."""
        self._stop.set()
        if self._following is not None:
            await cancel_and_wait([self._following])
        await self._watcher.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._thread.shutdown), _CLOSE)

    def _remember(self) -> None:
        self._cache.load()
        self.hashes.load()

    def _look(self) -> Draft:
        config = self._current.config
        shelf = self._shelf_of(Store(config.store_dir))
        return _draft(scan(config.models_dir, self._cache, self._stop, shelf), config)

    def _shelf_of(self, store: Store) -> Shelf | None:
        """What looks at the store; None while that is absent: then it costs a start nothing."""
        if not os.path.lexists(store.manifests):
            return None
        if self._shelf is None or self._shelf.store.root != store.root:
            from paddock.library.stored import Shelf  # noqa: PLC0415 - it imports much more

            self._shelf = Shelf(store)
        return self._shelf

    def _take(self, draft: Draft) -> None:
        before, self._catalog, self._found = self._catalog, draft.catalog, draft.found
        if changes := draft.catalog.changes_since(before):
            self._bus.publish(changes)

    async def _follow(self) -> None:
        with suppress(OSError, StoreError):
            await asyncio.to_thread(self.store.prune)
        while True:
            await self._watcher.listen(self._found.folders)
            await self._watcher.wait(self._current.config.rescan_interval)
            started = time.monotonic()
            try:
                await self.rescan()
            except Exception:
                log.exception("the models folders could not be looked at")
            await asyncio.sleep(min(time.monotonic() - started, _MOST_REST))


def _draft(found: Scan, config: Config) -> Draft:
    return Draft(found, config, build(found.models, found.left_out, config))


def _read_header(path: Path) -> Header:
    return read_header(Path(os.path.realpath(path)), Steps())
