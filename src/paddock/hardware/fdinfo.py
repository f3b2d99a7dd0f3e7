"""Which process holds how much memory of which graphics processor, as the drivers tell it.

A process has an open file for each device it uses, and /proc tells of it what it holds. Several
files may be one client of the driver, so they are counted once. ROCm's memory is told elsewhere, by
the kernel's compute driver, and NVIDIA's only by its own means.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from paddock.hardware import nvidia_smi, nvml
from paddock.hardware.files import number, table, text
from paddock.hardware.gpus import address

UNITS: Final = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
WORDS: Final = ("resident", "memory", "total")
"""How drivers call what is really held, best first; `total` counts what is not there yet."""
DEVICES: Final = "/dev/dri/"
_REGION: Final = re.compile(r"drm-(resident|memory|total)-(\w+)")
_OWN: Final = re.compile(r"(?:vram|local)\d*")


class Held(NamedTuple):
    """What a process, or several, hold of one card, in bytes."""

    own: int
    """In the card's own memory."""
    shared: int
    """In the machine's, for the card."""

    def plus(self, other: Held) -> Held:
        """Both together."""
        return Held(self.own + other.own, self.shared + other.shared)


class HeldReader:
    """Looks at processes. `root` is where the machine's file system begins."""

    def __init__(self, root: Path = Path("/"), nvidia_smi: str = "nvidia-smi") -> None:
        self._proc = root / "proc"
        self._nvidia_smi = shutil.which(nvidia_smi)
        self._compute = root / "sys" / "class" / "kfd" / "kfd"

    def read(self, pids: Iterable[int] | None = None) -> dict[int, dict[str, Held]]:
        """What each process holds, by the card's PCI address; those that hold something.

        Without `pids` it looks at all that this user may look at. Blocks.
        """
        cards, nvidia = self._compute_cards(), self._nvidia()
        found = {}
        for pid in self._everyone() if pids is None else pids:
            held = self._graphics(pid)
            for card, size in (*self._computing(pid, cards), *nvidia.get(pid, {}).items()):
                # Newer kernels tell it in both places.
                before = held.get(card, Held(0, 0))
                held[card] = Held(max(before.own, size), before.shared)
            if held := {card: one for card, one in held.items() if any(one)}:
                found[pid] = held
        return found

    def _nvidia(self) -> dict[int, dict[str, int]]:
        told = nvml.held()
        return nvidia_smi.held(self._nvidia_smi) if told is None else told

    def _everyone(self) -> Iterator[int]:
        try:
            yield from (int(one.name) for one in self._proc.iterdir() if one.name.isdecimal())
        except OSError:
            return

    def _graphics(self, pid: int) -> dict[str, Held]:
        clients: dict[tuple[str, str], Held] = {}
        for file in self._open(pid):
            told = table(self._proc / str(pid) / "fdinfo" / file)
            card = address(told.get("drm-pdev", ""))
            if card:
                clients[card, told.get("drm-client-id", file)] = _held(told)
        found: dict[str, Held] = {}
        for (card, _), held in clients.items():
            found[card] = found.get(card, Held(0, 0)).plus(held)
        return found

    def _open(self, pid: int) -> list[str]:
        """The numbers of its files that are devices for graphics."""
        try:
            files = list((self._proc / str(pid) / "fd").iterdir())
        except OSError:
            return []
        return [file.name for file in files if _target(file).startswith(DEVICES)]

    def _compute_cards(self) -> dict[str, str]:
        """PCI addresses by the numbers that the compute driver gives its cards."""
        found = {}
        for node in (self._compute / "topology" / "nodes").glob("*"):
            told = dict(
                [*line.split(), "", ""][:2] for line in text(node / "properties").splitlines()
            )
            card, place = text(node / "gpu_id"), told.get("location_id", "")
            if card not in {"", "0"} and place.isdecimal():
                found[card] = _address(int(told.get("domain") or 0), int(place))
        return found

    def _computing(self, pid: int, cards: dict[str, str]) -> Iterator[tuple[str, int]]:
        if not cards:
            return
        folder = self._compute / "proc" / str(pid)
        for card, place in cards.items():
            if size := number(folder / f"vram_{card}"):
                yield place, size


def together(held: Iterable[Mapping[str, Held]]) -> dict[str, Held]:
    """What several processes hold, by card."""
    found: dict[str, Held] = {}
    for one in held:
        for card, size in one.items():
            found[card] = found.get(card, Held(0, 0)).plus(size)
    return found


def _held(told: dict[str, str]) -> Held:
    """Each region once, by the best word that is there for it."""
    regions: dict[str, dict[str, int]] = {}
    for key, value in told.items():
        if found := _REGION.fullmatch(key):
            regions.setdefault(found[2], {})[found[1]] = _bytes(value)
    own = shared = 0
    for region, sizes in regions.items():
        size = next(sizes[word] for word in WORDS if word in sizes)
        if _OWN.fullmatch(region):
            own += size
        else:
            shared += size
    return Held(own, shared)


def _bytes(value: str) -> int:
    count, _, unit = value.partition(" ")
    factor = UNITS.get(unit.strip().casefold(), 0)
    return int(count) * factor if count.isdecimal() else 0


def _address(domain: int, place: int) -> str:
    return f"{domain:04x}:{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
