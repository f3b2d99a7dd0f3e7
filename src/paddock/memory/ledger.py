"""Who holds what of the machine's memory, and what that leaves. Pure.

What drivers tell is true only while nothing loads or leaves: a child that has just been started
holds next to nothing, and will hold all of its plan. So each of ours counts with what it claims,
and of the driver's numbers only what others hold is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.hardware.reservations import Kept

if TYPE_CHECKING:
    from paddock.hardware.devices import Device


class Phase(Enum):
    """How much of its claim a child holds by now."""

    LOADING = auto()
    """Some."""
    READY = auto()
    """All."""
    LEAVING = auto()
    """Some; soon nothing."""


class Claim(NamedTuple):
    """Bytes that a child holds, or will."""

    cards: Mapping[str, int] = {}
    """Of each GPU, by `card`."""
    host: int = 0
    """Of the machine's own memory, for itself."""
    mapped: int = 0
    """Pages of files that it reads all the time. The system counts them as available."""
    later: int = 0
    """What its store of finished prompts may grow to, of the machine's own memory."""


NOTHING: Final = Claim()


class Holding(NamedTuple):
    """A child's claim at this moment."""

    claim: Claim
    phase: Phase


@dataclass(frozen=True, slots=True)
class Measured:
    """What the machine has, at one moment. Bytes."""

    devices: tuple[Device, ...] = ()
    """Those of one engine, in its order."""
    host: int = 0
    """Of the machine's own memory, what may still be taken."""
    others: Mapping[str, int] = field(default_factory=dict)
    """What programs that are not ours hold of each card that a driver measures."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """What the owner keeps free of devices, by name."""


def card(device: Device) -> str:
    """What stands for the card: the same for all engines where its address is known."""
    return device.pci or device.name


def others(
    devices: Iterable[Device], holdings: Iterable[Holding], known: Mapping[str, int]
) -> dict[str, int]:
    """What others hold of each measured card. `known`: what they held a moment ago.

    While one of ours loads or leaves there, nobody can tell: then it is what it was.
    """
    holdings = tuple(holdings)
    found = {}
    for device in devices:
        name = card(device)
        here = [one for one in holdings if one.claim.cards.get(name)]
        changing = any(one.phase is not Phase.READY for one in here)
        if changing and name in known:
            found[name] = known[name]
        elif device.measured:
            ours = sum(one.claim.cards[name] for one in here)
            found[name] = max(0, device.total - device.free - ours)
    return found


def left(measured: Measured, holdings: Collection[Holding]) -> tuple[tuple[Device, ...], int]:
    """The devices with what is free of each beside these holdings, and of the machine's memory.

    What leaves counts as gone. What the owner keeps free is for others: what they hold already is
    part of it.
    """
    claims = [one.claim for one in holdings if one.phase is not Phase.LEAVING]
    devices = tuple(
        replace(one, free=_free(one, measured, sum(c.cards.get(card(one), 0) for c in claims)))
        for one in measured.devices
    )
    host = measured.host
    for claim, phase in holdings:
        if phase is Phase.LEAVING:
            host += claim.host
        else:
            host -= claim.mapped + claim.later + (claim.host if phase is Phase.LOADING else 0)
    return devices, max(0, host)


def _free(device: Device, measured: Measured, ours: int) -> int:
    kept = measured.kept[device.name].bytes if device.name in measured.kept else 0
    if device.measured:
        return max(0, device.total - max(measured.others.get(card(device), 0), kept) - ours)
    return max(0, min(device.left(ours), device.total - kept - ours))
