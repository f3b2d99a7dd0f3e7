"""GPUs that the owner keeps from models for a while, or until he says otherwise.

They are kept in a file of the state folder, so that a restart changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from paddock.library import durable

log = logging.getLogger(__name__)

FILE: Final = "gpus.json"


class Pause(NamedTuple):
    """No model is loaded onto this GPU."""

    until: datetime | None = None
    """None: until it is resumed."""
    keep_running: bool = False
    """Models that are there may stay."""

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.until is None or now < self.until

    @classmethod
    def read(cls, told: Any) -> Self | None:
        """From what was kept; None for what is not of this kind."""
        try:
            until = told["until"]
            ends = None if until is None else datetime.fromtimestamp(float(until), UTC)
            return cls(ends, bool(told["keep_running"]))
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return None

    def told(self) -> dict[str, Any]:
        """As it is kept."""
        until = None if self.until is None else math.ceil(self.until.timestamp())
        return {"until": until, "keep_running": self.keep_running}


class Pauses:
    """Which GPUs are paused, by PCI address, or by name where that is not known.

    Loop thread only.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is the state folder. Blocks: reads a small file."""
        self._file = folder / FILE
        self._pauses = _read(self._file)
        self._writing = asyncio.Lock()

    def paused(self, now: datetime) -> frozenset[str]:
        """The paused GPUs."""
        return frozenset(self.in_force(now))

    def in_force(self, now: datetime) -> Mapping[str, Pause]:
        """The pauses that have not ended, by GPU."""
        return {place: pause for place, pause in self._pauses.items() if pause.holds(now)}

    def pause(self, place: str, pause: Pause) -> None:
        """From now on this GPU is paused; a pause that it had ends. See `save`."""
        self._pauses = {**self._pauses, place: pause}

    def resume(self, place: str) -> None:
        """From now on this GPU is not paused. See `save`."""
        self._pauses = {other: pause for other, pause in self._pauses.items() if other != place}

    async def save(self) -> None:
        """Return when a restart changes nothing. Logs that it cannot be so."""
        async with self._writing:
            now = datetime.now(UTC)
            told = {place: pause.told() for place, pause in self.in_force(now).items()}
            try:
                await asyncio.to_thread(_replace, self._file, json.dumps({"paused": told}).encode())
            except OSError as error:
                log.warning("which GPUs are paused is forgotten at a restart: %s", error)


def _read(file: Path) -> dict[str, Pause]:
    try:
        told = json.loads(file.read_bytes())
        entries = told["paused"].items()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s cannot be read, so no GPU is paused: %s", file, error)
        return {}
    pauses = {str(place): Pause.read(entry) for place, entry in entries}
    return {place: pause for place, pause in pauses.items() if pause is not None}


def _replace(file: Path, data: bytes) -> None:
    file.parent.mkdir(0o700, parents=True, exist_ok=True)
    durable.replace(file, data, beside=file.parent)
