"""What fits: where models would go on this machine while nothing else runs.

Found out one after the other, in the background, for those that somebody looks at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from paddock.acquire.fits import Place
from paddock.acquire.surveyor import Surveyor
from paddock.config.current import Current
from paddock.errors import PaddockError
from paddock.events import ConfigChanged, Event, EventBus
from paddock.library.model import Model
from paddock.library.variant import context_of
from paddock.memory.placement import LEAST
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

_FITS: Final = {
    Place.ONE_GPU: "gpu",
    Place.GPUS: "gpu",
    Place.GPU_AND_RAM: "split",
    Place.RAM: "cpu",
    Place.NOWHERE: "no",
}


class Fits(NamedTuple):
    """Where a model would go."""

    where: str | None = None
    """gpu, split, cpu, no; None: nobody knows."""
    words: str = ""


UNKNOWN: Final = Fits()


class Fitting:
    """Knows what fits. Loop thread only; `aclose` it."""

    def __init__(self, current: Current, surveyor: Surveyor, bus: EventBus) -> None:
        self._current, self._surveyor, self._bus = current, surveyor, bus
        self._listeners: list[Callable[[str], None]] = []
        self._known: dict[str, tuple[Model, Fits]] = {}
        self._wanted: dict[str, Model] = {}
        self._looking: asyncio.Task[None] | None = None
        bus.listen(self._hear)

    def of(self, model: Model) -> Fits:
        """What is known of a model. What is not is found out soon."""
        if model.path is None:
            return UNKNOWN
        known = self._known.get(model.id)
        if known is not None and known[0].fingerprint == model.fingerprint:
            return known[1]
        self._wanted[model.id] = model
        if self._looking is None or self._looking.done():
            self._looking = spawn(self._look(), name="what fits")
        return UNKNOWN

    def listen(self, found: Callable[[str], None]) -> None:
        """Call `found` with the id of each model of which more is known then."""
        self._listeners.append(found)

    async def aclose(self) -> None:
        """Find out no more. Idempotent."""
        self._bus.unlisten(self._hear)
        if self._looking is not None:
            await cancel_and_wait([self._looking])

    async def _look(self) -> None:
        while self._wanted:
            model = self._wanted.pop(next(iter(self._wanted)))
            try:
                fits = await self._fits(model)
            except PaddockError as error:
                log.debug("where %s would go is not known: %s", model.id, error)
                fits = UNKNOWN
            self._known[model.id] = model, fits
            for found in self._listeners:
                found(model.id)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigChanged):  # other engines, another context
            self._known.clear()

    async def _fits(self, model: Model) -> Fits:
        context = context_of(model, self._current.config.context_length) or LEAST
        fit = await self._surveyor.prospect(model, context)
        return Fits(_FITS.get(fit.place), fit.said)
