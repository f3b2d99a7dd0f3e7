"""Puts the parts together. The only file that knows all of them.

Parts start from the bottom up and stop from the top down; whatever has started is stopped again
when a later part cannot start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.config.schema import Door as DoorConfig
from paddock.config.source import Source
from paddock.daemon.config_watch import ConfigWatcher
from paddock.daemon.doors import OpenDoor, open_door
from paddock.daemon.listeners import gate, tell_doors, tell_limits, tell_log, tell_scheduler
from paddock.daemon.lock import state_lock, unusable
from paddock.daemon.observing import open_journal
from paddock.daemon.preload import Preload
from paddock.daemon.reload import Reloader
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import EventBus
from paddock.gateway.activity_endpoints import ActivityEndpoints
from paddock.gateway.config_endpoints import ConfigEndpoints
from paddock.gateway.door import Door
from paddock.gateway.event_endpoints import EventEndpoints
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.forward import Forwarder
from paddock.gateway.front import Front
from paddock.gateway.inflight import Inflight
from paddock.gateway.leasing import Leasing
from paddock.gateway.lifecycle import Lifecycle
from paddock.gateway.listing import Listing
from paddock.gateway.log_endpoints import LogEndpoints
from paddock.gateway.machine_endpoints import MachineEndpoints
from paddock.gateway.model_list import ModelList
from paddock.gateway.naming import Names
from paddock.gateway.openai import ModelEndpoints
from paddock.gateway.peer_endpoint import PeerEndpoint
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.queue_endpoint import QueueEndpoint
from paddock.gateway.recording import Recorder
from paddock.gateway.routes import RouteTable
from paddock.gateway.status_endpoints import StatusEndpoints
from paddock.gateway.upstream import UpstreamEndpoint
from paddock.library.library import Library
from paddock.observe.logs import Logs
from paddock.observe.narrator import narrate
from paddock.observe.performance import Performance
from paddock.scheduler.coexist import rules_of
from paddock.scheduler.limits import Limits
from paddock.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Daemon:
    """The running parts that the outside needs: to greet, and to stop in order."""

    current: Current
    reloader: Reloader
    library: Library
    scheduler: Scheduler[Instance]
    streams: EventStreams
    routes: RouteTable
    doors: tuple[OpenDoor, ...]


@asynccontextmanager
async def composed(config: Config, source: Source, logs: Logs) -> AsyncIterator[Daemon]:
    """A daemon with its doors open; all of it has ended when the block is left.

    `config` is what `source` gave, and a reload loads it again. Raises PaddockError when a part
    cannot start.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(state_lock(config.state_dir))
        bus, current = EventBus(), Current(config, source.files())
        journal, performance = await open_journal(stack, current, bus), Performance(current)
        stack.push_async_callback(performance.aclose)
        library = Library(current, bus, config.state_dir / "cache")
        await library.start()
        bus.listen(narrate)
        stack.push_async_callback(library.aclose)
        launcher = Launcher(current, bus, config.state_dir, logs.upstream.hear)
        try:
            await launcher.start()
        except OSError as error:
            raise unusable(config.state_dir, error) from error
        stack.push_async_callback(launcher.aclose)
        scheduler: Scheduler[Instance] = Scheduler(launcher, Limits.of(config), rules_of(config))
        stack.push_async_callback(scheduler.aclose, 0.0)
        bus.listen(tell_scheduler(library, scheduler, launcher))
        bus.listen(tell_limits(current, scheduler))
        bus.listen(tell_log(current))
        reloader = Reloader(source, current, library, bus)
        stack.push_async_callback(reloader.aclose)
        streams = EventStreams()
        stack.callback(streams.close)
        front = Front(library, [])
        health = ConfigEndpoints(current, reloader.reload)
        lifecycle = Lifecycle(library, scheduler, bus, streams)
        stack.push_async_callback(lifecycle.aclose)
        profiles, peers = Profiles(current, bus), Peers(current, bus)
        stack.push_async_callback(peers.aclose)
        names = Names(current, bus, library, scheduler, profiles, peers)
        recorder, inflight = Recorder(journal, current), Inflight(journal, scheduler)
        forwarder = Forwarder(Leasing(scheduler, bus, current), peers, current, recorder)
        routes = RouteTable(
            (
                *front.routes(),
                *ModelEndpoints(names, forwarder).routes(),
                *ModelList(current, library, scheduler, names, profiles, peers).routes(),
                *PeerEndpoint(peers).routes(),
                *profiles.routes(),
                *Listing(current, library, scheduler, launcher).routes(),
                *QueueEndpoint(scheduler, launcher).routes(),
                *StatusEndpoints(front, logs.daemon, library, scheduler, launcher, health).routes(),
                *lifecycle.routes(),
                *health.routes(),
                *UpstreamEndpoint(current, library, scheduler, names, forwarder).routes(),
                *LogEndpoints(logs, launcher, library, streams).routes(),
                *ActivityEndpoints(journal, inflight).routes(),
                *MachineEndpoints(performance, journal).routes(),
                *EventEndpoints(
                    current,
                    bus,
                    journal,
                    inflight,
                    logs.daemon,
                    launcher,
                    library,
                    scheduler,
                    profiles,
                    peers,
                    streams,
                ).routes(),
            )
        )
        doors = await _opened(stack, current, routes, bus)
        front.doors = [(door.name, door.url) for door in doors]
        front.endpoints = routes.routes
        peers.start()
        performance.start()
        preload = Preload(current, library, scheduler)
        stack.push_async_callback(preload.aclose)
        bus.listen(preload.heard)
        preload.begin()
        watcher = ConfigWatcher(source, current, reloader.reload)
        stack.push_async_callback(watcher.aclose)
        watcher.start()
        yield Daemon(current, reloader, library, scheduler, streams, routes, doors)


async def _opened(
    stack: AsyncExitStack, current: Current, routes: RouteTable, bus: EventBus
) -> tuple[OpenDoor, ...]:
    """The doors of the configuration, open. `stack` closes them."""
    doors, opened = [], []
    for name, config in _doors(current.config):
        doors.append(Door(name, routes, gate(current.config, name)))
        opened.append(await open_door(name, config, doors[-1]))
        stack.push_async_callback(opened[-1].aclose)
    bus.listen(tell_doors(current, doors))
    return tuple(opened)


def _doors(config: Config) -> list[tuple[str, DoorConfig]]:
    """The doors that are to be open, by name."""
    doors = (("openai", config.listen.openai),)
    return [(name, door) for name, door in doors if door is not None]
