"""Where a model would best be put, with the reason: pure, and the same for the same question.

The order of preference: whole on the one device that it fills best; its layers over several, in
proportion to what each has free; experts or the first layers with the processor; the processor
alone; a refusal with the numbers. A context that nobody asked for is made smaller before anything
leaves the devices, but never below `LEAST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from paddock.memory import wording
from paddock.memory.dealing import dealt
from paddock.memory.estimate import Estimate, Share, estimate
from paddock.memory.kv import tensors_of
from paddock.memory.layout import Layout
from paddock.memory.shape import Shape
from paddock.memory.terms import CACHE_TYPES, CELLS, Terms

if TYPE_CHECKING:
    from paddock.hardware.devices import Device

LEAST: Final = 4096
"""Tokens that a request has at least, unless less was asked for or the model knows no more."""

WORTH: Final = 8
"""One layer of so many must be on a device, or the processor is as fast alone."""

Kind = Literal["gpu", "split", "hybrid", "cpu", "refused"]


class Fixed(NamedTuple):
    """What was asked for and is not to be made smaller."""

    context: bool = False
    slots: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a model would go."""

    kind: Kind
    layout: Layout
    terms: Terms
    """As they would be: context and slots may be less than what was wanted."""
    estimate: Estimate
    """Of a refusal: what the processor alone would need."""
    reason: str
    """One or two sentences."""
    helps: tuple[str, ...] = ()
    """Of a refusal: what would make room."""
    cache: int | None = None
    """Bytes of RAM that finished prompts may be kept in; None: as much as the engine likes."""

    @property
    def context(self) -> int:
        """Tokens per request."""
        return self.terms.context

    @property
    def slots(self) -> int:
        """Requests at once."""
        return self.terms.slots


NOT_FIXED: Final = Fixed()


class Own(NamedTuple):
    """What the owner says himself of where the layers go; None: that is for us to say."""

    gpu_layers: int | None = None
    split: tuple[float, ...] | None = None
    cpu_experts: int | None = None
    single: bool = False
    """On one device, or on none."""


class _Found(NamedTuple):
    kind: Kind
    layout: Layout


def place(
    shape: Shape,
    terms: Terms,
    devices: Sequence[Device],
    host_free: int,
    fixed: Fixed = NOT_FIXED,
    own: Own | None = None,
) -> Plan:
    """The best place for a model that is wanted on these terms.

    `devices` in the engine's order, with what is free now; `host_free` are bytes of the machine's
    own memory. Where `own` says something, that is so, or the plan is a refusal.
    """
    if shape.context and terms.context > shape.context:
        terms = replace(terms, context=shape.context)
    planning = _Planning(shape, devices, host_free, own or Own())
    for search in planning.searches:
        if (best := _best(terms, fixed, _least(shape), search)) is not None:
            chosen, found = best
            numbers = estimate(shape, chosen, found.layout)
            reason = wording.reason(shape, found.kind, numbers, devices, terms, chosen)
            return Plan(found.kind, found.layout, chosen, numbers, reason)
    return planning.refusal(terms, fixed)


def _least(shape: Shape) -> int:
    return min(LEAST, shape.context or LEAST)


def _best(
    terms: Terms, fixed: Fixed, least: int, search: Callable[[Terms], _Found | None]
) -> tuple[Terms, _Found] | None:
    """What is found for the best of the terms: as wanted, else with one slot, else with less."""
    if (found := search(terms)) is not None:
        return terms, found
    if terms.slots > 1 and not fixed.slots:
        terms = replace(terms, slots=1)
        if (found := search(terms)) is not None:
            return terms, found
    if fixed.context or terms.context <= least:
        return None
    most = largest(terms, least, lambda smaller: search(smaller) is not None)
    shorter = replace(terms, context=most)
    return (shorter, found) if most and (found := search(shorter)) is not None else None


