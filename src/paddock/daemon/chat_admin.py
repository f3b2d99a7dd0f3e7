"""The part of the chat's room that knows models and admins: what there is, and who sees to it."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.acquire.surveyor import Surveyor
from paddock.chat.admin_logs import AdminLogs
from paddock.chat.admin_machine import AdminMachine
from paddock.chat.admin_models import AdminModels
from paddock.chat.admin_pulls import AdminPulls
from paddock.chat.admin_settings import AdminSettings
from paddock.chat.auditing import Auditing
from paddock.chat.break_glass import BreakGlass
from paddock.chat.calls import ChatRoute
from paddock.chat.feed import Feeds
from paddock.chat.fitting import Fitting
from paddock.chat.load_times import LoadTimes
from paddock.chat.model_feed import ModelFeed
from paddock.chat.model_states import ModelStates
from paddock.chat.room import SessionFinder
from paddock.chat.settings import ChatSettings
from paddock.daemon.parts import Parts, Serving
from paddock.gateway.lifecycle import Lifecycle
from paddock.gateway.queue_endpoint import QueueEndpoint
from paddock.storage.chat_store import Store

if TYPE_CHECKING:
    from paddock.gateway.getting import Getting

_GETTING: Final = "paddock.daemon.pull_endpoints"


class Administration(NamedTuple):
    """What is there then."""

    routes: tuple[ChatRoute, ...]
    states: ModelStates
    auditing: Auditing
    break_glass: BreakGlass


async def administration(
    stack: AsyncExitStack,
    parts: Parts,
    serving: Serving,
    *,
    store: Store,
    feeds: Feeds,
    settings: ChatSettings,
    sessions: SessionFinder,
) -> Administration:
    """All of it at work; `stack` ends it. `settings` are open."""
    auditing = Auditing(store=store)
    states, model_feed = await _models(stack, parts, serving, feeds)
    lifecycle = Lifecycle(parts.library, serving.names, parts.scheduler, parts.bus, parts.streams)
    stack.push_async_callback(lifecycle.aclose)

    async def getting() -> Getting:
        await parts.pulling.pulls()
        module = await asyncio.to_thread(importlib.import_module, _GETTING)
        made: Getting = module.getting(parts)
        return made

    pulls = AdminPulls(getting=getting, auditing=auditing, feeds=feeds, bus=parts.bus)
    stack.push_async_callback(pulls.aclose)
    pulls.start()
    glass = BreakGlass(store=store, feeds=feeds, settings=settings, auditing=auditing)
    machine = AdminMachine(
        current=parts.current,
        launcher=parts.launcher,
        gpus=parts.gpus,
        queue=QueueEndpoint(parts.scheduler, parts.launcher),
        journal=parts.journal,
    )
    logs = AdminLogs(
        current=parts.current,
        library=parts.library,
        launcher=parts.launcher,
        logs=parts.logs,
        streams=parts.streams,
        sessions=sessions,
    )
    routes = (
        *model_feed.routes(),
        *AdminModels(lifecycle=lifecycle, getting=getting, auditing=auditing).routes(),
        *pulls.routes(),
        *machine.routes(),
        *logs.routes(),
        *AdminSettings(settings=settings).routes(),
        *auditing.routes(),
        *glass.routes(),
    )
    return Administration(routes, states, auditing, glass)


async def _models(
    stack: AsyncExitStack, parts: Parts, serving: Serving, feeds: Feeds
) -> tuple[ModelStates, ModelFeed]:
    surveyor = Surveyor(parts.library, parts.launcher.engines)
    fitting = Fitting(parts.current, surveyor, parts.bus)
    stack.push_async_callback(fitting.aclose)
    times = LoadTimes(parts.journal.activity)
    await times.recall()
    states = ModelStates(
        current=parts.current,
        library=parts.library,
        scheduler=parts.scheduler,
        launcher=parts.launcher,
        names=serving.names,
        peers=serving.peers,
        fitting=fitting,
        times=times,
    )
    feed = ModelFeed(states=states, feeds=feeds, bus=parts.bus)
    fitting.listen(feed.found)
    stack.push_async_callback(feed.aclose)
    feed.start()
    return states, feed
