"""Graphics processors: AMD's by sysfs, NVIDIA's by its library or the program of its driver."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from paddock.hardware.files import number, scaled, text

AMD = "0x1002"
GIB = 1 << 30
APU_DEDICATED = 4 * GIB
"""A processor with graphics in it takes at most so much of the memory for itself alone, …"""
APU_SHARED = 8 * GIB
"""… and may borrow at least so much more, …"""
APU_RATIO = 4
"""… which is so many times what it has."""
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics processor at one moment. None: it does not tell. Memory is in bytes."""

    index: int
    name: str
    uuid: str = ""
    vendor: str = ""
    driver: str = ""
    temperature: float | None = None
    """Degrees Celsius."""
    memory_temperature: float | None = None
    busy: float | None = None
    """Percent."""
    memory_busy: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    fan: float | None = None
    """Percent."""
    power: float | None = None
    """Watts."""
    pci: str = ""
    """Its address on the bus: `0000:03:00.0`. The one name that all drivers share."""
    shared_used: int | None = None
    """Of the machine's own memory, what it has borrowed, and what it may borrow."""
    shared_total: int | None = None
    integrated: bool = False
    """It is part of the processor: its memory is the machine's own."""
    asleep: bool = False
    """Its driver has switched it off until it is used. It tells little then, and holds nothing."""


class GpuReader:
    """Looks at the graphics processors. `root` is where the machine's file system begins."""

    def __init__(self, root: Path = Path("/"), nvidia_smi: str = "nvidia-smi") -> None:
        self._drm = root / "sys" / "class" / "drm"
        self._nvidia_smi = shutil.which(nvidia_smi)

    def read(self) -> tuple[Gpu, ...]:
        """All of them now: AMD's first, each vendor's in its own order. Blocks."""
        cards = sorted(self._drm.glob("card[0-9]*"), key=lambda card: (len(card.name), card.name))
        devices = [card / "device" for card in cards if "-" not in card.name]
        amd = [device for device in devices if text(device / "vendor") == AMD]
        found = [_amd(index, device) for index, device in enumerate(amd)]
        return (*found, *self._nvidia())

    def _nvidia(self) -> tuple[Gpu, ...]:
        from paddock.hardware import nvidia_smi, nvml  # noqa: PLC0415 - they make a Gpu

        told = nvml.gpus()
        return nvidia_smi.gpus(self._nvidia_smi) if told is None else told


def address(told: str) -> str:
    """A PCI address as Linux writes it, of any driver's way to write it; empty for other texts."""
    found = _ADDRESS.fullmatch(told.strip())
    if found is None:
        return ""
    return f"{(found[1] or '')[-4:].rjust(4, '0')}:{found[2]}".lower()


def _amd(index: int, device: Path) -> Gpu:
    # Asked for what it measures, a card that sleeps is woken, or refuses.
    asleep = text(device / "power" / "runtime_status") == "suspended"
    total, shared = (number(device / f"mem_info_{kind}_total") for kind in ("vram", "gtt"))
    plain = Gpu(
        index=index,
        name=text(device / "product_name") or f"AMD GPU {text(device / 'device')}",
        uuid=text(device / "unique_id"),
        vendor="AMD",
        driver="amdgpu",
        memory_total=total,
        pci=_slot(device),
        shared_total=shared,
        integrated=_integrated(device, total or 0, shared or 0),
        asleep=asleep,
    )
    return plain if asleep else _measured(plain, device)


def _measured(plain: Gpu, device: Path) -> Gpu:
    """The card with what it measures now."""
    sensors = next(iter(sorted((device / "hwmon").glob("hwmon*"))), device)
    speed, fastest = number(sensors / "pwm1"), number(sensors / "pwm1_max") or 255
    power = scaled(sensors / "power1_average", 1e6)
    return replace(
        plain,
        temperature=_labelled(sensors, ("edge", "junction")),
        memory_temperature=_labelled(sensors, ("mem",)),
        busy=number(device / "gpu_busy_percent"),
        memory_busy=number(device / "mem_busy_percent"),
        memory_used=number(device / "mem_info_vram_used"),
        fan=None if speed is None else round(100 * speed / fastest, 1),
        power=power if power is not None else scaled(sensors / "power1_input", 1e6),
        shared_used=number(device / "mem_info_gtt_used"),
    )


def _slot(device: Path) -> str:
    told = (line.partition("=") for line in text(device / "uevent").splitlines())
    slots = [value for name, _, value in told if name == "PCI_SLOT_NAME"]
    return address(slots[0] if slots else device.resolve().name)


def _integrated(device: Path, dedicated: int, shared: int) -> bool:
    """Whether it is part of the processor: then it tells no board and no maker of its memory."""
    if (device / "board_info").exists() or (device / "mem_info_vram_vendor").exists():
        return False
    small = dedicated <= APU_DEDICATED
    return small and shared >= APU_SHARED and shared >= APU_RATIO * dedicated


def _labelled(sensors: Path, labels: tuple[str, ...]) -> float | None:
    """The temperature of the first of these labels that there is."""
    named = {text(path): path.name.partition("_")[0] for path in sensors.glob("temp*_label")}
    name = next((named[label] for label in labels if label in named), None)
    return None if name is None else scaled(sensors / f"{name}_input", 1000)
