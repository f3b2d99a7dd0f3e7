"""What works below the doors: one of each, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from paddock.access.grants import Grants
from paddock.config.current import Current
from paddock.daemon.pulling import Pulling
from paddock.daemon.reload import Reloader
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import EventBus
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.forward import Forwarder
from paddock.gateway.front import Front
from paddock.gateway.leasing import Leasing
from paddock.gateway.model_list import ModelList
from paddock.gateway.naming import Names
from paddock.gateway.openai import ModelEndpoints
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.library.library import Library
from paddock.observe.journal import Journal
from paddock.observe.logs import Logs
from paddock.observe.performance import Performance
from paddock.scheduler.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a daemon that its endpoints are made of."""

    current: Current
    bus: EventBus
    logs: Logs
    journal: Journal
    performance: Performance
    library: Library
    launcher: Launcher
    gpus: GpuRules
    scheduler: Scheduler[Instance]
    reloader: Reloader
    pulling: Pulling
    streams: EventStreams
    grants: Grants


class Serving(NamedTuple):
    """The parts by which requests reach models, whatever dialect they are in."""

    names: Names
    profiles: Profiles
    peers: Peers
    leasing: Leasing
    forwarder: Forwarder
    models: ModelEndpoints
    """The endpoints of OpenAI's dialect."""
    listed: ModelList
    front: Front
