"""What the machine is made of: read once, when the daemon has started."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

from paddock.hardware.files import text
from paddock.hardware.gpus import Gpu, GpuReader
from paddock.hardware.host import HostReader


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while the daemon runs. Texts are empty where nothing is told."""

    architecture: str
    system: str
    """`linux`, `darwin`, …"""
    distribution: str
    version: str
    kernel: str
    container: str
    """`docker`, `podman`, `lxc`, …; empty on the machine itself."""
    processor_vendor: str
    processor: str
    sockets: int
    cores: int
    threads: int
    memory: int
    """Bytes."""
    gpus: tuple[Gpu, ...]


def machine(root: Path = Path("/")) -> Machine:
    """What the machine is made of. Blocks: reads files and may run `nvidia-smi`."""
    first, sockets, cores, threads = _processors(root / "proc" / "cpuinfo")
    release = _release(text(root / "etc" / "os-release"))
    return Machine(
        architecture=platform.machine(),
        system=platform.system().lower(),
        distribution=release.get("NAME", ""),
        version=release.get("VERSION_ID", ""),
        kernel=platform.release(),
        container=_container(root),
        processor_vendor=first.get("vendor_id", ""),
        processor=first.get("model name", ""),
        sockets=sockets,
        cores=cores,
        threads=threads,
        memory=HostReader(root).read().memory_total,
        gpus=GpuReader(root).read(),
    )


def _processors(path: Path) -> tuple[dict[str, str], int, int, int]:
    """The first processor's fields, and how many sockets, cores and threads there are."""
    blocks = [_block(block) for block in text(path).split("\n\n") if "processor" in block]
    places = {
        (one.get("physical id", "0"), one.get("core id", str(n))) for n, one in enumerate(blocks)
    }
    sockets = {socket for socket, _ in places}
    return (blocks[0] if blocks else {}), len(sockets), len(places), len(blocks)


def _block(block: str) -> dict[str, str]:
    lines = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _release(told: str) -> dict[str, str]:
    lines = (line.partition("=") for line in told.splitlines())
    return {name: value.strip("\"'") for name, _, value in lines}


def _container(root: Path) -> str:
    told = [
        line for line in text(root / "proc/1/environ").split("\0") if line.startswith("container=")
    ]
    if told:
        return told[0].removeprefix("container=")
    return "docker" if (root / ".dockerenv").exists() else ""
