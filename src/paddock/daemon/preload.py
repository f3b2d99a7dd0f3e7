"""`hooks.on_startup.preload` and `ollama.loadModels`: loaded in the background, at the start and
after a reload. Those of `loadModels` that are not here are pulled first."""

from __future__ import annotations

import asyncio
import logging

from paddock.config.current import Current
from paddock.daemon.pulling import Pulling
from paddock.engine.instance import Instance
from paddock.errors import PaddockError
from paddock.events import ConfigChanged, Event
from paddock.library.library import Library
from paddock.library.twins import running_model
from paddock.scheduler.scheduler import Scheduler
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)


class Preload:
    """Loads the models that the owner names, one after the other. Loop thread only."""

    def __init__(
        self,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        pulling: Pulling,
    ) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._pulling = pulling
        self._loading: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Load what the configuration in force names, and nothing else any more."""
        self._loading = spawn(self._load_all(self._loading), name="preload")

    def heard(self, event: Event) -> None:
        """Begin anew when another configuration is in force. A listener for the bus."""
        if isinstance(event, ConfigChanged):
            self.begin()

    async def aclose(self) -> None:
        """Load nothing more. Idempotent."""
        if self._loading is not None:
            await cancel_and_wait([self._loading])

    async def _load_all(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await cancel_and_wait([before])
        config = self._current.config
        pulled = [name for name in dict.fromkeys(config.ollama.load_models) if not self._has(name)]
        self._pulling.pending.clear()
        self._pulling.pending.update(pulled)
        for name in dict.fromkeys((*config.hooks.on_startup.preload, *config.ollama.load_models)):
            if name not in pulled:
                await self._load(name)
        if pulled:
            await asyncio.gather(*map(self._pull_and_load, pulled))

    def _has(self, name: str) -> bool:
        return self._library.catalog.find(name) is not None

    async def _load(self, name: str) -> None:
        try:
            model = self._library.resolve(name)
            await self._scheduler.load(running_model(model, self._library.catalog.models))
        except PaddockError as error:
            log.warning("preload of %s: %s", name, error.message)

    async def _pull_and_load(self, name: str) -> None:
        """The pull goes on when the next reload ends our waiting."""
        try:
            pulls = await self._pulling.pulls()
            from paddock.acquire.request import PullRequest  # noqa: PLC0415 - not needed to start

            pull = await pulls.ask(PullRequest(name, ollama_first=True), lasting=True, patient=True)
            await pull.end()
        except PaddockError as error:
            log.warning("loadModels: %s cannot be pulled: %s", name, error.message)
            return
        if pull.models:  # else the pull has told why
            self._pulling.pending.discard(name)
            await self._load(pull.models[0])
