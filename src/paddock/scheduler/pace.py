"""How long a model's requests take lately, and so when it makes sense to come back. No I/O."""

from __future__ import annotations

import math

WEIGHT = 0.2
"""Of the newest request, against all before it."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds; no client is sent away for less or more."""


class Pace:
    """A moving mean of the time that each model's leases last."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def record(self, model_id: str, seconds: float) -> None:
        """A request of this model has ended after `seconds`."""
        known = self._seconds.get(model_id, seconds)
        self._seconds[model_id] = known + WEIGHT * (seconds - known)

    def wait(self, model_id: str, ahead: int, slots: int) -> float | None:
        """Seconds until one more may be taken in behind `ahead`; None when nothing is known."""
        seconds = self._seconds.get(model_id)
        if seconds is None:
            return None
        rounds = math.ceil((ahead + 1) / max(slots, 1))
        return min(max(seconds * rounds, SHORTEST), LONGEST)

    def forget(self, model_id: str) -> None:
        """The model is no more."""
        self._seconds.pop(model_id, None)
