"""Files as the kernel shows them of graphics processors and processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

GIB = 1 << 30
CARD = {
    "vendor": "0x1002",
    "device": "0x7551",
    "board_info": "type : oem",
    "mem_info_vram_total": 32 * GIB,
    "mem_info_vram_used": 1 * GIB,
    "mem_info_gtt_total": 126 * GIB,
    "mem_info_gtt_used": 0,
    "gpu_busy_percent": 10,
    "hwmon/hwmon2/temp1_input": 41000,
    "hwmon/hwmon2/temp1_label": "edge",
    "hwmon/hwmon2/power1_average": 33000000,
}
APU = {
    "vendor": "0x1002",
    "device": "0x1586",
    "mem_info_vram_total": GIB // 2,
    "mem_info_vram_used": GIB // 4,
    "mem_info_gtt_total": 64 * GIB,
    "mem_info_gtt_used": 4 * GIB,
}


def put(root: Path, files: dict[str, Any]) -> None:
    """Write these files below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")


def add_card(root: Path, number: int, card: dict[str, Any] = CARD, **changes: Any) -> str:
    """Put a card into the machine; its PCI address."""
    slot = f"0000:{number + 3:02x}:00.0"
    files = {**card, "uevent": f"DRIVER=amdgpu\nPCI_SLOT_NAME={slot}", **changes}
    put(root, {f"sys/class/drm/card{number}/device/{name}": one for name, one in files.items()})
    return slot


def add_memory(root: Path, available: int, total: int = 252 * GIB) -> None:
    """Give the machine so much memory."""
    told = f"MemTotal: {total >> 10} kB\nMemAvailable: {available >> 10} kB"
    put(root, {"proc/meminfo": told})


def add_process(root: Path, pid: int, *files: str, target: str = "/dev/dri/renderD128") -> None:
    """A process that has devices open; each text is what /proc tells of one."""
    folder = root / "proc" / str(pid) / "fd"
    folder.mkdir(parents=True)
    for number, told in enumerate(files, start=3):
        (folder / str(number)).symlink_to(target)
        put(root, {f"proc/{pid}/fdinfo/{number}": told})
