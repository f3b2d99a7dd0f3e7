"""What every instance of this daemon shares."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.engine.children import Children
from paddock.engine.command import wants_port
from paddock.engine.engines import Engines
from paddock.engine.learned import Learned
from paddock.engine.ports import Ports
from paddock.events import EventBus
from paddock.library.model import Model


@dataclass(frozen=True, slots=True)
class Site:
    """Where instances live."""

    current: Current
    bus: EventBus
    engines: Engines
    children: Children
    ports: Ports
    learned: Learned

    @property
    def config(self) -> Config:
        """The configuration in force now."""
        return self.current.config

    def take_port(self, model: Model) -> int:
        """A port for a child of `model`; 0 for a command with one of its own.

        Raises InstanceFailed when none is free.
        """
        if not model.settings.cmd:
            return self.ports.take()
        if not wants_port(model.settings):
            return 0
        return self.ports.take_in_row(self.config.start_port, model.id)

    def grace(self, model: Model) -> float:
        """Seconds between asking a child of `model` to end and killing it."""
        return model.settings.unload_timeout or self.config.unload_timeout

    def ready_seconds(self, model: Model) -> float:
        """Seconds without progress that a child of `model` may take to get ready."""
        own = model.settings.health_check_timeout
        return self.config.health_check_timeout if own is None else own
