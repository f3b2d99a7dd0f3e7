"""What is kept free of each GPU now: the owner's rules, by the clock, and pauses. Pure.

A rule holds from an instant to another, so a clock that is put forward or back in the night makes
it neither begin twice nor miss its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.config.gpus import Reservation
from paddock.units import format_bytes

if TYPE_CHECKING:  # what reads devices is not needed to start
    from paddock.hardware.devices import Device

WEEK: Final = 7

Rules = Mapping[str, Sequence[Reservation]]
"""Rules by what the owner calls the GPU."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What models may not use of a device."""

    bytes: int
    """Models together get at most the device's total less this. What other programs use of the
    device counts towards it."""
    why: str
    """As a clause: `1.0 GiB of Vulkan1 are kept free until Fri 23:30 (gpus.Vulkan1)`."""
    leaves: bool
    """Models that are there must go: the whole device is reserved, or paused."""
    until: datetime | None = None
    """When this ends, in UTC; None: only when somebody changes it."""


class Span(NamedTuple):
    """From one instant to another, in UTC; without its end."""

    begin: datetime
    end: datetime


def kept_free(rules: Rules, devices: Sequence[Device], now: datetime) -> dict[str, Kept]:
    """What the rules keep free now, by the device's name; nothing for the others.

    `now` has a zone: the one whose clock the owner reads. Of several rules the largest counts.
    """
    found: dict[str, Kept] = {}
    for key, reservations in rules.items():
        for device in meant(key, devices):
            for rule in reservations:
                if (kept := _kept(key, rule, device, now)) is not None:
                    before = found.get(device.name)
                    found[device.name] = max(before or kept, kept, key=lambda one: one.bytes)
    return found


def next_change(rules: Rules, now: datetime) -> datetime | None:
    """When a rule next begins or ends, in UTC; None: all of them always hold."""
    moments = [
        moment
        for reservations in rules.values()
        for rule in reservations
        for span in spans(rule, now)
        for moment in span
        if moment > now
    ]
    return min(moments, default=None)


def meant(key: str, devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that are the one GPU which `key` names; none: it names no GPU, or more than one.

    A GPU is named as the engine does, by its PCI address, or by a part of its description; several
    backends of an engine may list it.
    """
    word = key.casefold()
    named = [one for one in devices if word == one.name.casefold() or _is_at(one, word)]
    found = named or [one for one in devices if word in one.description.casefold()]
    cards = {place_of(one) for one in found}
    return tuple(one for one in devices if place_of(one) in cards) if len(cards) == 1 else ()


def _is_at(device: Device, address: str) -> bool:
    """Whether this is its PCI address; the bus's domain may be left out."""
    return device.pci.casefold() in {address, f"0000:{address}"}


def place_of(device: Device) -> str:
    """What tells this GPU from others: its PCI address, or its name where that is not known."""
    return device.pci or device.name


def unknown(rules: Iterable[str], devices: Sequence[Device]) -> dict[str, str]:
    """What is wrong with those keys that name none of the devices, as a sentence by key."""
    listed = ", ".join(f"{one.name} ({one.description})" for one in devices) or "none"
    problems = {}
    for key in rules:
        if not meant(key, devices):
            several = [one.name for one in devices if key.casefold() in one.description.casefold()]
            fits = f"is said of {' and '.join(several)}" if several else "names no GPU"
            problems[key] = f"gpus.{key} {fits}, so nothing is kept free: there are {listed}"
    return problems


def spans(rule: Reservation, now: datetime) -> Iterator[Span]:
    """When the rule holds, from yesterday's begin to that in a week. None where it always does."""
    if rule.is_always:
        return
    first = now.date() - timedelta(days=1)
    for day in (first + timedelta(days=number) for number in range(WEEK + 2)):
        if rule.begins_on(day.weekday()):
            yield _span(rule, day, now)


def _span(rule: Reservation, day: date, now: datetime) -> Span:
    begin = datetime.combine(day, rule.begins, now.tzinfo)
    last = day if rule.ends > rule.begins else day + timedelta(days=1)
    end = datetime.combine(last, rule.ends, now.tzinfo)
    # An hour that comes twice is over when it is over for the second time.
    ends = (end.astimezone(UTC), end.replace(fold=1).astimezone(UTC))
    return Span(begin.astimezone(UTC), max(ends))


def holds(rule: Reservation, now: datetime) -> bool:
    """Whether the rule holds now."""
    return rule.is_always or _end(rule, now) is not None


def _kept(key: str, rule: Reservation, device: Device, now: datetime) -> Kept | None:
    if not holds(rule, now):
        return None
    end = _end(rule, now)
    amount = rule.bytes_of(device.total)
    whole = amount >= device.total
    what = f"{device.name} is" if whole else f"{format_bytes(amount)} of {device.name} are"
    return Kept(amount, f"{what} kept free{until(end, now)} (gpus.{key})", whole, end)


def _end(rule: Reservation, now: datetime) -> datetime | None:
    """When the rule ends that holds now, in UTC; None: it does not hold, or always does.

    One that ends when it begins anew goes on.
    """
    end = None
    for span in spans(rule, now):
        if span.begin <= (end or now) < span.end:
            end = span.end
    return end


def until(end: datetime | None, now: datetime) -> str:
    """` until Sat 23:30` on the clock of `now`, with the date if that is far; empty for no end."""
    if end is None:
        return ""
    day = "%a" if end - now < timedelta(days=WEEK - 1) else "%Y-%m-%d"
    return f" until {end.astimezone(now.tzinfo):{day} %H:%M}"
