"""Knows what this machine could do if it were empty, and the shapes of models to ask it about.

Shapes come from the library's files, and from headers of files at hubs that were looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from paddock.acquire.fits import Fit, Memory, usable_gpu, usable_ram
from paddock.acquire.offer import Known
from paddock.acquire.peek import peek
from paddock.acquire.prospects import Bare, Base, prospect
from paddock.acquire.remote import Repository
from paddock.acquire.web import Web
from paddock.acquire.weights import Weights, sort_out
from paddock.engine import devices as engine_devices
from paddock.engine.engine import Engine
from paddock.engine.engines import Engines
from paddock.errors import AcquireError, EngineError, GgufError, LibraryError
from paddock.hardware.devices import Device
from paddock.hardware.ram import RamReader
from paddock.hardware.snapshot import machine
from paddock.library.kin import family_of, is_built_alike, is_same
from paddock.library.library import Library
from paddock.library.model import Model, Trait
from paddock.library.naming import family
from paddock.memory.shape import Shape, shape_of
from paddock.memory.shapes import Shapes

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
"""How long headers at a hub are waited for; then sizes have to do."""
MOST_SHARDS: Final = 8
"""Files of one model whose headers are fetched."""
_DEVICES_SECONDS: Final = 10.0
_KEPT: Final = 32
_EMBEDS: Final = frozenset({Trait.EMBEDDING, Trait.RERANK})
_ALIKE: Final = 0.05
"""Part by which the parameters of one model may differ from what a hub tells."""


class Surveyor:
    """Loop thread only."""

    def __init__(self, library: Library, engines: Engines) -> None:
        self._library, self._engines = library, engines
        self._shapes = Shapes()
        self._looked: OrderedDict[str, dict[str, Base]] = OrderedDict()
        """By commit; what a family's header said."""

    async def bare(self, model: Model | None = None) -> Bare:
        """What the engine of this model, or of any, has when nothing runs.

        Where no engine tells, it is what the drivers do. A part is left to others, unless more than
        that is free now: an idle machine is told as `/api/plan` tells it.
        """
        ram = await asyncio.to_thread(RamReader().read)
        total = min(ram.total, ram.limit) if ram.limit else ram.total
        try:
            listed = await self._devices(model)
        except (EngineError, TimeoutError) as error:
            log.debug("no engine lists its devices: %s", error)
            listed = await asyncio.to_thread(_by_drivers)
        free = (replace(one, free=max(one.free, usable_gpu(one.total))) for one in listed)
        return Bare(tuple(free), max(ram.free, usable_ram(total)))

    async def _devices(self, model: Model | None) -> tuple[Device, ...]:
        engine: Engine = (
            self._engines.choose(model) if model else self._engines.named(self._engines.default())
        )
        async with asyncio.timeout(_DEVICES_SECONDS):
            return await engine_devices.devices(engine)

    # --- models of the library -------------------------------------------------------------------

    async def shape(self, model: Model) -> Shape:
        """The model's shape. Raises LibraryError."""
        if (known := self._shapes.known(model)) is not None:
            return known
        shape = await asyncio.to_thread(self._shapes.read, model)
        self._shapes.keep(model, shape)
        return shape

    async def prospect(self, model: Model, context: int) -> Fit:
        """Where the model would go if the machine were empty. Raises LibraryError."""
        shape, bare = await self.shape(model), await self.bare(model)
        return await asyncio.to_thread(
            prospect,
            shape,
            context,
            bare,
            "header",
            embeds=bool(_EMBEDS & model.traits),
            fixed=model.options.context is not None or model.settings.context_length is not None,
        )

    async def kin(self, model: Model) -> list[Model]:
        """The library's quantizations of the same model, this one first, each file once.

        Raises LibraryError when this one cannot be read; others that cannot are left out.
        """
        header = await self._library.header(model)
        found, seen = [model], {model.shards, _file(model)}
        for other in self._library.catalog.models.values():
            if other.path is None or seen & {other.shards, _file(other)}:
                continue
            if not is_built_alike(model.header, other.header):
                continue
            try:
                same = is_same(model, header, other, await self._library.header(other))
            except LibraryError:
                continue
            if same:
                found.append(other)
                seen |= {other.shards, _file(other)}
        return found

    # --- models of a hub -------------------------------------------------------------------------

    async def known(self, repository: Repository) -> Known:
        """What is at hand of a repository's models: nothing is asked of anybody."""
        contents = await asyncio.to_thread(sort_out, repository.files)
        bases = {**self._looked.get(repository.commit, {})}
        for name in {family(one.model) for one in contents.weights} - bases.keys():
            if (model := self._here(name, repository)) is None:
                continue
            try:
                bases[name] = Base(await self.shape(model), model.size)
            except LibraryError as error:
                log.debug("%s tells no shape: %s", model.id, error)
        return Known(await self.bare() if bases else Bare(), bases)

    async def look(
        self, repository: Repository, web: Web, headers_for: Callable[[str], Mapping[str, str]]
    ) -> None:
        """Fetch the header of one of a repository's models, for `known`.

        Nothing is raised, and nothing changes, when it cannot be had soon.
        """
        contents = await asyncio.to_thread(sort_out, repository.files)
        chosen = _easiest(contents.weights)
        if chosen is None:
            return

        headers = []
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for file in chosen.files:
                    auth = headers_for(file.url).get("Authorization", "")
                    headers.append(await peek(web, file, auth))
            shape = await asyncio.to_thread(shape_of, headers)
        except (AcquireError, GgufError, TimeoutError) as error:
            log.debug("no header of %s: %s", repository.id, error)
            return
        kept = self._looked.setdefault(repository.commit, {})
        kept[family(chosen.model)] = Base(shape, chosen.size)
        if len(self._looked) > _KEPT:
            self._looked.popitem(last=False)

    def _here(self, name: str, repository: Repository) -> Model | None:
        """A model of the library that is the repository's of this family."""
        for model in self._library.catalog.models.values():
            told = model.header
            if (
                model.path is not None
                and model.size
                and family_of(model) == name
                and repository.architecture in {"", told.architecture}
                and _is_near(told.parameters, repository.parameters)
            ):
                return model
        return None


def _by_drivers() -> tuple[Device, ...]:
    gpus = Memory.of(machine()).gpus
    return tuple(Device(f"GPU{number}", "", total, 0) for number, total in enumerate(gpus))


def _file(model: Model) -> str:
    """What models have in common that are one file under several names."""
    return model.twin or model.id


def _is_near(parameters: int, told: int) -> bool:
    return not told or abs(parameters - told) <= _ALIKE * told


def _easiest(weights: Iterable[Weights]) -> Weights | None:
    """The one with fewest files, of these the smallest: any header tells as much as another."""
    whole = [
        one for one in weights if not one.problem and one.size and len(one.files) <= MOST_SHARDS
    ]
    return min(whole, key=lambda one: (len(one.files), one.size), default=None)
