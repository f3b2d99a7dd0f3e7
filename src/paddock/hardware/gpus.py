"""Graphics processors: AMD's by sysfs, NVIDIA's by the program that comes with the driver."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from paddock.hardware.files import number, scaled, text

AMD = "0x1002"
MIB = 1 << 20
NVIDIA_SECONDS = 10.0

NVIDIA_FIELDS = (
    "index",
    "name",
    "uuid",
    "temperature.gpu",
    "temperature.memory",
    "utilization.gpu",
    "utilization.memory",
    "memory.used",
    "memory.total",
    "fan.speed",
    "power.draw",
    "driver_version",
)


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
        return (*found, *_nvidia(self._nvidia_smi))


def _amd(index: int, device: Path) -> Gpu:
    sensors = next(iter(sorted((device / "hwmon").glob("hwmon*"))), device)
    speed, fastest = number(sensors / "pwm1"), number(sensors / "pwm1_max") or 255
    power = scaled(sensors / "power1_average", 1e6)
    return Gpu(
        index=index,
        name=text(device / "product_name") or f"AMD GPU {text(device / 'device')}",
        uuid=text(device / "unique_id"),
        vendor="AMD",
        driver="amdgpu",
        temperature=_labelled(sensors, ("edge", "junction")),
        memory_temperature=_labelled(sensors, ("mem",)),
        busy=number(device / "gpu_busy_percent"),
        memory_busy=number(device / "mem_busy_percent"),
        memory_used=number(device / "mem_info_vram_used"),
        memory_total=number(device / "mem_info_vram_total"),
        fan=None if speed is None else round(100 * speed / fastest, 1),
        power=power if power is not None else scaled(sensors / "power1_input", 1e6),
    )


def _labelled(sensors: Path, labels: tuple[str, ...]) -> float | None:
    """The temperature of the first of these labels that there is."""
    named = {text(path): path.name.partition("_")[0] for path in sensors.glob("temp*_label")}
    name = next((named[label] for label in labels if label in named), None)
    return None if name is None else scaled(sensors / f"{name}_input", 1000)


def _nvidia(program: str | None) -> tuple[Gpu, ...]:
    if program is None:
        return ()
    query = f"--query-gpu={','.join(NVIDIA_FIELDS)}"
    try:
        done = subprocess.run(
            [program, query, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=NVIDIA_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    rows = ([value.strip() for value in line.split(",")] for line in lines)
    return tuple(_nvidia_gpu(row) for row in rows if len(row) == len(NVIDIA_FIELDS))


def _nvidia_gpu(row: list[str]) -> Gpu:
    told = dict(zip(NVIDIA_FIELDS, row, strict=True))
    value = {name: _float(text) for name, text in told.items()}
    return Gpu(
        index=int(value["index"] or 0),
        name=told["name"],
        uuid=told["uuid"],
        vendor="NVIDIA",
        driver=told["driver_version"],
        temperature=value["temperature.gpu"],
        memory_temperature=value["temperature.memory"],
        busy=value["utilization.gpu"],
        memory_busy=value["utilization.memory"],
        memory_used=_mib(value["memory.used"]),
        memory_total=_mib(value["memory.total"]),
        fan=value["fan.speed"],
        power=value["power.draw"],
    )


def _float(told: str) -> float | None:
    """A number, or None for `[N/A]`, `[Not Supported]` and the like."""
    try:
        return float(told)
    except ValueError:
        return None


def _mib(count: float | None) -> int | None:
    return None if count is None else int(count * MIB)
