"""What the core makes of looks at models: finding out where one goes may take long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from paddock.engine.buffers import Parts
from paddock.library.model import Model
from paddock.memory.ledger import Claim
from paddock.scheduler.look import FRESH, Look, Seat
from paddock.scheduler.scheduler import Scheduler


class Slow:
    """A planner whose engines take longer to answer than a look holds."""

    def __init__(self) -> None:
        self.looks = 0

    async def look(self, model: Model, _: Any, at: float, *, cautious: bool) -> Look:
        assert not cautious
        self.looks += 1
        await asyncio.sleep(4 * FRESH)
        return Look(at, fingerprint=model.fingerprint)

    def told(self, seat: Seat, _: Mapping[str, Parts]) -> Claim:
        return seat.claim

    async def until_back(self, *_: Any) -> None:
        """At once."""


def test_a_look_that_took_long_holds_when_it_is_there(play: Any) -> None:
    async def test(bench: Any) -> None:
        planner: Any = Slow()
        scheduler = Scheduler(
            bench.house, bench.limits(), clock=bench.loop.time, jitter=lambda: 0.0, planner=planner
        )
        with await scheduler.lease(bench.model()) as lease:
            assert lease.instance.model.id == "a"
        assert planner.looks == 1
        await scheduler.aclose(0)

    play(test)
