"""How much of the machine's memory processes really hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from paddock.hardware.files import table

KIB = 1024


class Resident(NamedTuple):
    """Bytes in the machine's memory."""

    own: int
    """What is the process's alone, or shared with others on purpose: it comes back when it ends."""
    files: int
    """Pages of files, such as weights that are mapped: the kernel takes them back when it must."""


def resident(pids: Iterable[int], root: Path = Path("/")) -> Resident:
    """What these processes hold together; those that cannot be looked at hold nothing. Blocks."""
    own = files = 0
    for pid in pids:
        told = table(root / "proc" / str(pid) / "status")
        own += _bytes(told.get("RssAnon", "")) + _bytes(told.get("RssShmem", ""))
        files += _bytes(told.get("RssFile", ""))
    return Resident(own, files)


def _bytes(told: str) -> int:
    count = told.partition(" ")[0]
    return int(count) * KIB if count.isdecimal() else 0
