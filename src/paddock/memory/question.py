"""One model that wants a place: all that the answer depends on, and the answer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from paddock.memory.estimate import MIB, Estimate, Share
from paddock.memory.layout import Layout, homes
from paddock.memory.ledger import Claim, Holding, Measured, card, left
from paddock.memory.placement import NOT_FIXED, Fixed, Own, Plan, place
from paddock.memory.shape import Shape
from paddock.memory.terms import Terms

if TYPE_CHECKING:
    from paddock.hardware.devices import Device

TRIES: Final = 4
"""How often a place is looked for again because what is known of it is more than was estimated."""
CAUTION: Final = 0.1
"""Part of each device that is left alone after a load has failed for want of memory."""
CACHE_PART: Final = 4
"""One part of so many, of what is left of the machine's memory, is for finished prompts."""
CACHE_STEP: Final = 256 * MIB
_PLENTY: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Question:
    """What is wanted, and what there is."""

    shape: Shape
    terms: Terms
    measured: Measured
    fixed: Fixed = NOT_FIXED
    own: Own | None = None
    odd: tuple[str, ...] = ()
    """Flags of the owner's whose part in it no formula knows: he is not refused for our numbers."""
    known: Mapping[tuple[Terms, Layout], Estimate] = field(default_factory=dict)
    """What it took, or the engine said that it would take, on such terms in such a place."""
    seconds: Mapping[tuple[Terms, Layout], float] = field(default_factory=dict)
    """How long it took to load there the last time."""
    smaller: tuple[str, ...] = ()
    """Smaller quantizations of it that are here and would have a place."""
    cautious: bool = False
    """Its last load failed for want of memory though there was room by our numbers."""

    def answer(self, holdings: Collection[Holding]) -> Plan:
        """Where it goes beside these."""
        devices, host = left(self.measured, holdings)
        if self.cautious:
            devices = tuple(
                replace(one, free=max(0, one.free - round(CAUTION * one.total))) for one in devices
            )
        plan = self._place(devices, host)
        if plan.kind == "refused" and self.odd:
            plan = self._as_told(plan)
        if plan.kind == "refused" and self.smaller:
            here = f"a smaller quantization that is here: {', '.join(self.smaller)}"
            plan = replace(plan, helps=(here, *plan.helps))
        return replace(plan, cache=_cache(plan, host), reason=self._with_what_is_kept(plan))

    def _place(self, devices: Sequence[Device], host: int) -> Plan:
        """The best place by what is known; else by what is estimated."""
        free = {one.name: one.free for one in devices}
        room, ram = devices, host
        for _ in range(TRIES):
            plan = place(self.shape, self.terms, room, ram, self.fixed, self.own)
            truth = self.known.get((plan.terms, plan.layout))
            if truth is None:
                return plan
            over = {name: share.total - free.get(name, 0) for name, share in truth.devices.items()}
            if max(over.values(), default=0) <= 0 and truth.host.total <= host:
                return replace(plan, estimate=truth)
            room = tuple(
                replace(one, free=max(0, one.free - max(0, over.get(one.name, 0)))) for one in room
            )
            ram = max(0, ram - max(0, truth.host.total - host))
        return plan

    def _as_told(self, refused: Plan) -> Plan:
        """As if there were plenty: the owner's flags may need far less than the formulas say."""
        plenty = tuple(replace(one, free=one.total) for one in self.measured.devices)
        plan = place(self.shape, self.terms, plenty, _PLENTY, self.fixed, self.own)
        flags = ", ".join(self.odd)
        return replace(
            plan, reason=f"The flags {flags} decide what it takes. By formulas: {refused.reason}"
        )

    def _with_what_is_kept(self, plan: Plan) -> str:
        """The reason, and where that is a part of it, what the owner keeps for others."""
        if plan.kind == "gpu":
            return plan.reason
        kept = (f"{one.why[:1].upper()}{one.why[1:]}." for one in self.measured.kept.values())
        return " ".join((plan.reason, *kept))

    # --- of a plan -------------------------------------------------------------------------------

    def claim(self, plan: Plan) -> Claim:
        """What a child holds by this plan."""
        numbers = plan.estimate
        by_name = {one.name: one for one in self.measured.devices}
        cards: dict[str, int] = {}
        host = numbers.host.total - numbers.host.weights + numbers.growth.checkpoints
        for name, share in numbers.devices.items():
            device = by_name.get(name)
            key = card(device) if device else name
            cards[key] = cards.get(key, 0) + share.total
            host += share.total if device and device.integrated else 0
        return Claim(cards, host, numbers.host.weights, plan.cache or 0)

    def processor(self, plan: Plan) -> str:
        """What works on it, for people."""
        layers = len(self.shape.layers)
        if plan.kind in {"gpu", "split"}:
            return "100% GPU"
        if plan.kind != "hybrid":
            return "100% CPU"
        if plan.layout.cpu_experts:
            return f"experts of {min(plan.layout.cpu_experts, layers)}/{layers} layers CPU"
        return f"{layers - homes(plan.layout, layers)[:-1].count('host')}/{layers} layers GPU"

    def on_devices(self, plan: Plan) -> float:
        """The part of its bytes that is on devices."""
        numbers = plan.estimate
        there = sum(one.logged for one in numbers.devices.values())
        return there / max(1, there + numbers.host.logged)


def _cache(plan: Plan, host: int) -> int | None:
    """A part of what is left of the machine's memory, where that is less than the engine's own."""
    most = plan.estimate.growth.prompt_cache
    share = max(0, host - plan.estimate.host.total) // CACHE_PART
    return share // CACHE_STEP * CACHE_STEP if share < most else None


def corrected(numbers: Estimate, told: Mapping[str, Share], host: str) -> Estimate:
    """The estimate with what an engine told in the place of the formulas'.

    `told` by device, the machine's own memory as `host`. What no engine tells stays as estimated.
    """
    names = dict.fromkeys((*numbers.devices, *(name for name in told if name != host)))
    devices = {
        name: told.get(name, Share())._replace(
            outside=numbers.devices[name].outside if name in numbers.devices else 0
        )
        for name in names
    }
    own = told.get(host, numbers.host)._replace(outside=numbers.host.outside)
    return replace(numbers, devices=devices, host=own, doubts=(), bounded=False)
