"""Finds out what placing a model depends on: its shape, the owner's flags, the machine now.

Everything that reads files, asks an engine or waits is here; who goes where is decided from what
this brings (`memory/question.py`, `seating.py`) without any wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from paddock.config.current import Current
from paddock.engine import devices as engine_devices
from paddock.engine.buffers import HOST, Parts
from paddock.engine.engine import Engine
from paddock.engine.launcher import Launcher
from paddock.engine.learned import Taken
from paddock.engine.llama_cpp import LlamaCppEngine
from paddock.errors import NotObserved, PaddockError
from paddock.hardware.reservations import Kept
from paddock.library.kin import family_of, is_built_alike
from paddock.library.model import Model
from paddock.memory.estimate import Estimate, Share
from paddock.memory.layout import Layout
from paddock.memory.ledger import NOTHING, Claim, Holding, Measured, Phase, card, others
from paddock.memory.placement import Plan
from paddock.memory.question import Question, corrected
from paddock.memory.shape import Shape
from paddock.memory.shapes import Shapes
from paddock.memory.terms import Terms
from paddock.scheduler.look import ANYWHERE, Look, Seat, placed
from paddock.scheduler.wishes import NO_WISH, Wish, allowed, own_place, terms_of
from paddock.units import format_bytes

if TYPE_CHECKING:
    from paddock.hardware.devices import Device
    from paddock.hardware.ram import Ram, RamReader

log = logging.getLogger(__name__)

ANY_PORT: Final = 65535
"""Stands for the port of a command: whichever it has, it takes as much."""
LIST_SECONDS: Final = 10.0
"""How long an engine may take to list its devices."""
MOST_KIN: Final = 8
"""Quantizations that are looked at for a model that does not fit."""
BACK_SECONDS: Final = 5.0
"""How long a driver may take to give back what a child held."""
BACK_STEP: Final = 0.1
BACK_SLACK: Final = 256 << 20
"""Bytes that others may have taken meanwhile."""

Holdings = Callable[[], tuple[Holding, ...]]
"""What our children hold at this moment."""
Keeping = Callable[["Sequence[Device]"], Mapping[str, Kept]]
"""What the owner keeps free of devices now, by name."""


class Planner:
    """Looks. Loop thread only."""

    def __init__(
        self,
        current: Current,
        launcher: Launcher,
        kept: Keeping = lambda _: {},
        models: Callable[[], Iterable[Model]] = tuple,
    ) -> None:
        """`models` are those of the library."""
        self._current, self._launcher, self._kept = current, launcher, kept
        self._models = models
        self._shapes = Shapes()
        self._silent: set[str] = set()
        """Fingerprints of models of which the engine did not say what they take: it may be slow to
        say so."""
        self._ram: RamReader | None = None
        self._others: dict[str, int] = {}

    async def look(
        self, model: Model, holdings: Holdings, at: float, *, cautious: bool = False
    ) -> Look:
        """What the scheduler must know before `model` gets room. Never raises PaddockError.

        What cannot be planned starts without a plan: what is wrong with it, its start will tell.
        """
        try:
            if model.path is None:
                return Look(at, claim=await self._last(model), fingerprint=model.fingerprint)
            question = await self.question(model, holdings, cautious=cautious)
        except PaddockError as error:
            log.debug("%s cannot be planned: %s", model.id, error)
            return Look(at, fingerprint=model.fingerprint)
        engine = self._launcher.engines.choose(model).name
        return Look(at, question, engine=engine, fingerprint=model.fingerprint)

    async def question(
        self,
        model: Model,
        holdings: Holdings,
        wish: Wish = NO_WISH,
        *,
        cautious: bool = False,
    ) -> Question | None:
        """What its place depends on; None for an engine that is told nothing of places.

        Raises LibraryError, GgufError, EngineMissing, ArgumentRefused, NotObserved.
        """
        engine = self._launcher.engines.choose(model)
        if not isinstance(engine, LlamaCppEngine):
            return None
        shape = await self._shape(model)
        flags = await engine.owner_flags(model)
        measured = await self._measured(engine, holdings)
        terms, fixed = terms_of(model, self._current.config, flags, wish, shape)
        question = Question(
            shape, terms, allowed(measured, flags), fixed, own_place(flags), flags.odd,
            cautious=cautious,
        )  # fmt: skip
        return await self._informed(engine, model, question, holdings())

    def told(self, seat: Seat, parts: Mapping[str, Parts]) -> Claim:
        """What a child really holds, by what it told while it loaded."""
        if not parts:
            return seat.claim
        shares = {name: _share(part) for name, part in parts.items()}
        if seat.plan is None or seat.question is None:
            cards = {name: one.total for name, one in shares.items() if name != HOST}
            return Claim(cards, shares.get(HOST, Share()).total)
        truth = corrected(seat.plan.estimate, shares, HOST)
        return seat.question.claim(replace(seat.plan, estimate=truth))

    async def closed(self, engines: Iterable[str]) -> frozenset[str]:
        """The cards of these engines that the owner wants models to leave now."""
        cards: set[str] = set()
        for name in engines:
            with suppress(PaddockError):
                devices = await self._devices(self._launcher.engines.named(name))
                kept = self._kept(devices)
                cards |= {
                    card(one) for one in devices if one.name in kept and kept[one.name].leaves
                }
        return frozenset(cards)

    async def until_back(self, seat: Seat, holdings: Holdings) -> None:
        """Return when the drivers have back what a child held that is gone, or after a while.

        An engine that cannot be asked any more, because the configuration has lost it, is no reason
        to wait.
        """
        with suppress(PaddockError):
            await self._until_back(seat, holdings)

    async def _until_back(self, seat: Seat, holdings: Holdings) -> None:
        measured = {card(one) for one in seat.devices if one.measured} & set(seat.claim.cards)
        deadline = asyncio.get_running_loop().time() + BACK_SECONDS
        while measured and asyncio.get_running_loop().time() < deadline:
            devices = await self._devices(self._launcher.engines.named(seat.engine))
            if all(self._is_back(one, holdings()) for one in devices if card(one) in measured):
                return
            await asyncio.sleep(BACK_STEP)

    def _is_back(self, device: Device, holdings: Iterable[Holding]) -> bool:
        name = card(device)
        ours = sum(
            one.claim.cards.get(name, 0) for one in holdings if one.phase is not Phase.LEAVING
        )
        return device.total - device.free <= self._others.get(name, 0) + ours + BACK_SLACK

    # --- parts -----------------------------------------------------------------------------------

    async def _shape(self, model: Model) -> Shape:
        if (known := self._shapes.known(model)) is not None:
            return known
        shape = await asyncio.to_thread(self._shapes.read, model)
        self._shapes.keep(model, shape)
        return shape

    async def _measured(self, engine: LlamaCppEngine, holdings: Holdings) -> Measured:
        devices = await self._devices(engine)
        ram = await asyncio.to_thread(self._memory)
        self._others |= others(devices, holdings(), self._others)
        return Measured(devices, ram.free, dict(self._others), self._kept(devices))

    def _memory(self) -> Ram:
        """The machine's own memory now. Blocks."""
        from paddock.hardware.ram import RamReader  # noqa: PLC0415 - not needed to start

        self._ram = self._ram or RamReader()
        return self._ram.read()

    async def _devices(self, engine: Engine) -> tuple[Device, ...]:
        try:
            async with asyncio.timeout(LIST_SECONDS):
                return await engine_devices.devices(engine)
        except TimeoutError:
            raise NotObserved(
                f"{engine.name} did not list its devices in {LIST_SECONDS:.0f} s",
                hint="ask again soon; `paddock hardware` shows what engines tell",
            ) from None

    async def _informed(
        self, engine: LlamaCppEngine, model: Model, question: Question, holdings: Sequence[Holding]
    ) -> Question:
        """With what is known of the places that it will probably have."""
        known: dict[tuple[Terms, Layout], Estimate] = {}
        seconds: dict[tuple[Terms, Layout], float] = {}
        for beside in ((), tuple(holdings)):
            plan = await asyncio.to_thread(question.answer, beside)
            where = plan.terms, plan.layout
            if plan.kind == "refused":
                question = replace(question, smaller=await self._smaller(model, question))
                continue
            if where in known:
                continue
            truth, took = await self._truth(engine, model, question, plan)
            if truth is not None:
                known[where] = truth
            if took is not None:
                seconds[where] = took
            question = replace(question, known=dict(known), seconds=dict(seconds))
        return question

    async def _smaller(self, model: Model, question: Question) -> tuple[str, ...]:
        """Smaller quantizations of a model that are here and would have a place; the best first."""
        kin = [
            one
            for one in self._models()
            if one.path is not None
            and one.size < model.size
            and is_built_alike(one.header, model.header)
            and family_of(one) == family_of(model)
        ]
        found = []
        for one in sorted(kin, key=lambda one: -one.size)[:MOST_KIN]:
            with suppress(PaddockError):
                smaller = replace(question, shape=await self._shape(one), known={}, smaller=())
                if (await asyncio.to_thread(smaller.answer, ())).kind != "refused":
                    found.append(f"{one.id} ({format_bytes(one.size)})")
        return tuple(found)

    async def _truth(
        self, engine: LlamaCppEngine, model: Model, question: Question, plan: Plan
    ) -> tuple[Estimate | None, float | None]:
        """What it took there before, and how long; else what the engine says where formulas are in
        doubt.
        """
        chosen = placed(question, plan)
        launch = await engine.launch(model, port=0, key="-", placed=chosen)
        taken = await asyncio.to_thread(self._launcher.learned.find, model, launch)
        parts = taken.parts if taken else None
        if parts is None and (question.odd or not plan.estimate.trusted):
            parts = await self._asked(model, chosen.words)
        if not parts:
            return None, None
        shares = {name: _share(one) for name, one in parts.items()}
        return corrected(plan.estimate, shares, HOST), taken.seconds if taken else None

    async def _asked(self, model: Model, words: Sequence[str]) -> Mapping[str, Parts] | None:
        if model.fingerprint in self._silent:
            return None
        try:
            return (await self._launcher.dry_runs.of(model, *words)).wanted
        except PaddockError as error:
            self._silent.add(model.fingerprint)
            log.debug("the engine does not tell what %s takes: %s", model.id, error.message)
            return None

    async def last(self, model: Model) -> Taken | None:
        """What a command of the owner's took the last time; None when that is not known."""
        launch = await self._launcher.engines.choose(model).launch(model, port=ANY_PORT, key="-")
        return await asyncio.to_thread(self._launcher.learned.find, model, launch)

    async def _last(self, model: Model) -> Claim:
        taken = await self.last(model)
        return self.told(ANYWHERE, taken.parts) if taken else NOTHING


def _share(parts: Parts) -> Share:
    return Share(parts.weights, parts.kv, parts.compute + parts.output)
