"""How much may run and wait, and for how long, as the owner said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from paddock.config.schema import Config
from paddock.engine.command import command_slots
from paddock.library.model import Model
from paddock.library.naming import lookup_key
from paddock.scheduler.names import keys_of


@dataclass(frozen=True, slots=True)
class Limits:
    """The scheduler's limits. Times are seconds."""

    max_loaded: float = math.inf
    """Instances that may exist at once, whether starting, ready or stopping; inf: any number."""
    max_queue: int = 512
    """Requests that may wait at once."""
    queue_timeout: float = 600
    """How long one request may wait, loading included."""
    max_overtake: float = 15
    """How long a loaded model's requests may go before older ones that need its room."""
    drain_timeout: float = 30
    """How long running requests get before an unload cuts them."""
    min_residency: float = 10
    """How long a model that was swapped out and soon came back may stay at least."""
    default_ttl: float = 300
    """Idle time before a discovered model without its own `ttl` leaves memory; 0 = never."""
    global_ttl: float = 0
    """The same for a model that is a command."""
    queue_limit: int | None = None
    """Requests that may wait for one model beside those it serves; None: no limit of its own."""
    context_length: int = 8192
    """Tokens per request of a discovered model that says nothing of it."""
    parallel: int = 2
    """Requests that a discovered model works on at once, as far as is known before it runs."""
    priorities: Mapping[str, int] = field(default_factory=dict)
    """By the key of a model's id; 0 for all that are not in it."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """The limits that `config` asks for."""
        return cls(
            max_loaded=_max_loaded(config),
            max_queue=config.max_queue,
            queue_timeout=config.queue_timeout,
            max_overtake=config.max_overtake,
            drain_timeout=config.drain_timeout,
            min_residency=config.min_residency,
            default_ttl=config.default_ttl,
            global_ttl=config.global_ttl,
            queue_limit=config.queue_limit,
            context_length=config.context_length,
            parallel=config.parallel,
            priorities=_priorities(config),
        )

    def ttl(self, model: Model) -> float:
        """Idle time before `model` leaves memory; 0 = never."""
        own = own_ttl(model)
        if own is not None:
            return own
        return self.global_ttl if model.settings.cmd else self.default_ttl

    def patience(self, model: Model) -> float:
        """How long a request may wait for `model`."""
        own = model.settings.queue_timeout
        return self.queue_timeout if own is None else own

    def waiting(self, model: Model) -> int | None:
        """How many requests may wait for `model` beside those it serves; None: any number."""
        own = model.settings.queue_limit
        return self.queue_limit if own is None else own

    def slots(self, model: Model, engine_slots: int | None = None) -> int:
        """Requests that `model` serves at once, when its engine has told its slots or before."""
        if model.settings.cmd:
            return command_slots(model)
        own = model.settings.concurrency_limit
        slots = engine_slots or model.settings.parallel or self.parallel
        return min(slots, own or slots)

    def priority(self, model: Model) -> int:
        """Higher ones get room first."""
        return self.priorities.get(lookup_key(model.id), 0) if self.priorities else 0


def own_ttl(model: Model) -> float | None:
    """What the owner's entry of `model` says of its idle time; None: what holds for all."""
    own = model.settings.ttl
    return own if own is not None and own >= 0 else None


def _priorities(config: Config) -> dict[str, int]:
    key = keys_of(config)
    return {key(name): priority for name, priority in config.priorities.items()}


def _max_loaded(config: Config) -> float:
    """Unless a number is given, as many as there is memory for."""
    return math.inf if config.max_loaded_models is None else config.max_loaded_models
