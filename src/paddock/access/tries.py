"""Back-off for who guesses: after some wrong tries, each wait is twice as long as the last one.

A try counts as wrong from its beginning, so that many at once gain nothing; a right one is taken
back. A login and an address are counted each for itself.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from paddock.errors import AccessError

MOST_KNOWN: Final = 10_000
"""Logins and addresses that are remembered; the ones that were quiet longest are forgotten."""
FORGOTTEN_SECONDS: Final = 3600.0


class TooManyTries(AccessError):
    """Wait. `retry_after`: seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many wrong tries", hint="wait a moment before the next one")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Pace:
    """How many tries are free, and how long the waits after them are, in seconds."""

    free: int
    first: float
    most: float

    def wait(self, wrong: int) -> float:
        """How long to wait after so many wrong tries."""
        over = wrong - self.free
        return min(self.most, self.first * 2.0 ** min(over, 30)) if over >= 0 else 0.0


OF_LOGIN: Final = Pace(free=5, first=1.0, most=60.0)
"""Short, for anybody can make somebody else wait."""
OF_ADDRESS: Final = Pace(free=15, first=2.0, most=900.0)


@dataclass(slots=True)
class _Known:
    wrong: int = 0
    last: float = 0.0


class Tries:
    """Counts the tries of logins and addresses. Loop thread only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def begin(self, address: str, login: str = "") -> None:
        """Somebody tries. Raises TooManyTries, which counts as no try."""
        now = self._clock()
        asked = self._keys(address, login)
        waits = [self._left(key, pace, now) for key, pace in asked]
        if (longest := max(waits)) > 0:
            raise TooManyTries(longest)
        for key, _ in asked:
            known = self._known.setdefault(key, _Known())
            known.wrong += 1
            known.last = now
            self._known.move_to_end(key)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def right(self, address: str, login: str = "") -> None:
        """The try was right: the login has a clean slate, and it does not count for the address."""
        for key, _ in self._keys(address, login):
            known = self._known.get(key)
            if known is None:
                continue
            known.wrong = known.wrong - 1 if key == _address(address) else 0
            if known.wrong <= 0:
                del self._known[key]

    def _keys(self, address: str, login: str) -> list[tuple[str, Pace]]:
        keys = [(_address(address), OF_ADDRESS)]
        return [*keys, (f"login {login}", OF_LOGIN)] if login else keys

    def _left(self, key: str, pace: Pace, now: float) -> float:
        known = self._known.get(key)
        if known is None:
            return 0.0
        if now - known.last > FORGOTTEN_SECONDS:
            del self._known[key]
            return 0.0
        return known.last + pace.wait(known.wrong) - now


def _address(address: str) -> str:
    """A household has 2^64 addresses of IPv6: its network counts as one."""
    if ":" not in address:
        return f"address {address}"
    return "address " + ":".join(address.split(":")[:4])
