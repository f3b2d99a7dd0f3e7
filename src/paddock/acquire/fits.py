"""Whether a model fits into the memory of a machine, before any byte of it is here.

The need is an estimate on the safe side: the weights, the projector, the cache of the context, and
the engine's compute buffers. What really comes is seen when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NamedTuple

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
_STEP: Final = 256
"""Tokens that contexts are told in."""
_LEAST: Final = 4096
"""Tokens below which a context is no use, where the model knows more."""


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
        return tuple(sorted(map(usable_gpu, self.gpus), reverse=True))

    @property
    def usable_ram(self) -> int:
        """Bytes that a model can have of the main memory."""
        return usable_ram(self.ram)


def usable_gpu(total: int) -> int:
    """Bytes that a model can have of a GPU that nobody else uses."""
    return int(total * (1 - _GPU_SPARE))


def usable_ram(total: int) -> int:
    """Bytes that a model can have of so much main memory."""
    return int(total * (1 - _RAM_SPARE))


Source = Literal["header", "scaled", "guess"]
"""How well a fit is known: by the header of the very file, by that of another quantization of the
same model, or by sizes alone."""


class Layers(NamedTuple):
    """How many layers there are, and where they would go."""

    all: int = 0
    """0: not known."""
    on_gpus: int = 0
    experts_in_ram: int = 0
    """Layers whose experts alone stay in RAM."""


class Fit(NamedTuple):
    """Where a model would run, and what it needs there."""

    place: Place
    """With the context that is counted with; with less where none has room for that."""
    need: int
    """Bytes, estimated."""
    gpus: int = 0
    """How many GPUs it takes, where it takes only these."""
    on_gpus: int = 0
    """Tokens of the largest context with which all of it is on GPUs; 0: none is."""
    most: int = 0
    """Tokens of the largest context that it can have at all; 0: it fits with none."""
    source: Source = "guess"
    layers: Layers = Layers()
    said: str = ""
    """Where the scheduler would put it, in words; it shortens a context before it leaves GPUs."""

    @property
    def words(self) -> str:
        """`1 GPU`, `2 GPUs`, `38/48 layers GPU`, `experts of 12/48 layers RAM`, `CPU`, `no`.

        `GPU + RAM` where only sizes are known, and nothing where not even the machine is.
        """
        if self.said:
            return self.said
        return f"{self.gpus} GPUs" if self.place is Place.GPUS else _WORDS[self.place]


_WORDS: Final = {
    Place.ONE_GPU: "1 GPU",
    Place.GPU_AND_RAM: "GPU + RAM",
    Place.RAM: "CPU",
    Place.NOWHERE: "no",
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
    per_token = _per_token(weights, parameters)
    return int(weights * (1 + _COMPUTE_PART) + projector + context * per_token + _COMPUTE)


def _per_token(weights: int, parameters: int) -> float:
    size = parameters or weights * 8 / 4.5
    return min(float(_CACHE_MOST), _CACHE_OF_8B * float((size / 8e9) ** _CACHE_GROWTH))


def guess(
    weights: int, parameters: int, memory: Memory, context: int, trained: int, projector: int = 0
) -> Fit:
    """Where weights of so many bytes find room, by sizes alone, and the contexts they leave.

    `trained`: tokens that no context goes beyond; 0: not known.
    """
    found = fit(need(weights, context, parameters, projector=projector), memory)
    bare = need(weights, 0, parameters, projector=projector)
    gpus = memory.usable_gpus
    room = sum(gpus) - max(0, len(gpus) - 1) * _COMPUTE
    per_token = _per_token(weights, parameters)
    longest = trained or context

    def tokens(room: int) -> int:
        left = int((room - bare) / per_token) // _STEP * _STEP
        return min(left, longest) if left >= min(_LEAST, longest) else 0

    on_gpus = tokens(room)
    return found._replace(on_gpus=on_gpus, most=max(on_gpus, tokens(sum(gpus) + memory.usable_ram)))


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
