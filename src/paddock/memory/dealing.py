"""Dealing layers to several devices, so that each has its part and none has too much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from paddock.memory.estimate import Estimate, estimate
from paddock.memory.kv import layer_sizes
from paddock.memory.layout import Layout
from paddock.memory.shape import Shape
from paddock.memory.terms import Terms

Fits = Callable[[Estimate], bool]


def dealt(
    shape: Shape, terms: Terms, free: Mapping[str, int], layout: Layout, fits: Fits
) -> Layout | None:
    """`layout` with a split over all its devices so that they fit, or None.

    `free` are the bytes that each device has. Each gets its part of what they have together; when
    that does not come out, they are filled one after the other.
    """
    if len(layout.devices) == 1:
        only = replace(layout, split=(1,))
        return only if fits(estimate(shape, terms, only)) else None
    costs = _costs(shape, terms, layout)
    if len(costs) < len(layout.devices):
        return None
    room = _room(shape, terms, free, layout, len(costs))
    if min(room) <= 0:
        return None
    for deal in (_in_proportion, _one_after_the_other):
        counts = deal(costs, room)
        chosen = replace(layout, split=tuple(counts))
        if min(counts) > 0 and fits(estimate(shape, terms, chosen)):
            return chosen
    return None


def _costs(shape: Shape, terms: Terms, layout: Layout) -> list[int]:
    """Bytes of each layer that goes to a device, and at the end of the head."""
    costs = []
    first = max(0, len(shape.layers) + 1 - layout.gpu_layers)
    sizes = zip(shape.layers, *layer_sizes(shape, terms), strict=True)
    for number, (layer, cache, state) in enumerate(sizes):
        size = layer.dense.size + cache + state
        size += layer.experts.size if number >= layout.cpu_experts else 0
        costs.append(size + (shape.first if number == 0 else 0))
    costs.append(shape.output.size + shape.tied)
    return costs[first:]


def _room(
    shape: Shape, terms: Terms, free: Mapping[str, int], layout: Layout, layers: int
) -> list[int]:
    """Bytes that each device has for layers, beside what it needs to work."""
    count = len(layout.devices)
    even = [layers // count + (number < layers % count) for number in range(count)]
    numbers = estimate(shape, terms, replace(layout, split=tuple(even)))
    parts, times = numbers.devices, 2 if numbers.doubts else 1.05
    work = (round(times * parts[name].compute) + parts[name].outside for name in layout.devices)
    return [
        free[name] - needed - shape.everywhere
        for name, needed in zip(layout.devices, work, strict=True)
    ]


def _in_proportion(costs: Sequence[int], room: Sequence[int]) -> list[int]:
    """Layers for each device: as much of all as it has of the room."""
    total, together = sum(costs), sum(room)
    ends = [total * part / together for part in accumulate(room)]
    counts = [0] * len(room)
    device, before = 0, 0
    for cost in costs:
        while device < len(room) - 1 and before + cost / 2 > ends[device]:
            device += 1
        counts[device] += 1
        before += cost
    return counts


def _one_after_the_other(costs: Sequence[int], room: Sequence[int]) -> list[int]:
    """Layers for each device: the last ones are filled first, as the head is there."""
    counts = [0] * len(room)
    device, left = len(room) - 1, room[-1]
    for number, cost in reversed(list(enumerate(costs))):
        if device and (cost > left or number < device):
            device -= 1
            left = room[device]
        counts[device] += 1
        left -= cost
    return counts
