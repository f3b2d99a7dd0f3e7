"""Where the layers of a model go: llama.cpp's own rule, from the flags that decide it."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

HOST: Final = "host"
"""The machine's own memory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The devices in llama.cpp's order, and how layers are dealt to them."""

    devices: tuple[str, ...] = ()
    """None: all stays with the processor."""
    split: tuple[float, ...] = ()
    """The share of each device: bytes, layers, anything that compares."""
    gpu_layers: int = 0
    """The last so many layers are on devices; the head counts as the last one."""
    cpu_experts: int = 0
    """The experts of the first so many layers stay with the processor."""


@lru_cache(1024)
def homes(layout: Layout, layers: int) -> tuple[str, ...]:
    """The device of each layer, and at the end that of the head."""
    count = min(layout.gpu_layers, layers + 1) if layout.devices else 0
    first = layers + 1 - count
    shares = _shares(layout.split or (1.0,) * len(layout.devices))
    placed = [HOST] * first
    for number in range(count):
        index = bisect_right(shares, _single(number / count))
        placed.append(layout.devices[min(index, len(layout.devices) - 1)])
    return tuple(placed)


@lru_cache(1024)
def spans(layout: Layout, layers: int) -> tuple[tuple[str, int, int], ...]:
    """Neighbours with one home: the home, the first layer, and the one behind the last."""
    placed = homes(layout, layers)
    starts = [n for n in range(layers + 1) if n == 0 or placed[n] != placed[n - 1]]
    ends = [*starts[1:], layers + 1]
    return tuple((placed[start], start, end) for start, end in zip(starts, ends, strict=True))


@lru_cache(1024)
def used(layout: Layout, layers: int) -> tuple[str, ...]:
    """The devices that have a layer or the head, in order."""
    placed = set(homes(layout, layers))
    return tuple(name for name in layout.devices if name in placed)


def _shares(split: Sequence[float]) -> list[float]:
    """Summed up to 1, in the 32 bits that llama.cpp has for it."""
    sums, total = [], 0.0
    for share in split:
        total = _single(total + _single(share))
        sums.append(total)
    return [_single(one / total) if total else 1.0 for one in sums]


def _single(number: float) -> float:
    (rounded,) = struct.unpack("f", struct.pack("f", number))
    return float(rounded)
