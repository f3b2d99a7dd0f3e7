"""Puts the parts together. The only file that knows all of them.

Parts start from the bottom up and stop from the top down; whatever has started is stopped again
when a later part cannot start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddock.access.grants import Grants
from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.config.source import Source
from paddock.daemon.config_watch import ConfigWatcher
from paddock.daemon.doors import OpenDoor, open_or_warn, wanted_doors
from paddock.daemon.endpoints import endpoints
from paddock.daemon.listeners import (
    gate,
    tell_doors,
    tell_gpus,
    tell_limits,
    tell_log,
    tell_scheduler,
)
from paddock.daemon.lock import state_lock, unusable
from paddock.daemon.observing import open_journal
from paddock.daemon.parts import Parts
from paddock.daemon.preload import Preload
from paddock.daemon.pulling import Pulling
from paddock.daemon.reload import Reloader
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.engine.pauses import Pauses
from paddock.events import EventBus
from paddock.gateway.door import Door
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.routes import RouteTable
from paddock.library.library import Library
from paddock.observe.logs import Logs
from paddock.observe.narrator import narrate
from paddock.observe.performance import Performance
from paddock.scheduler.coexist import rules_of
from paddock.scheduler.limits import Limits
from paddock.scheduler.planner import Planner
from paddock.scheduler.scheduler import Scheduler

if TYPE_CHECKING:
    from paddock.daemon.chatting import Chatting


@dataclass(frozen=True, slots=True)
class Daemon:
    """The running parts that the outside needs: to greet, and to stop in order."""

    parts: Parts
    routes: Mapping[str, RouteTable]
    """By door."""
    doors: tuple[OpenDoor, ...]
    chatting: Chatting | None


@asynccontextmanager
async def composed(config: Config, source: Source, logs: Logs) -> AsyncIterator[Daemon]:
    """A daemon with its doors open; all of it has ended when the block is left.

    `config` is what `source` gave, and a reload loads it again. Raises PaddockError when a part
    cannot start.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(state_lock(config.state_dir))
        parts = await _started(stack, config, source, logs)
        _listen(parts)
        front, tables, chatting = await endpoints(stack, parts)
        doors = await _opened(stack, parts, tables)
        front.doors = [(door.name, door.url) for door in doors]
        await _begin(stack, parts, source)
        if (
            chatting is not None
        ):  # where its door could not open, its accounts have keys all the same
            chatting.begin()
        yield Daemon(parts, tables, doors, chatting)


async def _started(stack: AsyncExitStack, config: Config, source: Source, logs: Logs) -> Parts:
    """All that works below the doors, started from the bottom up. `stack` ends it."""
    bus, current = EventBus(), Current(config, source.files())
    journal = await open_journal(stack, current, bus)
    performance = Performance(current)
    stack.push_async_callback(performance.aclose)
    library = Library(current, bus, config.state_dir / "cache")
    await library.start()
    stack.push_async_callback(library.aclose)
    launcher = Launcher(current, bus, config.state_dir, logs.upstream.hear)
    try:
        await launcher.start()
    except OSError as error:
        raise unusable(config.state_dir, error) from error
    stack.push_async_callback(launcher.aclose)
    gpus = GpuRules(current, Pauses(config.state_dir), bus)
    stack.push_async_callback(gpus.aclose)
    planner = Planner(
        current, launcher, gpus.kept_free, lambda: tuple(library.catalog.models.values())
    )
    scheduler: Scheduler[Instance] = Scheduler(
        launcher,
        Limits.of(config),
        rules_of(config),
        planner=planner,
    )
    stack.push_async_callback(scheduler.aclose, 0.0)
    reloader = Reloader(source, current, library, bus)
    stack.push_async_callback(reloader.aclose)
    pulling = Pulling(current, library, bus, config.state_dir)
    stack.push_async_callback(pulling.aclose)
    streams = EventStreams(current)
    stack.callback(streams.close)
    return Parts(
        current=current,
        bus=bus,
        logs=logs,
        journal=journal,
        performance=performance,
        library=library,
        launcher=launcher,
        gpus=gpus,
        scheduler=scheduler,
        reloader=reloader,
        pulling=pulling,
        streams=streams,
        grants=Grants(),
    )


def _listen(parts: Parts) -> None:
    """Tell rooms beside each other what they must hear of one another."""
    bus = parts.bus
    bus.listen(narrate)
    bus.listen(tell_scheduler(parts.library, parts.scheduler, parts.launcher))
    bus.listen(tell_limits(parts.current, parts.scheduler))
    bus.listen(tell_log(parts.current))
    bus.listen(parts.gpus.heard)
    bus.listen(tell_gpus(parts.scheduler))


async def _begin(stack: AsyncExitStack, parts: Parts, source: Source) -> None:
    """What starts only once the doors are open: nobody has to wait for it."""
    parts.performance.start()
    parts.gpus.start()
    preload = Preload(parts.current, parts.library, parts.scheduler, parts.pulling)
    stack.push_async_callback(preload.aclose)
    parts.bus.listen(preload.heard)
    preload.begin()
    parts.pulling.begin()
    watcher = ConfigWatcher(source, parts.current, parts.reloader.reload)
    stack.push_async_callback(watcher.aclose)
    watcher.start()


async def _opened(
    stack: AsyncExitStack, parts: Parts, tables: Mapping[str, RouteTable]
) -> tuple[OpenDoor, ...]:
    """The doors of the configuration, open. `stack` closes them."""
    current = parts.current
    doors, opened = [], []
    for wanted in wanted_doors(current.config):
        door = Door(
            wanted.name, tables[wanted.name], gate(current.config, wanted.name, parts.grants)
        )
        if listening := await open_or_warn(wanted, door):
            stack.push_async_callback(listening.aclose)
            doors.append(door)
            opened.append(listening)
    parts.bus.listen(tell_doors(current, doors, parts.grants))
    return tuple(opened)
