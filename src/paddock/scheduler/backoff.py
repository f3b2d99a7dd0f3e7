"""When a model that failed may be tried again, and what is answered until then. No I/O.

A failure that a retry can heal is followed by a pause of 1, 2, 4, 8 seconds and some jitter; the
fifth within a minute is a crash loop, which ends when the model changes or the owner loads it by
hand. The first death of a child that was ready is followed by none: it could start, and its clients
are there. A failure that the same file and entry will always give is answered without a start from
the first time on.

A missing file only pauses: a mount that comes back should serve again without anybody's help.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from paddock.errors import FailureKind, InstanceFailed
from paddock.library.model import Model
from paddock.library.variant import base
from paddock.scheduler.refusals import crash_loop, failed, failed_for_good

WINDOW = 60.0
"""Seconds for which a failure counts."""
CRASH_LOOP = 5
"""Failures within the window after which no more starts are made."""
LONGEST_PAUSE = 8.0
JITTER = 0.25
"""A pause is made longer by up to this share, so that models do not fail in step."""

LASTING = frozenset(
    {
        FailureKind.BAD_FLAG,
        FailureKind.FILE_CORRUPT,
        FailureKind.UNSUPPORTED_ARCHITECTURE,
        FailureKind.NOT_EXECUTABLE,
    }
)
"""What no retry heals."""


@dataclass(frozen=True, slots=True)
class History:
    """The failures of a model, all versions that requests asked for together."""

    model_id: str
    base: str
    """The fingerprint of what they are versions of."""
    versions: frozenset[str]
    """The fingerprints of those that failed."""
    last: InstanceFailed
    """The child's own failure, also in a crash loop."""
    times: tuple[float, ...]
    """When it failed, within the window before the last failure."""
    until: float
    """No start before this time; infinite: none until something changes."""

    def answer(self, now: float) -> InstanceFailed:
        """A fresh error for one more client."""
        if self.until < math.inf:
            return failed(self.last, retry_after=max(self.until - now, 0.0))
        if self.last.kind in LASTING:
            return failed_for_good(self.last)
        return crash_loop(self.last, len(self.times), WINDOW)

    def forbids(self, model: Model, now: float) -> bool:
        """Whether no start of `model` may be made now.

        What one version failed of, the others will fail of, too. Only memory can do for one and
        not for another, and then a request that asked for too much does not take the model from
        those who did not; nor may it try size after size.
        """
        if self.until <= now or self.base != base(model):
            return False
        if self.last.kind is not FailureKind.OUT_OF_MEMORY or model.fingerprint in self.versions:
            return True
        return bool(model.origin) and len(self.times) >= CRASH_LOOP

    @property
    def final(self) -> bool:
        """Whether time alone does not allow another start."""
        return self.until == math.inf


class Failures:
    """The histories of the models that failed, by id."""

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}

    def __iter__(self) -> Iterator[History]:
        return iter(self._histories.values())

    def record(
        self,
        model: Model,
        error: InstanceFailed,
        now: float,
        jitter: float,
        *,
        served: bool = False,
    ) -> History:
        """Remember that `model` failed now. `jitter`: 0..1, drawn by the caller.

        `served`: it was ready before it died, so one more start is made without a pause.
        """
        known = self._histories.get(model.id)
        recent: tuple[float, ...] = ()
        versions = frozenset({model.fingerprint})
        if known is not None and known.base == base(model):
            recent = tuple(time for time in known.times if now - time < WINDOW)
            versions |= known.versions if recent else frozenset()
        times = (*recent, now)
        until = now if served and len(times) == 1 else now + pause(error.kind, len(times), jitter)
        history = History(model.id, base(model), versions, error, times, until)
        self._histories[model.id] = history
        return history

    def blocking(self, model: Model, now: float) -> History | None:
        """The history that forbids a start of this version of `model` now, if one does."""
        history = self._histories.get(model.id)
        return history if history is not None and history.forbids(model, now) else None

    def forget(self, model_id: str) -> None:
        """Let the model start again at once, as if it had never failed."""
        self._histories.pop(model_id, None)


def pause(kind: FailureKind, failures: int, jitter: float) -> float:
    """Seconds until the next start after the last of `failures` within the window."""
    if kind in LASTING:
        return math.inf
    if failures >= CRASH_LOOP and kind is not FailureKind.FILE_MISSING:
        return math.inf
    return float(min(2.0 ** (failures - 1), LONGEST_PAUSE) * (1 + JITTER * jitter))
