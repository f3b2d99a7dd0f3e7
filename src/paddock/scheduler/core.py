"""The scheduler's core: messages in, decisions carried out, and not one await in between.

Every message is a method that changes the state and then settles: what `decide` finds is carried
out until it finds nothing. Only starts and stops take time; they run as tasks of their own, and
their ends are messages again. Loop thread only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Generic

from paddock.errors import EngineError, FailureKind, InstanceFailed, PaddockError
from paddock.events import InstanceState
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.variant import base, renewed, variant
from paddock.memory.ledger import Holding
from paddock.scheduler import refusals
from paddock.scheduler.actions import (
    Action,
    Expire,
    Grant,
    Inspect,
    Refuse,
    Resume,
    Start,
    Stop,
    Yield,
)
from paddock.scheduler.coexist import Rules
from paddock.scheduler.contract import InstanceT, Launcher
from paddock.scheduler.decide import decide, expires_at, next_wake
from paddock.scheduler.idle import unload_at
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits, own_ttl
from paddock.scheduler.look import Look, Seat
from paddock.scheduler.planner import Planner
from paddock.scheduler.queue import Waiter
from paddock.scheduler.seating import held
from paddock.scheduler.state import Leaving, Resident, State
from paddock.scheduler.turns import has_come_back
from paddock.scheduler.versions import wanted
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

SHORTEST_TIMER = 0.001
"""Seconds. A timer may fire a little early by our clock: this keeps it from spinning till then."""


class Core(Generic[InstanceT]):
    """Owns the state, and is the only one to change it."""

    def __init__(
        self,
        launcher: Launcher[InstanceT],
        limits: Limits,
        rules: Rules,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        planner: Planner | None = None,
    ) -> None:
        self.state = State(limits, rules, plans=planner is not None)
        self._planner = planner
        self._looking: set[asyncio.Task[Any]] = set()
        self.clock = clock
        self._launcher = launcher
        self._jitter = jitter
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    # --- messages from requests ----------------------------------------------------------------

    def take(
        self, model: Model, client: str, asked: LoadOptions = NOT_SAID
    ) -> Lease[InstanceT] | None:
        """A free slot, if there is one. Nobody waits then: settling leaves no slot unused."""
        resident = self.state.current(model, asked)
        if resident is None or not resident.free or resident.instance.exited.done():
            return None
        return self._give(resident, client)

    def arrive(
        self, model: Model, client: str, request: str = "", asked: LoadOptions = NOT_SAID
    ) -> Waiter:
        """A request that must wait. Raises what can be known at once."""
        version, together = wanted(self.state, model, asked)
        self._refuse(version)
        self._make_way(version)
        now, future = self.clock(), asyncio.get_running_loop().create_future()
        waiter = Waiter(model.id, client, now, future, request)
        line = self.state.queue.add(waiter, version)
        line.asked = together
        if self.state.current(version):  # it loads, or all its slots are in use: nothing to decide
            self._wake_at(expires_at(line, self.state.limits), now)
        else:
            self._settle()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """A request was cancelled while it waited, or in the moment after."""
        future = waiter.future
        self.state.queue.remove(waiter)
        if future.done() and not future.cancelled() and future.exception() is None:
            future.result().release()
        self._settle()

    def keep(self, model_id: str, seconds: float) -> bool:
        """Let the instance of a model stay so long after its last request, if there is one."""
        resident = self.state.resident(model_id)
        if resident is None:
            return False
        resident.keep_alive = seconds
        self._settle()
        return True

    def _kept(
        self, resident: Resident, first: bool, seconds: float | None, default: float | None
    ) -> None:
        if seconds is not None:
            resident.keep_alive = seconds
        elif first and resident.keep_alive is None and own_ttl(resident.model) is None:
            resident.keep_alive = default
        self._wake_at(unload_at(resident), self.clock())

    def _released(self, resident: Resident, lease: Lease[Any]) -> None:
        resident.leases.discard(lease)
        resident.idle_since = now = self.clock()
        self.state.pace.record(resident.model.id, now - lease.since)
        if self.state.queue or resident.leaving or self.state.crowded:
            self._settle()
        else:  # the common case, and the hot one: all that begins is the idle time
            self._wake_at(unload_at(resident), now)

    # --- messages from the owner and the library -----------------------------------------------

    def pardon(self, model: Model) -> None:
        """Let `model` start again though it failed."""
        self.state.failures.forget(model.id)
        self.state.cautious.discard(model.id)

    def unload(self, model_ids: Collection[str], drain: float) -> tuple[Resident, ...]:
        """Let these models leave; gives the instances that are on their way now."""
        cut_at = self.clock() + drain
        leaving = tuple(r for r in self.state.residents if r.model.id in model_ids)
        for resident in leaving:
            resident.leave(Leaving.UNLOADED, cut_at)
        for model_id in model_ids:
            self._fail_line(model_id, partial(refusals.unloaded, model_id))
        self._settle()
        return leaving

    def reconfigure(self, limits: Limits, rules: Rules) -> None:
        """Other limits and rules hold from now on."""
        self.state.limits, self.state.rules = limits, rules
        for resident in self.state.residents:
            resident.takes(resident.model, limits)
        self._settle()

    def change(
        self, removed: Iterable[str], replaced: Iterable[Model], refreshed: Iterable[Model]
    ) -> None:
        """The library changed."""
        for model_id in removed:
            self.state.forget(model_id)
            for resident in self.state.of(model_id):
                resident.leave(Leaving.REMOVED)
            self._fail_line(model_id, partial(refusals.removed, model_id))
        for model in replaced:
            self.state.failures.forget(model.id)
            self._renew(model)
        for model in refreshed:
            self._renew(model)
            if model.twin and model.id not in self.state.queue.lines:
                self._leave_to_twin(model)
            for resident in self.state.of(model.id):
                if base(resident.model) == base(model):
                    resident.takes(renewed(resident.model, model), self.state.limits)
        self._settle()

    def gpus_changed(self) -> None:
        """The owner keeps something else of the GPUs free now."""
        self.state.looks.clear()
        if self._planner is not None:
            task = spawn(self._vacate(self._planner), name="leave GPUs that the owner wants")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _vacate(self, planner: Planner) -> None:
        """Let those leave who hold memory of cards that are to be left."""
        engines = {one.seat.engine for one in self.state.residents if one.seat.engine}
        cards = await planner.closed(engines)
        for resident in self.state.residents:
            if resident.open and not cards.isdisjoint(resident.claim.cards):
                resident.leave(Leaving.GPU_TAKEN)
        self._settle()

    def close(self, drain: float) -> tuple[Resident, ...]:
        """Take no new work; gives the instances that are on their way out."""
        self.state.closing = True
        cut_at = self.clock() + drain
        for model_id in tuple(self.state.queue.lines):
            self._fail_line(model_id, refusals.shutting_down)
        for resident in self.state.residents:
            resident.leave(Leaving.SHUTDOWN, cut_at)
        self._settle()
        return tuple(self.state.residents)

    async def end(self) -> None:
        """Nothing runs any more, and nothing will."""
        if self._timer is not None:
            self._timer.cancel()
        await cancel_and_wait(self._looking)

    def holdings(self) -> tuple[Holding, ...]:
        """What instances hold of the machine's memory."""
        return held(self.state.residents)

    # --- messages from instances and time ------------------------------------------------------

    def _started(self, resident: Resident, task: asyncio.Task[EngineError | None]) -> None:
        if resident.state is not InstanceState.STARTING:
            return
        error = _outcome(resident.model, task)
        if error is not None:
            resident.leave(Leaving.FAILED)
            if not self._tries_again(resident, error):
                self._start_failed(resident.model, error)
        else:
            resident.becomes_ready(self.state.limits, self.clock())
            if self._planner is not None:
                resident.claim = self._planner.told(resident.seat, resident.instance.parts)
            resident.instance.exited.add_done_callback(partial(self._exited, resident))
        self._settle()

    def _tries_again(self, resident: Resident, error: EngineError) -> bool:
        """Whether a start that failed for want of memory is made once more, with more care."""
        model, cautious = resident.model, self.state.cautious
        short = isinstance(error, InstanceFailed) and error.kind is FailureKind.OUT_OF_MEMORY
        if not short or resident.seat.plan is None or model.id in cautious:
            return False
        log.warning("%s did not get the memory of its plan; it is planned anew", model.id)
        cautious.add(model.id)
        self.state.looks.pop(model.id, None)
        return True

    def _inspected(self, model: Model, task: asyncio.Task[Look]) -> None:
        self._looking.discard(task)
        self.state.looking.discard(model.id)
        if task.cancelled():
            return
        look = Look(self.clock(), fingerprint=model.fingerprint)
        if task.exception() is None:  # a crash is logged by `spawn`
            look = task.result()
            look.at = self.clock()  # its engine may have been asked for longer than it holds
        self.state.looks[model.id] = look
        self._settle()

    def _exited(self, resident: Resident, exited: asyncio.Future[InstanceFailed | None]) -> None:
        """A child ended. That is news only when nobody has asked it to."""
        if not resident.ready:
            return
        error = None if exited.cancelled() else exited.result()
        error = error or refusals.ended_by_itself(resident.model)
        now = self.clock()
        failures, jitter = self.state.failures, self._jitter()
        history = failures.record(resident.model, error, now, jitter, served=True)
        resident.leave(Leaving.FAILED, cut_at=now)
        if history.final:
            self._fail_line(resident.model.id, partial(history.answer, now))
        self._settle()

    def _stopped(self, resident: Resident, _: asyncio.Task[None]) -> None:
        self.state.residents.remove(resident)
        resident.gone.set_result(None)
        self._settle()

    def _tick(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        self._settle()

    # --- what messages have in common ----------------------------------------------------------

    def _refuse(self, model: Model) -> None:
        """Raise the error of a request that has nothing to wait for."""
        state, now = self.state, self.clock()
        if state.closing:
            raise refusals.shutting_down()
        if not state.current(model) and (history := state.failures.blocking(model, now)):
            raise history.answer(now)
        limit, ahead = state.limits.waiting(model), self._ahead(model)
        slots = state.limits.slots(model)
        if len(state.queue) >= state.limits.max_queue:
            raise refusals.queue_full(state.limits, state.pace.wait(model.id, ahead, slots))
        if limit is not None and ahead >= limit:
            raise refusals.line_full(model.id, limit, state.pace.wait(model.id, ahead, slots))

    def _ahead(self, model: Model) -> int:
        """How many would wait before a new request if `model` served as many as it can."""
        current = self.state.current(model)
        serving = len(current.leases) if current else 0
        slots = current.slots if current and current.ready else self.state.limits.slots(model)
        return len(self.state.queue.lines.get(model.id, ())) + serving - slots

    def _leave_to_twin(self, model: Model) -> None:
        """From now on another model's instance serves this one's requests."""
        for resident in self.state.of(model.id):
            resident.leave(Leaving.REPLACED)

    def _make_way(self, version: Model) -> None:
        """Instances of the model that are not this version take no new leases."""
        for resident in self.state.of(version.id):
            if base(resident.model) != base(version):
                resident.leave(Leaving.REPLACED)
            elif not self.state.suits(resident, version):
                resident.leave(Leaving.RELOADED)

    def _renew(self, model: Model) -> None:
        """From now on `model` is what its id means."""
        for resident in self.state.of(model.id):
            if base(resident.model) != base(model):
                resident.leave(Leaving.REPLACED)
        if (line := self.state.queue.lines.get(model.id)) is not None:
            line.model = variant(model, line.asked)

    def _start_failed(self, model: Model, error: EngineError) -> None:
        """All who wait for the start get its error; only what a child did counts for the next."""
        if not isinstance(error, InstanceFailed):
            self._fail_line(model.id, partial(refusals.again, error))
            return
        now = self.clock()
        history = self.state.failures.record(model, error, now, self._jitter())
        self._fail_line(model.id, partial(history.answer, now))

    def _fail_line(self, model_id: str, error: Callable[[], PaddockError]) -> None:
        """Fail all who wait for a model, each with an error of its own."""
        for waiter in self.state.queue.line(model_id):
            self._fail(waiter, error())

    def _fail(self, waiter: Waiter, error: PaddockError) -> None:
        self.state.queue.remove(waiter)
        if not waiter.future.done():
            waiter.future.set_exception(error)

    def _settle(self) -> None:
        """Carry out decisions until there are none, and come back when time brings new ones."""
        now = self.clock()
        while actions := decide(self.state, now):
            for action in actions:
                self._carry_out(action, now)
        self._wake_at(next_wake(self.state, now), now)

    def _wake_at(self, due: float | None, now: float) -> None:
        """Tick at `due`. An earlier tick is kept: it costs less than setting a timer each time."""
        if due is None or due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(due - now, SHORTEST_TIMER)
        self._timer = asyncio.get_running_loop().call_later(delay, self._tick)
        self._timer_at = due

    # --- actions -------------------------------------------------------------------------------

    def _carry_out(self, action: Action, now: float) -> None:
        match action:
            case Grant(waiter, resident):
                self._grant(waiter, resident, now)
            case Expire(waiter):
                self._expire(waiter)
            case Start(model, seat):
                self._start(model, seat, now)
            case Inspect(model):
                self._inspect(model, now)
            case Refuse(model, plan):
                self._fail_line(model.id, partial(refusals.no_memory, model, plan))
            case Stop(resident, reason, swap):
                if swap and resident.ready:
                    self.state.swapped[resident.model.id] = now
                self._stop(resident, reason)
            case Yield(resident, why):
                resident.leaving, resident.why = Leaving.TURN_OVER, why
                self.state.swapped[resident.model.id] = now
                self.state.queue.yields(resident.model.id, now)
            case Resume(resident):
                resident.leaving, resident.why = None, ""

    def _expire(self, waiter: Waiter) -> None:
        model = self.state.queue.lines[waiter.model_id].model
        patience = self.state.limits.patience(model)
        self._fail(waiter, refusals.wait_expired(model.id, patience))

    def _grant(self, waiter: Waiter, resident: Resident, now: float) -> None:
        line = self.state.queue.lines[waiter.model_id]
        self.state.queue.remove(waiter)
        if waiter.future.done():  # cancelled a moment ago; its `leave` is on the way
            return
        line.served(waiter.client)
        waited = now - waiter.since
        loading = resident.ready_at - max(waiter.since, resident.started_at)
        loading = min(max(loading, 0.0), waited)
        lease = self._give(resident, waiter.client, queued=waited - loading, loading=loading)
        waiter.future.set_result(lease)

    def _give(self, resident: Resident, client: str, **waits: float) -> Lease[Any]:
        release = partial(self._released, resident)
        keep = partial(self._kept, resident, not resident.served)
        lease: Lease[Any] = Lease(
            resident.instance, client, release, self.clock(), on_keep=keep, **waits
        )
        resident.served = True
        resident.leases.add(lease)
        return lease

    def _inspect(self, model: Model, now: float) -> None:
        if self._planner is None:
            return
        self.state.looking.add(model.id)
        cautious = model.id in self.state.cautious
        look = self._planner.look(model, self.holdings, now, cautious=cautious)
        task = spawn(look, name=f"look at {model.id}")
        self._looking.add(task)
        task.add_done_callback(partial(self._inspected, model))

    def _start(self, model: Model, seat: Seat, now: float) -> None:
        self.state.looks.pop(model.id, None)
        try:
            instance = self._launcher.new(model, seat.placed)
        except EngineError as error:
            self._start_failed(model, error)
            return
        reason = f": {seat.placed.reason}" if seat.placed else ""
        log.info("starting %s as %s%s", model.id, instance.id, reason)
        gone = asyncio.get_running_loop().create_future()
        ttl = self.state.limits.ttl(model)
        returned = has_come_back(self.state.queue.lines[model.id], self.state)
        starting = spawn(_start(instance), name=f"start {instance.id}")
        resident = Resident(instance, model, starting, gone, now, ttl=ttl, returned=returned)
        resident.seat, resident.claim = seat, seat.claim
        starting.add_done_callback(partial(self._started, resident))
        self.state.residents.append(resident)

    def _stop(self, resident: Resident, reason: str) -> None:
        log.info("stopping %s: %s", resident.instance.id, reason)
        resident.state = InstanceState.STOPPING
        task = spawn(self._until_gone(resident), name=f"stop {resident.instance.id}")
        task.add_done_callback(partial(self._stopped, resident))

    async def _until_gone(self, resident: Resident) -> None:
        """Its child has ended, and drivers have back what it held."""
        await cancel_and_wait([resident.starting])
        await resident.instance.stop()
        if self._planner is not None and not self.state.closing:
            await self._planner.until_back(resident.seat, self.holdings)


async def _start(instance: InstanceT) -> EngineError | None:
    """An error that is expected of engines is this task's answer and not its crash."""
    try:
        await instance.start()
    except EngineError as error:
        return error
    return None


def _outcome(model: Model, task: asyncio.Task[EngineError | None]) -> EngineError | None:
    """How a start ended: None is well."""
    if task.cancelled():
        return refusals.start_crashed(model, "it was cancelled")
    if crash := task.exception():
        return refusals.start_crashed(model, type(crash).__name__)
    return task.result()
