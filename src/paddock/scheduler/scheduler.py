"""The scheduler as the rest of the house knows it. See `docs/decisions/0001-scheduler-actor.md`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Generic

from paddock.events import InstanceState
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.scheduler.coexist import FREE, Rules
from paddock.scheduler.contract import InstanceT, Launcher
from paddock.scheduler.core import Core
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.look import Look
from paddock.scheduler.outlook import Outlook, outlook
from paddock.scheduler.planner import Planner
from paddock.scheduler.state import Resident
from paddock.scheduler.view import SchedulerView, view
from paddock.scheduler.wishes import Wish


class Scheduler(Generic[InstanceT]):
    """The one owner of which models run: gives leases, starts and stops instances for them.

    For one loop's thread only. `clock` tells monotonic seconds; `jitter` draws from 0..1 and
    spreads retries.
    """

    def __init__(
        self,
        launcher: Launcher[InstanceT],
        limits: Limits,
        rules: Rules = FREE,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        planner: Planner | None = None,
    ) -> None:
        """Without a `planner` memory is not looked at: engines put models where they like."""
        self._core = Core(launcher, limits, rules, clock, jitter, planner)
        self._planner = planner

    async def lease(
        self,
        model: Model,
        *,
        client: str = "",
        request: str = "",
        asked: LoadOptions = NOT_SAID,
    ) -> Lease[InstanceT]:
        """A slot of a ready instance of `model`, started when it must be.

        `asked` says how it is to be loaded, where the request cares: an instance that has less
        (`library/variant.py`) is replaced by one that has that, when its requests have ended.
        `client` is who asks (a key or an address): clients take turns. `request` is the id under
        which a view shows it while it waits. Raises InstanceFailed or another EngineError when the
        model cannot run, QueueFull, LineFull, WaitExpired, ModelGone and ShuttingDown. Cancelling
        gives the place up at once; a start that nobody waits for any more goes on until somebody
        else needs its room.
        """
        lease = self._core.take(model, client, asked)
        if lease is not None:
            return lease
        waiter = self._core.arrive(model, client, request, asked)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._core.leave(waiter)
            raise

    def lease_now(
        self, model: Model, *, client: str = "", asked: LoadOptions = NOT_SAID
    ) -> Lease[InstanceT] | None:
        """A slot of `model` if one is free this instant, without any wait; else None."""
        return self._core.take(model, client, asked)

    async def load(self, model: Model, asked: LoadOptions = NOT_SAID) -> None:
        """Return when `model` is ready. Tries even what failed for good. Raises like `lease`."""
        self._core.pardon(model)
        resident = self._core.state.current(model, asked)
        if resident is None or not resident.ready:
            (await self.lease(model, asked=asked)).release()

    def loaded(self, model_id: str) -> Model | None:
        """The version of a model that gives leases, now or when it is ready; None: nothing runs."""
        resident = self._core.state.resident(model_id)
        return None if resident is None else resident.model

    def keep_alive(self, model_id: str, seconds: float) -> bool:
        """As `Lease.keep_alive`, for the instance that gives a model's leases; False: none does.

        With 0 it leaves now when nobody uses it, else as soon as nobody does.
        """
        return self._core.keep(model_id, seconds)

    async def unload(self, model_id: str, *, drain: float | None = None) -> bool:
        """Stop the instances of a model and return when they are gone; False: there were none.

        Its waiting requests fail with ModelGone, and running ones get `drain` seconds (default:
        the owner's limit) before they are cut. Requests from now on start it again. Cancelling
        ends the wait, not the unload.
        """
        return await self._unload({model_id}, drain)

    async def unload_all(self, *, drain: float | None = None) -> bool:
        """`unload` for every model that runs or is waited for."""
        state = self._core.state
        running = {resident.model.id for resident in state.residents}
        return await self._unload(running | set(state.queue.lines), drain)

    async def _unload(self, model_ids: set[str], drain: float | None) -> bool:
        limit = self._core.state.limits.drain_timeout
        leaving = self._core.unload(model_ids, limit if drain is None else drain)
        await _until_gone(leaving)
        return bool(leaving)

    def reconfigure(self, limits: Limits, rules: Rules) -> None:
        """Go by other limits and rules from now on.

        Nothing that runs is harmed: rules hold for the next start, and where fewer models may be
        loaded than are, those that nobody uses leave now and others when they have a turn less.
        """
        self._core.reconfigure(limits, rules)

    def catalog_changed(
        self,
        *,
        removed: Iterable[str] = (),
        replaced: Iterable[Model] = (),
        refreshed: Iterable[Model] = (),
    ) -> None:
        """Take in what happened to the library.

        Instances of removed and replaced models take no new leases and go when theirs have ended.
        Requests that wait for a removed id fail with ModelGone; those for a replaced one get the
        new version. `refreshed` models only have other settings (time to live, limits): instances
        and queues go by them from now on.
        """
        self._core.change(removed, replaced, refreshed)

    def gpus_changed(self) -> None:
        """Take in that the owner keeps something else of the GPUs free.

        Models on one that must be left go when their requests have ended.
        """
        self._core.gpus_changed()

    def snapshot(self) -> SchedulerView:
        """What runs, what waits and what failed, now."""
        return view(self._core.state, self._core.clock())

    async def outlook(self, model: Model, wish: Wish) -> Outlook | None:
        """What would happen if `model` were loaded now, as `wish` says; nothing is changed.

        None: memory is not looked at. Raises what `Planner.question` does.
        """
        if self._planner is None:
            return None
        core = self._core
        question = await self._planner.question(model, core.holdings, wish)
        taken = await self._planner.last(model) if question is None else None
        found = outlook(core.state, Look(core.clock(), question), model, core.clock())
        return replace(found, taken=taken)

    def occupation(self, model_id: str) -> tuple[InstanceState | None, int]:
        """The state of the instance that gives a model's leases, None without one, and the
        requests that have one or wait for one. Cheap: asked for single requests.
        """
        state = self._core.state
        resident = state.resident(model_id)
        waiting = len(state.queue.lines.get(model_id, ()))
        if resident is None:
            return None, waiting
        return resident.state, len(resident.leases) + waiting

    async def aclose(self, drain: float) -> None:
        """Take no new work, give running requests `drain` seconds, stop everything.

        Waiting requests fail with ShuttingDown. Idempotent; a second call with less `drain`
        hurries the first.
        """
        await _until_gone(self._core.close(drain))
        await self._core.end()


async def _until_gone(residents: Iterable[Resident]) -> None:
    if leaving := [resident.gone for resident in residents]:
        await asyncio.wait(leaving)
