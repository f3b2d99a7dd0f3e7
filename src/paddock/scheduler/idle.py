"""Which instance can leave without anybody missing it, and when. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable

from paddock.events import InstanceState
from paddock.scheduler.queue import Queue
from paddock.scheduler.state import Resident


def unload_at(resident: Resident) -> float | None:
    """When the idle time of `resident` is over; None: it is not idle, or may stay for ever."""
    if not resident.idle or not resident.open or resident.stays == math.inf:
        return None
    return resident.idle_since + resident.stays


def spare(residents: Iterable[Resident], queue: Queue) -> list[Resident]:
    """Instances that can make room now, the one missed least first.

    Before the least recently used idle one goes a start whose requests have all left: it has never
    served anybody.
    """
    free = [r for r in residents if r.open and (r.idle or _abandoned(r, queue))]
    return sorted(free, key=lambda r: (r.ready, r.idle_since))


def _abandoned(resident: Resident, queue: Queue) -> bool:
    starting = resident.state is InstanceState.STARTING
    return starting and resident.model.id not in queue.lines
