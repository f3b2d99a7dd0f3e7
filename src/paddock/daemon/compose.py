"""Puts the parts together. The only file that knows all of them.

Parts start from the bottom up and stop from the top down; whatever has started is stopped again
when a later part cannot start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from paddock.access.hosts import HostRules, machine_name
from paddock.access.keys import KeyRing
from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.config.schema import Door as DoorConfig
from paddock.daemon.doors import OpenDoor, open_door
from paddock.daemon.lock import state_lock, unusable
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import CatalogChanged, Event, EventBus, Listener
from paddock.gateway.door import Door
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.forward import Forwarder
from paddock.gateway.front import Front
from paddock.gateway.gate import Gate
from paddock.gateway.leasing import Leasing
from paddock.gateway.lifecycle import Lifecycle
from paddock.gateway.listing import Listing
from paddock.gateway.log_endpoints import LogEndpoints
from paddock.gateway.openai import ModelEndpoints
from paddock.gateway.queue_endpoint import QueueEndpoint
from paddock.gateway.routes import RouteTable
from paddock.gateway.upstream import UpstreamEndpoint
from paddock.library.library import Library
from paddock.observe.logs import LogRing
from paddock.observe.narrator import narrate
from paddock.scheduler.limits import Limits
from paddock.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Daemon:
    """The running parts that the outside needs: to greet, and to stop in order."""

    config: Config
    library: Library
    scheduler: Scheduler[Instance]
    streams: EventStreams
    routes: RouteTable
    doors: tuple[OpenDoor, ...]


@asynccontextmanager
async def composed(config: Config, ring: LogRing) -> AsyncIterator[Daemon]:
    """A daemon with its doors open; all of it has ended when the block is left.

    Raises PaddockError when a part cannot start.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(state_lock(config.state_dir))
        bus, current = EventBus(), Current(config)
        library = Library(current, bus, config.state_dir / "cache")
        await library.start()
        bus.listen(narrate)
        stack.push_async_callback(library.aclose)
        launcher = Launcher(current, bus, config.state_dir)
        try:
            await launcher.start()
        except OSError as error:
            raise unusable(config.state_dir, error) from error
        stack.push_async_callback(launcher.aclose)
        scheduler: Scheduler[Instance] = Scheduler(launcher, Limits.of(config))
        stack.push_async_callback(scheduler.aclose, 0.0)
        bus.listen(_tell_scheduler(library, scheduler))
        streams = EventStreams()
        stack.callback(streams.close)
        front = Front(library, [])
        lifecycle = Lifecycle(library, scheduler, bus, streams)
        stack.push_async_callback(lifecycle.aclose)
        forwarder = Forwarder(library, Leasing(scheduler, bus, current), current)
        routes = RouteTable(
            (
                *front.routes(),
                *ModelEndpoints(forwarder).routes(),
                *Listing(current, library, scheduler, launcher).routes(),
                *QueueEndpoint(scheduler, launcher).routes(),
                *lifecycle.routes(),
                *UpstreamEndpoint(library, forwarder).routes(),
                *LogEndpoints(ring, launcher, library, streams).routes(),
            )
        )
        doors = []
        for name, door_config in _doors(config):
            door = Door(name, routes, _gate(config, door_config))
            opened = await open_door(name, door_config, door)
            stack.push_async_callback(opened.aclose)
            doors.append(opened)
        front.doors = [(door.name, door.url) for door in doors]
        yield Daemon(config, library, scheduler, streams, routes, tuple(doors))


def _doors(config: Config) -> list[tuple[str, DoorConfig]]:
    """The doors that are to be open, by name."""
    doors = (("openai", config.listen.openai),)
    return [(name, door) for name, door in doors if door is not None]


def _gate(config: Config, door: DoorConfig) -> Gate:
    keys = [] if door.auth == "none" else [key.get_secret_value() for key in config.api_keys]
    hosts = HostRules(machine_name(), config.allowed_hosts)
    return Gate(hosts, config.allowed_origins, KeyRing(keys))


def _tell_scheduler(library: Library, scheduler: Scheduler[Instance]) -> Listener:
    """What the scheduler must hear: models that went, and models that are no longer the same."""

    def tell(event: Event) -> None:
        if isinstance(event, CatalogChanged):
            replaced = [
                model for model in library.catalog.models.values() if model.id in event.replaced
            ]
            scheduler.catalog_changed(removed=event.removed, replaced=replaced)

    return tell
