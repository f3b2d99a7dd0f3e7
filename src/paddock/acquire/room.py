"""Whether there is room for what is to come: on the disk, and within what the owner gives."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from paddock.acquire.placing import PART
from paddock.errors import NoRoom, OverQuota
from paddock.library.store import room
from paddock.units import format_bytes

SPARE: Final = 0.05
"""Part of what comes that must be free besides it: others write too."""


def missing(part: Path, size: int) -> int:
    """Bytes that `size` bytes in this part still need on the disk. Blocking."""
    with suppress(OSError):
        return max(0, size - part.lstat().st_blocks * 512)
    return size


def check_disk(folder: Path, needed: int, promised: int) -> None:
    """Raise NoRoom where `needed` bytes, and some to spare, do not fit. Blocking.

    `promised`: bytes that other pulls to the same disk will still take.
    """
    free = room(folder) - promised
    wanted = int(needed * (1 + SPARE))
    if needed <= 0 or wanted <= free:
        return
    others = f" ({format_bytes(promised)} of it are promised to other pulls)" if promised else ""
    raise NoRoom(
        f"{format_bytes(needed)} have to come, and {folder} has only "
        f"{format_bytes(max(0, free + promised))} free{others}; {format_bytes(wanted - needed)} "
        "are to be left over",
        needed=wanted,
        free=max(0, free),
        hint="`paddock du` shows what takes the room, `paddock rm` gives it back",
    )


def check_quota(quota: int, used: int, needed: int, promised: int) -> None:
    """Raise OverQuota where models would take more than `quota` bytes; 0 is no quota."""
    if not quota or needed <= 0 or used + promised + needed <= quota:
        return
    raise OverQuota(
        f"{format_bytes(needed)} have to come, models have {format_bytes(used + promised)}, and "
        f"their quota is {format_bytes(quota)}",
        hint="`paddock du` shows what takes the room; the quota is `pulls.quota`",
    )


def used_below(folders: list[Path]) -> int:
    """Bytes on disk of all files below these folders, each file once; parts do not count. Blocking.

    Links are not followed, and what cannot be read counts nothing.
    """
    seen: set[tuple[int, int]] = set()
    total = 0
    waiting = [str(folder) for folder in folders]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                        continue
                    status = entry.stat(follow_symlinks=False)
                    identity = (status.st_dev, status.st_ino)
                    if identity not in seen and not _is_part(entry.name):
                        seen.add(identity)
                        total += status.st_size
    return total


def _is_part(name: str) -> bool:
    return "-partial" in name or (name.startswith(".") and name.endswith(PART))


def device_of(folder: Path) -> int:
    """The file system that a folder is on, or would be. Blocking."""
    for one in (folder, *folder.parents):
        with suppress(OSError):
            return one.stat().st_dev
    return 0
