"""The devices that an engine can use, with what their drivers tell of them now.

An engine names its devices (`Vulkan0`, `CUDA1`) and tells how large they are. How full they are it
may not know: some libraries count only their own kind of programs, and some nothing at all. The
kernel's driver knows, by the card's address. So the two are joined, by address where the engine
has told it, else by maker and size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from paddock.hardware.gpus import Gpu, GpuReader
from paddock.hardware.listed import Listed
from paddock.hardware.ram import RamReader

SAME_SIZE: Final = 0.06
"""Part of its memory by which a device's two sizes may differ: drivers keep some for themselves."""
TELLING: Final = 256 << 20
"""Bytes by which two cards must differ in what is free before that tells them apart."""
_NUMBER: Final = re.compile(r"\d+$")
_MAKERS: Final = (
    ("NVIDIA", re.compile(r"^CUDA|NVIDIA|GeForce|Quadro|Tesla", re.IGNORECASE)),
    ("AMD", re.compile(r"^(?:ROCm|HIP)|\bAMD\b|Radeon|\bRADV\b", re.IGNORECASE)),
    ("Intel", re.compile(r"Intel", re.IGNORECASE)),
)
_INTEL_IN_PROCESSOR: Final = re.compile(r"\b(?:U?HD|Iris)\b|Graphics \(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """A device that an engine can use, at one moment. None: it does not tell."""

    name: str
    """As the engine calls it."""
    description: str
    total: int
    """Bytes."""
    free: int
    """Bytes that nobody uses, other programs counted; of an integrated one also no more than the
    machine's own memory has left."""
    integrated: bool = False
    """Its memory is the machine's own."""
    vendor: str = ""
    busy: float | None = None
    """Percent."""
    temperature: float | None = None
    """Degrees Celsius."""
    power: float | None = None
    """Watts."""
    pci: str = ""
    """Its address on the bus; empty: not known, so that two like it may be taken for each other."""
    measured: bool = False
    """`free` is the driver's word, not the engine's."""
    asleep: bool = False

    def left(self, claimed: int) -> int:
        """What is free when our own programs hold `claimed` bytes of it, by what they told.

        A driver counts them already; an engine's own figure may not.
        """
        return self.free if self.measured else max(0, min(self.free, self.total - claimed))


class Devices:
    """Reads what an engine's devices are doing."""

    def __init__(
        self, listed: Sequence[Listed], gpus: GpuReader | None = None, ram: RamReader | None = None
    ) -> None:
        """`listed` is what the engine said; the readers tell what is."""
        self._listed = tuple(listed)
        self._gpus = gpus or GpuReader()
        self._ram = ram or RamReader()

    def read(self) -> tuple[Device, ...]:
        """The devices now, in the engine's order. Blocks: reads files, may run `nvidia-smi`."""
        if not self._listed:
            return ()
        return join(self._listed, self._gpus.read(), self._ram.read().free)


def join(listed: Sequence[Listed], gpus: Sequence[Gpu], ram_free: int) -> tuple[Device, ...]:
    """What the engine lists, with the readings that belong to it. Pure."""
    found = matched(listed, gpus)
    return tuple(_device(one, found.get(one.name), ram_free) for one in listed)


def matched(listed: Sequence[Listed], gpus: Sequence[Gpu]) -> dict[str, Gpu]:
    """Which reading belongs to which device, by the device's name.

    A card is one device of each of an engine's backends: `ROCm0` and `Vulkan0` may be the same.
    """
    found: dict[str, Gpu] = {}
    by_backend = sorted(listed, key=lambda one: _NUMBER.sub("", one.name))
    for _, group in groupby(by_backend, key=lambda one: _NUMBER.sub("", one.name)):
        found |= _matched(list(group), list(gpus))
    return found


def _matched(listed: list[Listed], gpus: list[Gpu]) -> dict[str, Gpu]:
    """Of one backend: first by address, then by what they are."""
    by_address = {gpu.pci: gpu for gpu in gpus if gpu.pci}
    found = {one.name: by_address[one.pci] for one in listed if one.pci in by_address}
    taken = {gpu.pci for gpu in found.values()}
    rest = [gpu for gpu in gpus if not gpu.pci or gpu.pci not in taken]
    nameless = [one for one in listed if one.name not in found]
    while nameless:
        likes = _likes(nameless[0], rest)
        same = [one for one in nameless if _likes(one, rest) == likes]
        pairs = dict(_pairs(same, likes))
        found |= pairs
        used = {gpu.index for gpu in pairs.values() if gpu.vendor}
        rest = [gpu for gpu in rest if gpu not in likes or gpu.index not in used]
        nameless = [one for one in nameless if one not in same]
    return found


def _likes(one: Listed, gpus: Sequence[Gpu]) -> list[Gpu]:
    """The cards that this may be."""
    maker = _maker(one)
    alike = [gpu for gpu in gpus if gpu.vendor == maker and _same_size(one.total, gpu)]
    named = [gpu for gpu in alike if _same_name(one.description, gpu.name)]
    return named or alike


def _pairs(listed: Sequence[Listed], gpus: Sequence[Gpu]) -> Iterator[tuple[str, Gpu]]:
    """Devices and cards that look the same, one to each.

    What is free in them tells them apart where it differs, else their order does. Where the engine
    does not see all of them, and nothing tells which, it gets the numbers of the fullest.
    """
    if not gpus:
        return
    if len(listed) < len(gpus) and not (_tell(listed) and len(listed) > 1):
        yield from _fullest(listed, gpus)
        return
    one, other = list(listed), list(gpus)
    if _tell(listed) and _spread([_room(gpu) for gpu in gpus]) >= TELLING:
        one.sort(key=lambda device: device.free)
        other.sort(key=_room)
    for device, gpu in zip(one, other, strict=False):
        yield device.name, gpu


def _fullest(listed: Sequence[Listed], gpus: Sequence[Gpu]) -> Iterator[tuple[str, Gpu]]:
    known = sorted(gpus, key=_room)
    for device, gpu in zip(listed, known, strict=False):
        yield device.name, replace(gpu, pci="", uuid="", temperature=None, power=None, busy=None)


def _tell(listed: Sequence[Listed]) -> bool:
    return _spread([one.free for one in listed]) >= TELLING


def _spread(values: Sequence[int]) -> int:
    return max(values) - min(values)


def _room(gpu: Gpu) -> int:
    return (gpu.memory_total or 0) - (gpu.memory_used or 0)


def _maker(one: Listed) -> str:
    told = (one.name, one.description)
    return next((maker for maker, sign in _MAKERS if any(map(sign.search, told))), "?")


def _same_size(total: int, gpu: Gpu) -> bool:
    if not gpu.memory_total:
        return True
    sizes = (gpu.memory_total, gpu.memory_total + (gpu.shared_total or 0))
    return any(abs(total - size) <= SAME_SIZE * size for size in sizes)


def _same_name(description: str, name: str) -> bool:
    one, other = description.casefold(), name.casefold()
    return bool(other) and (other in one or one in other)


def _device(one: Listed, gpu: Gpu | None, ram_free: int) -> Device:
    if gpu is None:
        return _by_the_engine(one, ram_free)
    room = _free(one, gpu, ram_free)
    return Device(
        name=one.name,
        description=one.description,
        total=one.total,
        free=one.free if room is None else room,
        integrated=gpu.integrated,
        vendor=gpu.vendor,
        busy=gpu.busy,
        temperature=gpu.temperature,
        power=gpu.power,
        pci=gpu.pci,
        measured=room is not None,
        asleep=gpu.asleep,
    )


def _by_the_engine(one: Listed, ram_free: int) -> Device:
    maker = _maker(one).replace("?", "")
    integrated = maker == "Intel" and bool(_INTEL_IN_PROCESSOR.search(one.description))
    free = min(one.free, ram_free) if integrated and ram_free else one.free
    return Device(one.name, one.description, one.total, free, integrated, vendor=maker, pci=one.pci)


def _free(one: Listed, gpu: Gpu, ram_free: int) -> int | None:
    """What is free by the driver's word, of as much as the engine can use; None: not told."""
    if gpu.asleep:
        return one.total
    if gpu.memory_total is None or gpu.memory_used is None:
        return None
    own = max(0, gpu.memory_total - gpu.memory_used)
    if not gpu.integrated:
        return max(0, min(gpu.memory_total, one.total) - gpu.memory_used)
    borrowed = max(0, (gpu.shared_total or 0) - (gpu.shared_used or 0))
    return min(one.total, own + min(borrowed, ram_free))
