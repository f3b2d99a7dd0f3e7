"""How long models take to load: what it was the last time, or what their size lets expect."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from paddock.errors import StorageError
from paddock.gateway.plan_endpoint import LOAD_RATE, START_SECONDS
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.observe.activity import Activity
from paddock.scheduler.view import InstanceView
from paddock.storage.activity import Query

log = logging.getLogger(__name__)

LOOKED_AT: Final = 999
"""Past requests, the newest: what they waited for a load is what it took."""
LEAST: Final = 0.2
"""Seconds. Who waited less came when it was nearly done."""


class LoadTimes:
    """Remembers them. Loop thread only."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._took: dict[str, float] = {}

    async def recall(self) -> None:
        """Look at what requests waited for loads, before this start too."""
        try:
            page = await self._activity.page(Query(limit=LOOKED_AT))
        except StorageError as error:
            log.debug("what loads took is not known: %s", error.message)
            return
        for row in reversed(page.rows):
            if row.loading >= LEAST * 1000:
                self._took[row.model] = row.loading / 1000

    def note(self, instances: Iterable[InstanceView]) -> None:
        """Remember what these took."""
        self._took |= {one.model: one.load_time for one in instances if one.load_time is not None}

    def expected(self, model: Model) -> float | None:
        """Seconds; None where nothing is known: a command of the owner's that never ran."""
        took = self._took.get(running_id(model))
        if took is not None or not model.size:
            return took
        return START_SECONDS + model.size / LOAD_RATE
