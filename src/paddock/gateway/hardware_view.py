"""What models can use of this machine, and what they hold of it: Paddock's part of `/api/hardware`.

Imported when somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from paddock.config.schema import Config
from paddock.engine import devices as engine_devices
from paddock.engine import procfs
from paddock.engine.buffers import HOST
from paddock.engine.engines import Engines
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.errors import EngineMissing
from paddock.gateway.places import processor
from paddock.hardware.devices import Device
from paddock.hardware.fdinfo import Held, HeldReader, together
from paddock.hardware.ram import Ram, RamReader
from paddock.hardware.resident import Resident, resident

ASK_SECONDS = 10.0
"""How long an engine may take to list its devices."""


class Listing(NamedTuple):
    """An engine's devices, or why they are not known."""

    engine: str
    devices: tuple[Device, ...]
    problem: str = ""


class Use(NamedTuple):
    """What an instance and all it started hold."""

    instance: Instance
    cards: Mapping[str, Held]
    """By PCI address, where the driver tells."""
    resident: Resident


class Look(NamedTuple):
    """The devices of engines, and what instances hold, at one moment."""

    listings: Sequence[Listing]
    living: Sequence[Instance]
    ram: Ram
    uses: Sequence[Use]
    cards: Mapping[str, Held]
    """What all of them hold, by PCI address."""

    def of(self, engine: str) -> list[Instance]:
        """The instances that this engine runs."""
        return [one for one in self.living if one.engine == engine]


def engines_of(launcher: Launcher, config: Config) -> tuple[str, ...]:
    """The engines that models may be run with: the default first, then the owner's others."""
    owners = tuple(config.engines)
    try:
        return (launcher.engines.default(), *owners)
    except EngineMissing:
        return owners


async def usable(launcher: Launcher, wanted: Sequence[str], *, fresh: bool) -> dict[str, Any]:
    """`engines`, `host` and `instances`, as `look` finds them.

    An engine that cannot tell has a `problem`.
    """
    seen = await look(launcher, wanted, fresh=fresh)
    return {
        "engines": [_engine(listing, seen) for listing in seen.listings],
        "host": host_view(seen.ram, seen.uses),
        "instances": [_instance(use) for use in seen.uses],
    }


async def look(launcher: Launcher, wanted: Sequence[str], *, fresh: bool = False) -> Look:
    """Look at the engines with these names and those that run.

    `fresh` asks the engines for their devices again.
    """
    living = launcher.living()
    names = dict.fromkeys((*wanted, *(one.engine for one in living if one.pid)))
    names.pop("command", None)
    names.pop("", None)
    listings = [await _listing(launcher.engines, name, fresh=fresh) for name in names]
    ram, uses = await asyncio.to_thread(_measured, living)
    return Look(listings, living, ram, uses, together(use.cards for use in uses))


async def _listing(engines: Engines, name: str, *, fresh: bool) -> Listing:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            found = await engine_devices.devices(engines.named(name), fresh=fresh)
            if not fresh and any(one.vendor and not one.measured for one in found):
                # No driver tells how full it is now, but the engine may.
                found = await engine_devices.devices(engines.named(name), fresh=True)
    except EngineMissing as error:
        return Listing(name, (), error.message)
    except TimeoutError:
        return Listing(name, (), f"it did not list its devices in {ASK_SECONDS:.0f} s")
    return Listing(name, found)


def _measured(living: Sequence[Instance]) -> tuple[Ram, list[Use]]:
    """What is read from files of the kernel. Blocks."""
    families = {one: procfs.family(one.pid) for one in living if one.pid}
    held = HeldReader().read({pid for pids in families.values() for pid in pids})
    uses = [
        Use(one, together(held[pid] for pid in pids if pid in held), resident(pids))
        for one, pids in families.items()
    ]
    return RamReader().read(), uses


def _engine(listing: Listing, seen: Look) -> dict[str, Any]:
    mine = seen.of(listing.engine)
    return {
        "name": listing.engine,
        "problem": listing.problem,
        "devices": [device_view(one, mine, seen.cards) for one in listing.devices],
    }


def device_view(
    device: Device, instances: Sequence[Instance], cards: Mapping[str, Held]
) -> dict[str, Any]:
    """A device of an engine that runs these `instances`; `cards` is what all of ours hold."""
    claimed = sum(one.memory.get(device.name, 0) for one in instances)
    # All engines' children on this card; the driver's word counts more than their own.
    held = cards.get(device.pci)
    ours = max(claimed, held.own if held else 0)
    free = device.left(claimed)
    return {
        "name": device.name,
        "description": device.description,
        "vendor": device.vendor or None,
        "pci": device.pci or None,
        "integrated": device.integrated,
        "total_bytes": device.total,
        "free_bytes": free,
        "ours_bytes": ours,
        # An engine's own figure may leave out what others use.
        "others_bytes": max(0, device.total - free - ours) if device.measured else None,
        "measured": device.measured,
        "asleep": device.asleep,
        "busy_percent": device.busy,
        "temperature_c": device.temperature,
        "power_watts": device.power,
    }


def host_view(ram: Ram, uses: Sequence[Use]) -> dict[str, Any]:
    """The machine's own memory, and what all of ours hold of it."""
    return {
        "total_bytes": ram.total,
        "available_bytes": ram.available,
        "free_bytes": ram.free,
        "limit_bytes": ram.limit or None,
        "limit_left_bytes": ram.limit_left if ram.limit else None,
        "zfs_reclaimable_bytes": ram.arc,
        "ours_bytes": sum(use.resident.own for use in uses),
        "ours_files_bytes": sum(use.resident.files for use in uses),
    }


def _instance(use: Use) -> dict[str, Any]:
    instance = use.instance
    parts = {name: part._asdict() for name, part in sorted(instance.parts.items())}
    return {
        "model": instance.model.id,
        "instance": instance.id,
        "engine": instance.engine,
        "pid": instance.pid,
        "state": str(instance.state),
        "processor": processor(instance),
        "memory": {name: parts[name] for name in sorted(parts, key=lambda name: name == HOST)},
        "planned_bytes": dict(instance.placed.planned) if instance.placed else {},
        "cards": {place: held._asdict() for place, held in use.cards.items()},
        "resident_bytes": use.resident.own,
        "resident_files_bytes": use.resident.files,
    }
