"""What models may not use of the GPUs now: by the owner's configuration, and by pauses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.config.current import Current
from paddock.engine.pauses import Pause, Pauses
from paddock.events import ConfigChanged, Event, EventBus, GpusChanged
from paddock.hardware import local_time, reservations
from paddock.hardware.reservations import Kept, Rules, holds, place_of, until
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.hardware.devices import Device

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0
"""A machine that slept, or whose clock was set, is noticed after this time at most."""


class _InForce(NamedTuple):
    """What is equal as long as nothing changes."""

    rules: Mapping[str, Sequence[bool]]
    """Of each rule of a GPU, whether it holds."""
    pauses: Mapping[str, Pause]
    said: Rules
    """The configuration."""


class GpuRules:
    """Tells what is kept free, and publishes `GpusChanged` whenever that changes."""

    def __init__(self, current: Current, pauses: Pauses, bus: EventBus) -> None:
        self._current, self._pauses, self._bus = current, pauses, bus
        self._seen: dict[str, Device] = {}
        self._told: set[str] = set()
        self._looked_at = local_time.now()
        self._known = self._in_force(self._looked_at)
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def kept_free(
        self, devices: Sequence[Device], now: datetime | None = None
    ) -> Mapping[str, Kept]:
        """What models may not use of these devices of an engine, by name; nothing for the others.

        `now` has a zone; without it, it is this moment. A rule for a GPU that no engine has is told
        once in the log.
        """
        now = now or local_time.now()
        self._look_at(devices)
        found = reservations.kept_free(self._current.config.gpus, devices, now)
        for place, pause in self._pauses.in_force(now).items():
            for device in devices:
                if place in {device.pci, device.name}:
                    found[device.name] = _paused(device, pause, found.get(device.name), now)
        return found

    def pauses(self, now: datetime | None = None) -> Mapping[str, Pause]:
        """The pauses in force, by PCI address, or by name where that is not known."""
        return self._pauses.in_force(now or local_time.now())

    def next_change(self, now: datetime | None = None) -> datetime | None:
        """When a reservation or a pause next begins or ends by the clock; None: none does."""
        now = now or local_time.now()
        ends = [pause.until for pause in self.pauses(now).values() if pause.until]
        change = reservations.next_change(self._current.config.gpus, now)
        return min([*ends, change] if change else ends, default=None)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with rules by the devices that engines have told so far."""
        return tuple(self._unknown().values())

    def told(self) -> tuple[str, ...]:
        """What holds by somebody's word, and what is wrong with rules: a clause each."""
        now = local_time.now()
        paused = [
            f"{self._name(place)} is paused{until(pause.until, now)}"
            for place, pause in self.pauses(now).items()
        ]
        return (*paused, *self.problems())

    async def pause(self, device: Device, pause: Pause) -> None:
        """No model is loaded onto this GPU from now on. A restart of the daemon changes nothing."""
        self._seen[device.name] = device
        self._pauses.pause(place_of(device), pause)
        self._look_again()
        await self._pauses.save()

    async def resume(self, place: str) -> None:
        """The GPU that is paused under this name or address is free again."""
        self._pauses.resume(place)
        self._look_again()
        await self._pauses.save()

    def heard(self, event: Event) -> None:
        """Another configuration has other rules. A listener for the bus."""
        if isinstance(event, ConfigChanged):
            self._told.clear()
            self._look_again()

    def start(self) -> None:
        """Watch the clock."""
        self._watching = spawn(self._watch(), name="what is kept free of GPUs")

    async def aclose(self) -> None:
        """Stop watching. Idempotent."""
        if self._watching:
            await cancel_and_wait((self._watching,))

    async def _watch(self) -> None:
        while True:
            await self._until_next_change()
            self._look_again()

    def _look_again(self) -> None:
        """Tell what has changed since it was last told."""
        self._looked_at = local_time.now()
        before, self._known = self._known, self._in_force(self._looked_at)
        if self._known != before:
            self._narrate(before, self._known)
            self._changed.set()
            self._bus.publish(GpusChanged())

    def _narrate(self, before: _InForce, held: _InForce) -> None:
        for key, has_begun in held.rules.items():
            if any(has_begun) != any(before.rules.get(key, ())):
                log.info("the reservation gpus.%s %s", key, "holds" if any(has_begun) else "ends")
        for place in before.pauses.keys() | held.pauses.keys():
            if held.pauses.get(place) != before.pauses.get(place):
                word = "is paused" if place in held.pauses else "is no longer paused"
                log.info("%s %s", self._name(place), word)

    def _name(self, place: str) -> str:
        """What the engine calls the GPU at this address."""
        return next((one.name for one in self._seen.values() if one.pci == place), place)

    async def _until_next_change(self) -> None:
        """Return when something may have changed, by the clock or by a word.

        The next change is the first after the last look: what has ended since then is one, too.
        """
        change = self.next_change(self._looked_at)
        left = None if change is None else max(0.0, (change - local_time.now()).total_seconds())
        self._changed.clear()
        try:
            async with asyncio.timeout(None if left is None else min(left, LOOK_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _in_force(self, now: datetime) -> _InForce:
        rules = self._current.config.gpus
        held = {key: tuple(holds(rule, now) for rule in rules[key]) for key in rules}
        return _InForce(held, self.pauses(now), rules)

    def _look_at(self, devices: Sequence[Device]) -> None:
        self._seen |= {one.name: one for one in devices}
        for key, problem in self._unknown().items():
            if key not in self._told:
                self._told.add(key)
                log.warning("%s", problem)

    def _unknown(self) -> Mapping[str, str]:
        seen = tuple(self._seen.values())
        return reservations.unknown(self._current.config.gpus, seen) if seen else {}


def _paused(device: Device, pause: Pause, kept: Kept | None, now: datetime) -> Kept:
    """A pause on top of what is kept anyway."""
    why = f"{device.name} is paused{until(pause.until, now)}"
    leaves = not pause.keep_running or (kept is not None and kept.leaves)
    return Kept(device.total, why, leaves, pause.until)
