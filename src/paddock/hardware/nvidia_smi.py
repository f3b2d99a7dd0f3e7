"""NVIDIA's graphics processors by `nvidia-smi`, the program that comes with the driver."""

from __future__ import annotations

import subprocess

from paddock.hardware.gpus import Gpu, address

MIB = 1 << 20
SECONDS = 10.0

FIELDS = (
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
    "pci.bus_id",
)
HOLDERS = ("pid", "gpu_bus_id", "used_gpu_memory")


def gpus(program: str | None) -> tuple[Gpu, ...]:
    """All of them now; none without the program, or when the driver does not work. Blocks."""
    return tuple(_gpu(row) for row in _rows(program, "gpu", FIELDS))


def held(program: str | None) -> dict[int, dict[str, int]]:
    """Bytes that each process holds, by the card's PCI address. Blocks."""
    found: dict[int, dict[str, int]] = {}
    for pid, card, size in _rows(program, "compute-apps", HOLDERS):
        used = _mib(_float(size))
        if pid.isdecimal() and used and (place := address(card)):
            found.setdefault(int(pid), {})[place] = used
    return found


def _rows(program: str | None, what: str, fields: tuple[str, ...]) -> list[list[str]]:
    """The rows that have all the fields."""
    if program is None:
        return []
    try:
        done = subprocess.run(
            [program, f"--query-{what}={','.join(fields)}", "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    rows = ([value.strip() for value in line.split(",")] for line in lines)
    return [row for row in rows if len(row) == len(fields)]


def _gpu(row: list[str]) -> Gpu:
    told = dict(zip(FIELDS, row, strict=True))
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
        pci=address(told["pci.bus_id"]),
    )


def _float(told: str) -> float | None:
    """A number, or None for `[N/A]`, `[Not Supported]` and the like."""
    try:
        return float(told)
    except ValueError:
        return None


def _mib(count: float | None) -> int | None:
    return None if count is None else int(count * MIB)
