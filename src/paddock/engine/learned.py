"""What loads took, as the engines told it: so the second estimate of a load is the truth."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Task
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from paddock.engine.buffers import Buffers, Parts
from paddock.engine.engine import Launch
from paddock.engine.load_key import Load, key
from paddock.engine.remembered import Remembered
from paddock.library.model import Model
from paddock.tasks import spawn

log = logging.getLogger(__name__)

FILE: Final = "learned.json"


class Taken(NamedTuple):
    """What a load took."""

    parts: Mapping[str, Parts]
    """Bytes by device, `CPU` for the machine's own memory."""
    context: int
    """Tokens that one request could use; 0: not told."""
    slots: int
    seconds: float
    """From its start until it was ready, the last time."""

    @classmethod
    def read(cls, told: Any) -> Self | None:
        """From what was kept; None for what is not of this kind."""
        try:
            parts = {str(name): Parts(*map(int, part)) for name, part in told["parts"].items()}
            return cls(parts, int(told["context"]), int(told["slots"]), float(told["seconds"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def told(self) -> dict[str, Any]:
        """As it is kept."""
        return {**self._asdict(), "parts": {name: list(part) for name, part in self.parts.items()}}


class Learned:
    """Remembers loads. Loop thread only, but for `find`."""

    def __init__(self, cache: Path) -> None:
        """`cache` is a folder; it is made when the first load is remembered."""
        self._kept = Remembered(cache / FILE)
        self._writing: set[Task[None]] = set()

    def find(self, model: Model, launch: Launch) -> Taken | None:
        """What the same load took when it was last seen; None: never seen. Blocks: use a thread.

        Where the flags leave the placement to the engine, that is where it went then: it may go
        elsewhere when other devices are free.
        """
        return Taken.read(self._kept.get(key(Load.of(model, launch))))

    def note(self, model: Model, launch: Launch, buffers: Buffers, seconds: float) -> None:
        """Remember what a child told that has just become ready. Returns at once."""
        if not buffers.parts:
            return  # an engine that tells nothing
        taken = Taken(dict(buffers.parts), buffers.context, launch.slots, round(seconds, 3))
        work = asyncio.to_thread(self._keep, Load.of(model, launch), taken)
        task = spawn(work, name=f"remember what {model.id} took")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def aclose(self) -> None:
        """Return when all is written. Idempotent."""
        if self._writing:
            await asyncio.wait(self._writing)

    def _keep(self, load: Load, taken: Taken) -> None:
        known = key(load)
        before = Taken.read(self._kept.get(known))
        if before is None or before._replace(seconds=0) != taken._replace(seconds=0):
            self._kept.put(known, taken.told())
