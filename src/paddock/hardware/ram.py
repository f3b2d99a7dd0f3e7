"""The machine's own memory: what of it is still to be had, and who sets the limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from paddock.hardware.files import number, text
from paddock.hardware.host import HostReader

Found = tuple[int, int] | None
"""A limit, and what of it is left; None where there is none."""

UNLIMITED = 1 << 60
"""The first version of control groups writes a limit beyond all memory where there is none."""


@dataclass(frozen=True, slots=True)
class Ram:
    """The memory at one moment, in bytes. What cannot be read is 0."""

    total: int
    available: int
    """What new programs may take without swapping, by the kernel's own estimate."""
    limit: int = 0
    """What the control groups that we run in may take together; 0: as much as there is."""
    limit_left: int = 0
    """What they may still take; means something only with a limit."""
    arc: int = 0
    """What ZFS keeps of its files and gives back when it is asked to: the kernel does not count
    it as available, so this comes on top."""

    @property
    def free(self) -> int:
        """What a model may take now; without what ZFS would have to give back first."""
        return min(self.available, self.limit_left) if self.limit else self.available


class RamReader:
    """Looks at the memory. `root` is where the machine's file system begins."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._host = HostReader(root)

    def read(self) -> Ram:
        """The memory now. Reads some small files."""
        host = self._host.read()
        limits = list(self._limits())
        limit, left = min(limits, key=lambda one: one[1], default=(0, 0))
        return Ram(host.memory_total, host.memory_available, limit, left, self._arc())

    def _limits(self) -> Iterator[tuple[int, int]]:
        """The limit of each control group around us that has one, and what it leaves."""
        groups = self._root / "sys" / "fs" / "cgroup"
        for line in text(self._root / "proc" / "self" / "cgroup").splitlines():
            _, kinds, place = [*line.split(":", 2), "", ""][:3]
            if not kinds:
                for hierarchy in (groups, groups / "unified"):
                    yield from _each(hierarchy, place, _second_version)
            elif "memory" in kinds.split(","):
                yield from _each(groups / "memory", place, _first_version)

    def _arc(self) -> int:
        values = {}
        for line in text(self._root / "proc" / "spl" / "kstat" / "zfs" / "arcstats").splitlines():
            name, *rest = line.split() or [""]
            if len(rest) == 2 and rest[1].isdecimal():
                values[name] = int(rest[1])
        return max(0, values.get("size", 0) - values.get("c_min", 0))


def _each(hierarchy: Path, place: str, look: Callable[[Path], Found]) -> Iterator[tuple[int, int]]:
    """What `look` finds in our group and in those above it.

    In a container the path may lead nowhere: there the group at the top is ours.
    """
    path = PurePosixPath(place.lstrip("/"))
    if ".." in path.parts:
        path = PurePosixPath()
    for step in (path, *path.parents):
        found = look(hierarchy / step)
        if found is not None:
            yield found


def _second_version(group: Path) -> Found:
    limit = number(group / "memory.max")  # "max" is no number
    if limit is None:
        return None
    used = number(group / "memory.current") or 0
    return limit, _left(limit, used, group, "inactive_file")


def _first_version(group: Path) -> Found:
    limit = number(group / "memory.limit_in_bytes")
    if limit is None or limit >= UNLIMITED:
        return None
    used = number(group / "memory.usage_in_bytes") or 0
    return limit, _left(limit, used, group, "total_inactive_file")


def _left(limit: int, used: int, group: Path, kept: str) -> int:
    """What is left of the limit: files in the cache that nobody uses make room."""
    for line in text(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == kept and value.isdecimal():
            used -= int(value)
    return min(limit, max(0, limit - used))
