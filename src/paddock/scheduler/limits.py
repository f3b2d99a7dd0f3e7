"""How much may run and wait, and for how long, as the owner said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from paddock.config.schema import Config
from paddock.library.model import Model


@dataclass(frozen=True, slots=True)
class Limits:
    """The scheduler's limits. Times are seconds."""

    max_loaded: int = 1
    """Instances that may exist at once, whether starting, ready or stopping."""
    max_queue: int = 512
    """Requests that may wait at once."""
    queue_timeout: float = 600
    """How long one request may wait, loading included."""
    max_overtake: float = 15
    """How long a loaded model's requests may go before older ones that need its room."""
    drain_timeout: float = 30
    """How long running requests get before an unload cuts them."""
    default_ttl: float = 300
    """Idle time before a model without its own `ttl` leaves memory; 0 = never."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """The limits that `config` asks for."""
        return cls(
            max_loaded=config.max_loaded_models,
            max_queue=config.max_queue,
            queue_timeout=config.queue_timeout,
            max_overtake=config.max_overtake,
            drain_timeout=config.drain_timeout,
            default_ttl=config.default_ttl,
        )

    def ttl(self, model: Model) -> float:
        """Idle time before `model` leaves memory; 0 = never."""
        return self.default_ttl if model.settings.ttl is None else model.settings.ttl