def largest(terms: Terms, least: int, works: Callable[[Terms], bool]) -> int:
    """Tokens of the largest context from `least` up to below the wanted one that works, or 0."""
    if not works(replace(terms, context=least)):
        return 0
    low, high = -(-least // CELLS), -(-terms.context // CELLS)
    while high - low > 1:
        middle = (low + high) // 2
        if works(replace(terms, context=middle * CELLS)):
            low = middle
        else:
            high = middle
    return max(least, low * CELLS)


class _Planning:
    """One question."""

    def __init__(self, shape: Shape, devices: Sequence[Device], host_free: int, own: Own) -> None:
        self._shape, self._host_free, self._own = shape, host_free, own
        self._all = tuple(devices)
        discrete = tuple(one for one in devices if not one.integrated)
        # As llama.cpp does it: graphics that share the machine's memory only where nothing else is.
        self._devices = discrete or self._all
        self._free = {one.name: one.free for one in self._devices}
        self._shared = {one.name for one in self._devices if one.integrated}
        self._count = len(shape.layers)

    @property
    def searches(self) -> tuple[Callable[[Terms], _Found | None], ...]:
        """Where to look, the best place first."""
        if self._own != Own():
            return (self.as_the_owner_says,)
        return (self.on_devices, self.elsewhere)

    # --- the places, in order --------------------------------------------------------------------

    def as_the_owner_says(self, terms: Terms) -> _Found | None:
        """There, and for what he leaves open as it is best."""
        own, whole = self._own, self._count + 1
        count = whole if own.gpu_layers is None else min(own.gpu_layers, whole)
        if not count or not self._devices:
            return self.alone(terms)
        experts = own.cpu_experts or 0
        if count == whole and not experts and not own.split and (found := self.on_devices(terms)):
            return found if found.kind == "gpu" or not own.single else None
        if own.split:
            layout: Layout | None = Layout(tuple(self._free), own.split, count, experts)
            if layout and not self._fits(estimate(self._shape, terms, layout)):
                layout = None
        else:
            layout = self._deal(terms, count, experts)
        if layout is None:
            return None
        return _Found("split" if count == whole and not experts else "hybrid", layout)

    def on_devices(self, terms: Terms) -> _Found | None:
        """All layers on devices: on one, else over as few as possible."""
        if not self._possible(terms):
            return None
        best: tuple[int, Layout] | None = None
        for name, free in self._free.items():
            layout = Layout((name,), (1,), self._count + 1)
            numbers = estimate(self._shape, terms, layout)
            unused = free - numbers.devices[name].total
            if self._fits(numbers) and (best is None or unused < best[0]):
                best = unused, layout
        if best is not None:
            return _Found("gpu", best[1])
        for names in self._several():
            layout = Layout(names, (), self._count + 1)
            if split := dealt(self._shape, terms, self._free, layout, self._fits):
                return _Found("split", split)
        return None

    def partly(self, terms: Terms) -> _Found | None:
        """As much as possible on devices: experts leave first, then whole layers from below."""
        if not self._devices or not self._possible(terms):
            return None
        experts = self._shape.expert_layers
        if experts:
            least = _first(1, self._count, lambda n: self._deal(terms, self._count + 1, n))
            if least is not None:
                return _Found("hybrid", least)
        without = self._count if experts else 0
        # Fewer layers always fit better: look for the first number of layers left out.
        most = self._count - -(-self._count // WORTH)
        found = _first(1, most, lambda left: self._deal(terms, self._count + 1 - left, without))
        return _Found("hybrid", found) if found is not None else None

    def alone(self, terms: Terms) -> _Found | None:
        """With the processor alone."""
        return _Found("cpu", Layout()) if self._fits(self._on_host(terms)) else None

    def elsewhere(self, terms: Terms) -> _Found | None:
        """Partly on devices, else with the processor: what is wanted counts more than where."""
        return self.partly(terms) or self.alone(terms)

    def refusal(self, terms: Terms, fixed: Fixed) -> Plan:
        """No place: the numbers, and what would help."""
        least = terms if fixed.context else replace(terms, context=min(terms.context, LEAST))
        least = least if fixed.slots else replace(least, slots=1)
        numbers = self._on_host(least)
        helps = wording.helps(
            self._shape, numbers, self._all, self._host_free, self._shorter(least)
        )
        reason = wording.refusal(numbers, least, self._all, self._host_free)
        return Plan("refused", Layout(), least, numbers, reason, helps)

    # --- parts -----------------------------------------------------------------------------------

    def _on_host(self, terms: Terms) -> Estimate:
        return estimate(self._shape, terms, Layout())

    def _shorter(self, terms: Terms) -> int:
        """Tokens of a context that would have a place, 0 if none would."""
        if terms.context <= CELLS:
            return 0
        return largest(
            terms,
            CELLS,
            lambda smaller: any(search(smaller) is not None for search in self.searches),
        )

    def _deal(self, terms: Terms, gpu_layers: int, cpu_experts: int) -> Layout | None:
        """So many layers over all devices, or over as many as can be of use; None: no room."""
        several = () if self._own.single else tuple(reversed(list(self._several())))
        for names in (*several, *((name,) for name in self._by_free())):
            layout = Layout(names, (), gpu_layers, cpu_experts)
            if found := dealt(self._shape, terms, self._free, layout, self._fits):
                return found
        return None

    def _by_free(self) -> list[str]:
        return sorted(self._free, key=lambda name: -self._free[name])

    def _several(self) -> Iterator[tuple[str, ...]]:
        """The two devices with most room, the three, …, each in the engine's order."""
        ordered = self._by_free()
        for count in range(2, len(ordered) + 1):
            chosen = set(ordered[:count])
            yield tuple(name for name in self._free if name in chosen)

    def _fits(self, numbers: Estimate) -> bool:
        """Whether there is room for all of it."""
        host = _needed(numbers.host, numbers)
        for name, parts in numbers.devices.items():
            needed = _needed(parts, numbers)
            if needed > self._free[name]:
                return False
            host += needed if name in self._shared else 0
        return host <= self._host_free

    def _possible(self, terms: Terms) -> bool:
        """Whether devices can work with caches like these at all."""
        kinds = {CACHE_TYPES[terms.keys].block, CACHE_TYPES[terms.values].block}
        limit = min((buffer_range(one) for one in self._devices), default=0)
        for layer in self._shape.layers:
            if layer.key and any(layer.key % block for block in kinds):
                return False
            if max(tensors_of(self._shape, layer, terms)) > limit:
                return False
        return True


def _needed(parts: Share, numbers: Estimate) -> int:
    """Bytes that must be free: what a device needs to work is known to about a twentieth.

    Where the formulas are in doubt, twice what they say must be there.
    """
    return parts.total + (parts.compute if numbers.doubts else parts.compute // 20)


def _first(low: int, high: int, found: Callable[[int], Layout | None]) -> Layout | None:
    """What is found for the least number from `low` to `high` for which something is."""
    best = found(high) if low <= high else None
    if best is None:
        return None
    while low < high:
        middle = (low + high) // 2
        here = found(middle)
        if here is None:
            low = middle + 1
        else:
            best, high = here, middle
    return best


def buffer_range(device: Device) -> int:
    """Bytes of one tensor that the device can work with: past that, the engine aborts."""
    if not device.name.startswith("Vulkan"):
        return 1 << 62
    return 128 << 20 if "llvmpipe" in device.description else 4 << 30
