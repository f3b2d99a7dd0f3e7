"""Whether a model fits into the memory of a machine, before any byte of it is here.

The need is an estimate on the safe side: the weights, the projector, the cache of the context, and
the engine's compute buffers. What really comes is seen when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from paddock.hardware.snapshot import Machine

GIB: Final = 1 << 30

_COMPUTE: Final = GIB // 2
_COMPUTE_PART: Final = 0.05
_GPU_SPARE: Final = 0.03
"""Part of a GPU's memory that drivers and screens keep."""
_RAM_SPARE: Final = 0.15
"""Part of the main memory that is left to everything else."""
_CACHE_OF_8B: Final = 128 << 10
"""Bytes per token of context of a model with 8e9 parameters, at 16 bits."""
_CACHE_MOST: Final = 320 << 10
_CACHE_GROWTH: Final = 0.45
"""How the cache grows with the parameters: layers do, heads do not."""
_DEFAULT_CONTEXT: Final = 8192


class Place(IntEnum):
    """Where a model finds room, the best place first."""

    ONE_GPU = 0
    GPUS = 1
    GPU_AND_RAM = 2
    RAM = 3
    NOWHERE = 4
    UNKNOWN = 5
    """Nothing is known of the machine's memory."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a machine has for models, in bytes. Nothing at all: not known."""

    gpus: tuple[int, ...] = ()
    """Of each GPU, whole."""
    ram: int = 0
    slow_low_bits: bool = False
    """Whether i-quants below four bits are slow here: on AMD's GPUs and on processors."""

    @classmethod
    def of(cls, machine: Machine) -> Memory:
        """What this machine has. GPUs that do not tell their memory do not count."""
        told = [gpu for gpu in machine.gpus if gpu.memory_total]
        return cls(
            gpus=tuple(gpu.memory_total or 0 for gpu in told),
            ram=machine.memory,
            slow_low_bits=not told or any(gpu.vendor != "NVIDIA" for gpu in told),
        )

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return bool(self.gpus or self.ram)

    @property
    def usable_gpus(self) -> tuple[int, ...]:
        """Bytes that a model can have of each GPU, the largest first."""
        return tuple(sorted((int(one * (1 - _GPU_SPARE)) for one in self.gpus), reverse=True))

    @property
    def usable_ram(self) -> int:
        """Bytes that a model can have of the main memory."""
        return int(self.ram * (1 - _RAM_SPARE))


class Fit(NamedTuple):
    """Where a model would run, and what it needs there."""

    place: Place
    need: int
    """Bytes, estimated."""
    gpus: int = 0
    """How many GPUs it takes, where it takes only these."""

    @property
    def words(self) -> str:
        """`one GPU`, `2 GPUs`, `GPU + RAM`, `RAM`, `too large`; empty where nothing is known."""
        return f"{self.gpus} GPUs" if self.place is Place.GPUS else _WORDS[self.place]


_WORDS: Final = {
    Place.ONE_GPU: "one GPU",
    Place.GPU_AND_RAM: "GPU + RAM",
    Place.RAM: "RAM",
    Place.NOWHERE: "too large",
    Place.UNKNOWN: "",
}


def context_of(trained: int, asked: int) -> int:
    """Tokens to count with: what the owner configured, at most what the model was trained for."""
    wanted = asked or trained or _DEFAULT_CONTEXT
    return min(wanted, trained) if trained else wanted


def need(weights: int, context: int, parameters: int, *, projector: int = 0) -> int:
    """Bytes that a model needs in memory with `context` tokens of 16 bits, estimated.

    `parameters`: 0 where nobody tells; then the weights' size stands in, at four bits and a half.
    """
    size = parameters or weights * 8 / 4.5
    per_token = min(_CACHE_MOST, _CACHE_OF_8B * (size / 8e9) ** _CACHE_GROWTH)
    return int(weights * (1 + _COMPUTE_PART) + projector + context * per_token + _COMPUTE)


def fit(needed: int, memory: Memory) -> Fit:
    """Where this need finds room."""
    if not memory.known:
        return Fit(Place.UNKNOWN, needed)
    gpus = memory.usable_gpus
    if count := _gpus_for(needed, gpus):
        return Fit(Place.ONE_GPU if count == 1 else Place.GPUS, needed, count)
    if gpus and needed <= sum(gpus) + memory.usable_ram:
        return Fit(Place.GPU_AND_RAM, needed)
    if needed <= memory.usable_ram:
        return Fit(Place.RAM, needed)
    return Fit(Place.NOWHERE, needed)


def _gpus_for(needed: int, gpus: Iterable[int]) -> int:
    """How many of these GPUs it takes, each with compute buffers of its own; 0: they have not."""
    room = 0
    for count, gpu in enumerate(gpus, 1):
        room += gpu
        if needed + (count - 1) * _COMPUTE <= room:
            return count
    return 0
