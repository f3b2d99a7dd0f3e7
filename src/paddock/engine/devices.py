"""The devices that an engine can use: as it lists them, and with what their drivers tell."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from paddock.engine.engine import Engine

if TYPE_CHECKING:
    from paddock.hardware.devices import Device
    from paddock.hardware.listed import Listed

LIST: Final = "--list-devices"
_DEVICE: Final = re.compile(
    r" +(?P<name>\S+): (?P<description>.*) \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\)"
    r"(?: \[(?P<pci>[0-9a-f:.]+)\])?"
)


async def devices(engine: Engine, *, fresh: bool = False) -> tuple[Device, ...]:
    """The engine's devices with live readings; empty for one that has only the processor.

    How large they are is asked once per program, how full they are is read from the drivers every
    time. `fresh` asks the engine anew too: its own numbers count where no driver tells.
    Raises EngineMissing.
    """
    listed = await engine.devices(fresh=fresh)
    return await asyncio.to_thread(_read, listed)


def _read(listed: tuple[Listed, ...]) -> tuple[Device, ...]:
    from paddock.hardware.devices import Devices  # noqa: PLC0415 - not needed to start

    return Devices(listed).read()


def parse_devices(text: str) -> tuple[Listed, ...]:
    """The devices that `--list-devices` printed; the embedded engine adds their addresses."""
    from paddock.hardware.listed import Listed  # noqa: PLC0415 - not needed to start

    found = (_DEVICE.fullmatch(line) for line in text.splitlines())
    return tuple(
        Listed(
            m["name"],
            m["description"],
            int(m["total"]) << 20,
            int(m["free"]) << 20,
            m["pci"] or "",
        )
        for m in found
        if m
    )
