"""What happened to each model since the daemon started, counted for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from paddock.events import Event, InstanceChanged, InstanceState

if TYPE_CHECKING:
    from paddock.storage.activity import Row

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the bars of a distribution of waits."""

MOST_MODELS: Final = 1000
OTHERS: Final = "(others)"
"""Where models are counted beyond that many: names of peers' models can be without end."""


class Waits:
    """A distribution of seconds."""

    def __init__(self) -> None:
        self.bars = [0] * (len(SECONDS) + 1)
        """How many were at most as long as each bound, and longer than the one before."""
        self.sum = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.bars[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds
        self.count += 1


@dataclass(slots=True)
class ModelCounts:
    """Of one model."""

    requests: Counter[int] = field(default_factory=Counter)
    """By status."""
    cancelled: Counter[str] = field(default_factory=Counter)
    """By reason."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    first_token: Waits = field(default_factory=Waits)
    queued: Waits = field(default_factory=Waits)
    loading: Waits = field(default_factory=Waits)
    duration: Waits = field(default_factory=Waits)
    starts: int = 0
    """How often it got ready."""
    stops: int = 0
    failures: int = 0


class Counters:
    """Counts by model."""

    def __init__(self) -> None:
        self.models: dict[str, ModelCounts] = {}

    def count(self, row: Row) -> None:
        """Count a request that has ended."""
        _count(self._of(row.model), row)

    def heard(self, event: Event) -> None:
        """A listener of the bus."""
        if not isinstance(event, InstanceChanged) or event.state in _PASSING:
            return
        counts = self._of(event.model)
        if event.state is InstanceState.READY:
            counts.starts += 1
        elif event.state is InstanceState.FAILED:
            counts.failures += 1
        else:
            counts.stops += 1

    def _of(self, model: str) -> ModelCounts:
        if model not in self.models and len(self.models) >= MOST_MODELS:
            model = OTHERS
        return self.models.setdefault(model, ModelCounts())


def _count(counts: ModelCounts, row: Row) -> None:
    counts.requests[row.status] += 1
    if row.cancelled:
        counts.cancelled[row.cancelled] += 1
    counts.input_tokens += row.input_tokens
    counts.output_tokens += row.output_tokens
    counts.cached_tokens += max(0, row.cached_tokens)
    if row.first_token is not None:
        counts.first_token.add(row.first_token / 1000)
    counts.queued.add(row.queued / 1000)
    counts.loading.add(row.loading / 1000)
    counts.duration.add(row.duration / 1000)


_PASSING = frozenset({InstanceState.STARTING, InstanceState.STOPPING})
