"""Which endpoints the doors have, and what each is made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.daemon.parts import Parts, Serving
from paddock.gateway.activity_endpoints import ActivityEndpoints
from paddock.gateway.config_endpoints import ConfigEndpoints
from paddock.gateway.event_endpoints import EventEndpoints
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
from paddock.gateway.ollama.later import Later, Make
from paddock.gateway.ollama.paths import LATER, OPENAI_LATER
from paddock.gateway.ollama.root import Root
from paddock.gateway.openai import ModelEndpoints
from paddock.gateway.peer_endpoint import PeerEndpoint
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.pull_paths import LATER as PULLS_LATER
from paddock.gateway.queue_endpoint import QueueEndpoint
from paddock.gateway.recording import Recorder
from paddock.gateway.routes import Route, RouteTable, first_of
from paddock.gateway.status_endpoints import StatusEndpoints
from paddock.gateway.upstream import UpstreamEndpoint

if TYPE_CHECKING:
    from paddock.daemon.chatting import Chatting

GPUS: Final = "/api/paddock/gpus"


class Endpoints(NamedTuple):
    """What the doors answer."""

    front: Front
    doors: dict[str, RouteTable]
    """By the door's name. Of two endpoints with one path, each door has that of its own dialect."""
    chatting: Chatting | None
    """None: the chat's door stays closed."""


async def endpoints(stack: AsyncExitStack, parts: Parts) -> Endpoints:
    """The front page and all routes. `stack` ends what works behind them."""
    current, bus = parts.current, parts.bus
    library, scheduler, launcher = parts.library, parts.scheduler, parts.launcher
    profiles, peers = Profiles(current, bus), Peers(current, bus)
    stack.push_async_callback(peers.aclose)
    peers.start()
    names = Names(current, bus, library, scheduler, profiles, peers)
    lifecycle = Lifecycle(library, names, scheduler, bus, parts.streams)
    stack.push_async_callback(lifecycle.aclose)
    leasing, recorder = Leasing(scheduler, bus, current, library), Recorder(parts.journal, current)
    forwarder = Forwarder(leasing, peers, current, recorder)
    front = Front(library, [])
    health = ConfigEndpoints(current, parts.reloader.reload)
    models = ModelEndpoints(current, names, forwarder)
    listed = ModelList(current, library, scheduler, names, profiles, peers)
    serving = Serving(names, profiles, peers, leasing, forwarder, models, listed, front)
    routes = (
        *front.routes(),
        *models.routes(),
        *UpstreamEndpoint(current, library, scheduler, names, forwarder).routes(),
        *listed.routes(),
        *PeerEndpoint(peers).routes(),
        *profiles.routes(),
        *Listing(current, library, scheduler, launcher).routes(),
        *lifecycle.routes(),
        *QueueEndpoint(scheduler, launcher).routes(),
        *health.routes(),
        *StatusEndpoints(
            front,
            parts.logs.daemon,
            library,
            scheduler,
            launcher,
            health,
            parts.pulling.pending,
            parts.gpus,
        ).routes(),
        *LogEndpoints(parts.logs, launcher, library, parts.streams).routes(),
        *_observing(parts, profiles, peers),
        *Later(_getting(parts)).routes(PULLS_LATER),
        *Later(_planning(parts, names)).routes((("GET", "/api/plan"),)),
        *Later(_gpus(parts)).routes((("GET", GPUS), ("POST", f"{GPUS}/*"))),
    )
    chatting = _chatting(stack, parts, serving)
    tables = _doors(parts, serving, routes, chatting.owner_routes() if chatting else ())
    front.endpoints = tables["openai"].routes
    if chatting is not None:
        tables["chat"] = chatting.table()
    else:
        parts.grants.replace({})
    return Endpoints(front, tables, chatting)


def _chatting(stack: AsyncExitStack, parts: Parts, serving: Serving) -> Chatting | None:
    if parts.current.config.listen.chat is None:
        return None
    from paddock.daemon.chatting import Chatting  # noqa: PLC0415 - where its door is open

    chatting = Chatting(parts, serving)
    stack.push_async_callback(chatting.aclose)
    return chatting


def _doors(
    parts: Parts, serving: Serving, routes: tuple[Route, ...], owners: tuple[Route, ...]
) -> dict[str, RouteTable]:
    """The tables of all doors: `routes`, and what is Ollama's; `owners` at one of them."""
    root, native = Root().routes(), Later(_ollama(parts, serving)).routes(LATER)
    compatible = Later(_compatible(parts, serving)).routes(OPENAI_LATER)
    return {
        "openai": RouteTable(first_of(routes, owners, root, native)),
        "ollama": RouteTable(first_of(root, native, compatible, routes)),
    }


def _ollama(parts: Parts, serving: Serving) -> Callable[[], Make]:
    def load() -> Make:
        from paddock.daemon.ollama_endpoints import ollama_endpoints  # noqa: PLC0415 - when asked

        return lambda: ollama_endpoints(parts, serving)

    return load


def _compatible(parts: Parts, serving: Serving) -> Callable[[], Make]:
    def load() -> Make:
        from paddock.daemon.ollama_endpoints import openai_endpoints  # noqa: PLC0415 - when asked

        return lambda: openai_endpoints(parts, serving)

    return load


def _getting(parts: Parts) -> Callable[[], Make]:
    def load() -> Make:
        from paddock.daemon.pull_endpoints import pull_endpoints  # noqa: PLC0415 - when asked

        return lambda: pull_endpoints(parts)

    return load


def _planning(parts: Parts, names: Names) -> Callable[[], Make]:
    def load() -> Make:
        from paddock.gateway.plan_endpoint import PlanEndpoint  # noqa: PLC0415 - when asked

        return lambda: PlanEndpoint(names, parts.scheduler, parts.launcher).routes()

    return load


def _gpus(parts: Parts) -> Callable[[], Make]:
    def load() -> Make:
        from paddock.gateway.gpu_endpoints import GpuEndpoints  # noqa: PLC0415 - when asked

        return lambda: GpuEndpoints(parts.current, parts.launcher, parts.gpus).routes()

    return load


def _observing(parts: Parts, profiles: Profiles, peers: Peers) -> tuple[Route, ...]:
    """The endpoints that tell what happens: llama-swap's `/api`."""
    inflight = Inflight(parts.journal, parts.scheduler)
    events = EventEndpoints(
        parts.current,
        parts.bus,
        parts.journal,
        inflight,
        parts.logs.daemon,
        parts.launcher,
        parts.library,
        parts.scheduler,
        profiles,
        peers,
        parts.streams,
    )
    return (
        *ActivityEndpoints(parts.journal, inflight).routes(),
        *MachineEndpoints(parts.performance, parts.journal, parts.current, parts.launcher).routes(),
        *events.routes(),
    )
