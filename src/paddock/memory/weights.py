"""Bytes of weights on each device."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from paddock.memory.layout import HOST, Layout, homes, used
from paddock.memory.shape import Shape, Tensors


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


def weights(shape: Shape, layout: Layout) -> Weights:
    """The bytes of each tensor where llama.cpp puts it."""
    placed = homes(layout, len(shape.layers))
    sizes: defaultdict[str, int] = defaultdict(int)
    repacked, largest = 0, 0
    sizes[HOST] += shape.host
    sizes[placed[0]] += shape.first
    on_host: list[Tensors] = []
    for number, (layer, home) in enumerate(zip(shape.layers, placed, strict=False)):
        _put(sizes, on_host, home, layer.dense)
        _put(sizes, on_host, HOST if number < layout.cpu_experts else home, layer.experts)
    _put(sizes, on_host, placed[-1], shape.output)
    largest = max((tensors.largest for tensors in on_host), default=0)
    gpus = used(layout, len(shape.layers))
    for device in {*gpus, *((HOST,) if HOST in placed[:-1] else ())}:
        sizes[device] += shape.everywhere
    if not layout.devices:
        repacked = sum(tensors.repacked for tensors in on_host)
    if placed[-1] != HOST:
        sizes[placed[-1]] += shape.tied
    elif shape.tied_repacked and not layout.devices:
        sizes[HOST] += shape.tied
        repacked += shape.tied
    host = sizes.pop(HOST)
    return Weights({name: sizes[name] for name in gpus}, host, repacked, largest)


def _put(sizes: defaultdict[str, int], on_host: list[Tensors], home: str, tensors: Tensors) -> None:
    sizes[home] += tensors.size
    if home == HOST:
        on_host.append(tensors)
