"""How fast and how often hubs are asked: bytes a second, pauses they want, tries."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MOST_TRIES: Final = 6
"""Without one new byte."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries."""
LONGEST_WAIT: Final = 900.0
"""Seconds that a hub may ask us to wait; what is longer ends the pull with these words."""
CONNECTIONS_PER_HOST: Final = 8

_MEMBER = re.compile(r"""\s*"(?P<name>[^"]{1,80})"\s*;(?P<fields>[^,"]{0,200})""")


class Bucket:
    """At most so many bytes a second, for all who take from it together; one loop only."""

    def __init__(self, bytes_per_second: float) -> None:
        """0: no limit."""
        self._rate = bytes_per_second
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        """Return when `count` bytes may be used."""
        if self._rate <= 0:
            return
        now = asyncio.get_running_loop().time()
        begin = max(now, self._free_at)
        self._free_at = begin + count / self._rate
        if begin > now:
            await asyncio.sleep(begin - now)


class Hosts:
    """What all transfers together do to one host: connections at a time, and pauses."""

    def __init__(self, connections: int = CONNECTIONS_PER_HOST) -> None:
        self._connections = connections
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._paused: dict[str, float] = {}

    @asynccontextmanager
    async def connection(self, origin: str) -> AsyncIterator[None]:
        """A connection to the host may be used inside; waits for one, and for pauses to end."""
        slots = self._slots.setdefault(origin, asyncio.Semaphore(self._connections))
        async with slots:
            while (wait := self._paused.get(origin, 0.0) - self._now()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)  # another pause may come meanwhile
            yield

    def pause(self, origin: str, seconds: float) -> None:
        """Nobody asks this host before so many seconds are over."""
        until = self._now() + seconds
        self._paused[origin] = max(until, self._paused.get(origin, 0.0))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def pause_before(tries: int, first: float) -> float:
    """Seconds before the next try after so many without progress.

    About `first` after one, and twice as long each time; never the same.
    """
    longest = min(LONGEST_PAUSE, first * 2.0 ** min(tries - 1, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, hides nothing


def wanted_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refusal asks us to wait: `RateLimit` where it says so, else `Retry-After`."""
    for member in _MEMBER.finditer(headers.get("RateLimit", "")):
        fields = {
            name.strip(): number.strip()
            for name, _, number in (f.partition("=") for f in member["fields"].split(";"))
        }
        if fields.get("r") == "0" and (seconds := _seconds(fields.get("t", ""))) is not None:
            return seconds + 1  # the window ends some time in that second
    return _seconds(headers.get("Retry-After", ""))


def _seconds(text: str) -> float | None:
    """From a number, or a date as HTTP writes it."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, math.ceil((until - datetime.now(UTC)).total_seconds()))
