"""Bytes of weights on each device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from paddock.memory.layout import HOST, Layout, spans
from paddock.memory.shape import Shape


class Weights(NamedTuple):
    """Where the weights are."""

    devices: dict[str, int]
    host: int
    """Bytes of the machine's own memory."""
    repacked: int
    """Of those, the ones a processor copies to memory that cannot be dropped: with mapped files
    their pages come on top for a while."""
    largest: int
    """The largest tensor of a layer on the host: what is lent to a device for a step."""


class _Sums(NamedTuple):
    """Of the first so many layers: plans ask for them a hundred times."""

    dense: tuple[int, ...]
    experts: tuple[int, ...]
    largest_dense: tuple[int, ...]
    largest_experts: tuple[int, ...]


def weights(shape: Shape, layout: Layout) -> Weights:
    """The bytes of each tensor where llama.cpp puts it."""
    count, sums = len(shape.layers), _sums(shape)
    sizes: defaultdict[str, int] = defaultdict(int)
    sizes[HOST] += shape.host
    kept = min(layout.cpu_experts, count)
    below = 0
    for home, start, stop in spans(layout, count):
        end = min(stop, count)
        sizes[home] += sums.dense[end] - sums.dense[start]
        for place, first, last in ((HOST, start, min(end, kept)), (home, max(start, kept), end)):
            sizes[place] += max(0, sums.experts[max(first, last)] - sums.experts[first])
        if start < count:
            sizes[home] += shape.everywhere
        if start == 0:
            sizes[home] += shape.first
        if home == HOST:
            below = end
        if stop > count:
            _head(sizes, shape, layout, home)
    sizes[next((name for name in layout.devices if name in sizes), HOST)] += shape.beside
    host = sizes.pop(HOST)
    largest = max(sums.largest_dense[below], sums.largest_experts[max(below, kept)])
    return Weights(dict(sizes), host, 0 if layout.devices else _repacked(shape), largest)


def _head(sizes: defaultdict[str, int], shape: Shape, layout: Layout, home: str) -> None:
    sizes[home] += shape.output.size
    # A device has the table once more; a processor only in the order that suits it.
    if home != HOST or (shape.tied_repacked and not layout.devices):
        sizes[home] += shape.tied


@lru_cache(64)
def _repacked(shape: Shape) -> int:
    tied = shape.tied if shape.tied_repacked else 0
    layers = sum(layer.dense.repacked + layer.experts.repacked for layer in shape.layers)
    return layers + shape.output.repacked + tied


@lru_cache(64)
def _sums(shape: Shape) -> _Sums:
    layers = shape.layers
    return _Sums(
        _from_zero(accumulate(layer.dense.size for layer in layers)),
        _from_zero(accumulate(layer.experts.size for layer in layers)),
        _from_zero(accumulate((layer.dense.largest for layer in layers), max)),
        _from_zero(accumulate((layer.experts.largest for layer in layers), max)),
    )


def _from_zero(sums: Iterable[int]) -> tuple[int, ...]:
    return (0, *sums)
