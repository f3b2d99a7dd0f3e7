"""Processors, memory, load and network of the machine, as Linux tells them in /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paddock.hardware.files import table, text

KIB = 1024


@dataclass(frozen=True, slots=True)
class Network:
    """Bytes that went over one interface since the machine started."""

    name: str
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Host:
    """The machine at one moment. Memory is in bytes."""

    processors: tuple[float, ...]
    """How busy each processor was since the moment before, in percent; empty the first time."""
    memory_total: int
    memory_available: int
    memory_free: int
    swap_total: int
    swap_used: int
    load: tuple[float, float, float]
    """Of the last 1, 5 and 15 minutes."""
    network: tuple[Network, ...]


class HostReader:
    """Looks at the machine. `root` is where its file system begins."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._last: dict[str, tuple[int, int]] = {}

    def read(self) -> Host:
        """The machine now. What cannot be read is 0."""
        memory = {name: _kib(value) for name, value in table(self._proc / "meminfo").items()}
        swap = memory.get("SwapTotal", 0)
        free = memory.get("MemFree", 0)
        return Host(
            processors=self._processors(),
            memory_total=memory.get("MemTotal", 0),
            memory_available=memory.get("MemAvailable", free),
            memory_free=free,
            swap_total=swap,
            swap_used=swap - memory.get("SwapFree", swap),
            load=_load(text(self._proc / "loadavg")),
            network=_network(self._proc / "net" / "dev"),
        )

    def _processors(self) -> tuple[float, ...]:
        now = _ticks(text(self._proc / "stat"))
        last, self._last = self._last, now
        return tuple(_busy(last[name], now[name]) for name in now if name in last)


def _ticks(stat: str) -> dict[str, tuple[int, int]]:
    """Ticks of each processor since the start: those it idled, and all."""
    found = {}
    for line in stat.splitlines():
        name, *rest = line.split() or [""]
        if name.startswith("cpu") and name != "cpu" and len(rest) >= 4:
            told = rest[:8]  # what is behind them is in them already
            ticks = [int(tick) if tick.isdecimal() else 0 for tick in told]
            found[name] = (sum(ticks[3:5]), sum(ticks))
    return found


def _busy(last: tuple[int, int], now: tuple[int, int]) -> float:
    idle, spent = now[0] - last[0], now[1] - last[1]
    return round(100 * min(1.0, max(0.0, 1 - idle / spent)), 1) if spent > 0 else 0.0


def _kib(value: str) -> int:
    first = value.partition(" ")[0]
    return int(first) * KIB if first.isdecimal() else 0


def _load(told: str) -> tuple[float, float, float]:
    try:
        one, five, fifteen = map(float, told.split()[:3])
    except ValueError:
        return (0.0, 0.0, 0.0)
    return (one, five, fifteen)


def _network(path: Path) -> tuple[Network, ...]:
    rows = ((name, value.split()) for name, value in table(path).items())
    return tuple(
        Network(name, int(values[0]), int(values[8]))
        for name, values in rows
        if len(values) >= 9 and values[0].isdecimal() and values[8].isdecimal() and name != "lo"
    )
