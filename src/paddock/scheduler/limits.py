"""How much may run and wait, and for how long, as the owner said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from paddock.config.schema import Config
from paddock.library.model import Model


@dataclass(frozen=True, slots=True)
class Limits:
    """The scheduler's limits. Times are seconds."""

    max_loaded: float = 1
    """Instances that may exist at once, whether starting, ready or stopping; inf: any number."""
    max_queue: int = 512
    """Requests that may wait at once."""
    queue_timeout: float = 600
    """How long one request may wait, loading included."""
    max_overtake: float = 15
    """How long a loaded model's requests may go before older ones that need its room."""
    drain_timeout: float = 30
    """How long running requests get before an unload cuts them."""
    default_ttl: float = 300
    """Idle time before a discovered model without its own `ttl` leaves memory; 0 = never."""
    global_ttl: float = 0
    """The same for a model that is a command."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """The limits that `config` asks for."""
        return cls(
            max_loaded=_max_loaded(config),
            max_queue=config.max_queue,
            queue_timeout=config.queue_timeout,
            max_overtake=config.max_overtake,
            drain_timeout=config.drain_timeout,
            default_ttl=config.default_ttl,
            global_ttl=config.global_ttl,
        )

    def ttl(self, model: Model) -> float:
        """Idle time before `model` leaves memory; 0 = never."""
        own = model.settings.ttl
        if own is not None and own >= 0:
            return own
        return self.global_ttl if model.settings.cmd else self.default_ttl


def _max_loaded(config: Config) -> float:
    """Where the owner says which models may run together, no number holds unless it is given."""
    if config.max_loaded_models is not None:
        return config.max_loaded_models
    return math.inf if config.group_rules or config.matrix_rules else 1
