"""Whatever happens in whatever order: no wedge, no room too many, no turn lost, nothing left."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from paddock.errors import FailureKind, PaddockError
from paddock.events import InstanceState
from paddock.scheduler.backoff import CRASH_LOOP, WINDOW

MODELS = "abcd"
CLIENTS = "xyz"
KINDS = [
    FailureKind.EXITED,
    FailureKind.OUT_OF_MEMORY,
    FailureKind.BAD_FLAG,
    FailureKind.FILE_MISSING,
]
LIMITS = {"max_queue": 12, "queue_timeout": 100, "max_overtake": 15, "drain_timeout": 30}
WISHES = ["unload", "unload all", "load", "load"]
CHANGES = ["removed", "replaced", "replaced and not told"]
DRAINS = st.sampled_from([None, 0, 5])
NUMBERS = st.integers(0, 1000)
"""Which of several things a rule is about: taken modulo how many there are."""


@dataclass
class Request:
    """One request as its client sees it."""

    number: int
    model: str
    client: str
    since: float
    task: asyncio.Task[Any]
    version: int

    @property
    def pending(self) -> bool:
        return not self.task.done()

    @property
    def lease(self) -> Any:
        done = self.task.done() and not self.task.cancelled()
        return self.task.result() if done and self.task.exception() is None else None

    @property
    def held(self) -> bool:
        return self.lease is not None and not self.lease.ended


class Machine(RuleBasedStateMachine):
    def __init__(self, new_bench):
        super().__init__()
        self.new_bench = new_bench
        self.requests: list[Request] = []
        self.arrivals = 0
        self.others = []
        self.versions = dict.fromkeys(MODELS, 1)
        self.ready_at = {}
        self.failures = defaultdict(list)
        self.faults: Counter[str] = Counter()
        self.faulty: dict[str, str] = {}
        self.pauses: dict[tuple[str, str], float] = {}
        self.counted_starts = 0

    @initialize(
        max_loaded=st.integers(1, 3),
        slots=st.integers(1, 3),
        ttl=st.sampled_from([0, 40]),
        overtake=st.sampled_from([0, 15]),
    )
    def open(self, max_loaded, slots, ttl, overtake):
        limits = LIMITS | {"max_overtake": overtake}
        self.bench = self.new_bench(max_loaded=max_loaded, default_ttl=ttl, **limits)
        self.max_loaded, self.overtake = max_loaded, overtake
        self.house, self.loop = self.bench.house, self.bench.loop
        self.house.slots = slots
        self.house.start_gate = self.house.stop_gate = True
        self.happens()

    # what can happen

    @rule(name=st.sampled_from(MODELS), client=st.sampled_from(CLIENTS), many=st.integers(1, 6))
    def request(self, name, client, many):
        for _ in range(many):
            task = self.bench.ask(name, str(self.versions[name]), client)
            self.arrivals += 1
            version = self.versions[name]
            self.requests.append(Request(self.arrivals, name, client, self.loop.now, task, version))
        self.happens()

    @precondition(lambda self: self.pending)
    @rule(which=NUMBERS)
    def cancel(self, which):
        self.happens(self.pick(self.pending, which).task.cancel)

    @precondition(lambda self: self.held)
    @rule(which=NUMBERS, others=st.sampled_from(["stay", "leave before", "leave after"]))
    def release(self, which, others):
        """Now and then all who wait leave in the very moment in which the slot is theirs."""
        release = [self.pick(self.held, which).lease.release]
        cancels = [request.task.cancel for request in self.pending]
        orders = {
            "stay": release,
            "leave before": cancels + release,
            "leave after": release + cancels,
        }
        self.happens(*orders[others])

    @precondition(lambda self: self.starting)
    @rule()
    def starts_succeed(self):
        for child in self.starting:
            child.starting.set_result(None)
            self.ready_at[child.id] = self.loop.now
        self.happens()

    @precondition(lambda self: self.starting)
    @rule(which=NUMBERS, kind=st.sampled_from(KINDS))
    def start_fails(self, which, kind):
        child = self.pick(self.starting, which)
        child.starting.set_exception(self.bench.failure(child.model.id, kind))
        self.fault(child)
        if kind is not FailureKind.FILE_MISSING:
            self.failures[child.model.id].append(self.loop.now)
        self.happens()

    @precondition(lambda self: self.stopping)
    @rule()
    def stops_end(self):
        for child in self.stopping:
            child.stopping.set_result(None)
        self.happens()

    @precondition(lambda self: self.serving)
    @rule(which=NUMBERS)
    def crash(self, which):
        child = self.pick(self.serving, which)
        child.die()
        self.fault(child)
        self.failures[child.model.id].append(self.loop.now)
        self.happens()

    @rule(seconds=st.sampled_from([0.01, 0.5, 1, 3, 15, 41, 101]))
    def time_passes(self, seconds):
        self.run(self.bench.after(seconds))

    @rule(name=st.sampled_from(MODELS), wish=st.sampled_from(WISHES), drain=DRAINS)
    def the_owner_wishes(self, name, wish, drain):
        """One rule for all of these: they end what the other rules have built up."""
        scheduler = self.bench.scheduler
        if wish == "unload":
            self.others.append(self.bench.task(scheduler.unload(name, drain=drain)))
        elif wish == "unload all":
            self.others.append(self.bench.task(scheduler.unload_all(drain=drain)))
        elif wish == "load":
            self.forgive(name)
            self.others.append(self.bench.task(scheduler.load(self.model(name))))
        self.happens()

    @rule(name=st.sampled_from(MODELS), change=st.sampled_from(CHANGES))
    def the_library_changes(self, name, change):
        """Sometimes the scheduler hears of a new version by the next request only."""
        self.forgive(name)
        changed = self.bench.scheduler.catalog_changed
        if change == "removed":
            self.happens(partial(changed, removed={name}))
            return
        self.versions[name] += 1
        if change == "replaced":
            self.happens(partial(changed, replaced=[self.model(name)]))

    # what must hold after each of these

    @invariant()
    def rooms_are_never_more_than_allowed(self):
        assert self.house.most_alive <= self.max_loaded
        assert len(self.view.instances) <= self.max_loaded

    @invariant()
    def one_instance_at_most_takes_a_models_requests(self):
        taking = [i.model for i in self.view.instances if not i.leaving and i.state != "stopping"]
        assert len(taking) == len(set(taking))

    @invariant()
    def every_lease_is_counted_once_and_has_a_slot(self):
        held: dict[str, int] = defaultdict(int)
        for request in self.held:
            held[request.lease.instance.id] += 1
        for instance in self.view.instances:
            assert instance.active == held[instance.instance]
            assert instance.active <= instance.slots

    @invariant()
    def the_queue_holds_exactly_who_waits(self):
        loads = sum(not task.done() for task in self.others)
        assert len(self.pending) <= len(self.view.waiting) <= len(self.pending) + loads
        assert len(self.view.waiting) <= LIMITS["max_queue"]

    @invariant()
    def requests_of_one_client_for_one_model_keep_their_order(self):
        oldest_waiting = {(r.model, r.client): r.number for r in reversed(self.pending)}
        for request in self.held:
            key = (request.model, request.client)
            assert request.number < oldest_waiting.get(key, float("inf"))

    @invariant()
    def nobody_waits_without_a_reason(self):
        open_instances = {i.model: i for i in self.view.instances if not i.leaving}
        pausing = {failure.model for failure in self.view.failed}
        for model in {waiting.model for waiting in self.view.waiting}:
            instance = open_instances.get(model)
            if instance is None:
                assert model in pausing or len(self.view.instances) == self.max_loaded
            elif instance.state is InstanceState.READY:
                assert instance.active == instance.slots

    @invariant()
    def an_idle_instance_gives_way_to_any_model_that_may_start(self):
        housed = {i.model for i in self.view.instances if not i.leaving}
        pausing = {failure.model for failure in self.view.failed}
        homeless = {w.model for w in self.view.waiting} - housed - pausing
        going = sum(i.state is InstanceState.STOPPING for i in self.view.instances)
        if any(i.idle is not None and not i.leaving for i in self.view.instances):
            assert len(homeless) <= going

    @invariant()
    def nobody_waits_longer_than_allowed(self):
        limit = LIMITS["queue_timeout"] + 0.01
        assert all(self.loop.now - request.since <= limit for request in self.pending)

    @invariant()
    def with_one_room_a_turn_that_is_over_ends(self):
        serving = [i for i in self.view.instances if i.active and not i.leaving]
        if self.max_loaded > 1 or not serving:
            return
        ready_at = self.ready_at[serving[0].instance]
        overtaken = [w for w in self.view.waiting if w.model != serving[0].model]
        for waiting in overtaken:
            since = max(ready_at, self.loop.now - waiting.waited)
            over = self.loop.now - since > self.overtake + 0.01
            assert not over or waiting.model in {failed.model for failed in self.view.failed}

    @invariant()
    def requests_are_served_by_the_version_they_asked_for_or_a_newer_one(self):
        for request in self.held:
            assert int(request.lease.instance.model.fingerprint) >= request.version

    @invariant()
    def the_dead_are_not_kept(self):
        alive = {child.id for child in self.house.alive}
        for instance in self.view.instances:
            assert instance.instance in alive or instance.state is InstanceState.STOPPING

    @invariant()
    def only_failures_count_as_failures(self):
        for failed in self.view.failed:
            assert failed.failures <= self.faults[failed.model]

    @invariant()
    def a_turn_ends_only_when_it_has_lasted(self):
        for instance in self.view.instances:
            if instance.leaving.startswith("its turn"):
                ready_for = self.loop.now - self.ready_at[instance.instance]
                assert ready_for >= self.overtake

    @invariant()
    def a_model_that_keeps_failing_is_not_started_again_and_again(self):
        new = self.house.children[self.counted_starts :]
        self.counted_starts = len(self.house.children)
        for child in new:
            recent = [t for t in self.failures[child.model.id] if self.loop.now - t < WINDOW]
            assert len(recent) < CRASH_LOOP
            version = child.model.id, child.model.fingerprint
            assert self.loop.now >= self.pauses.get(version, 0) - 0.01
        self.pauses = {
            (failed.model, self.faulty[failed.model]): self.loop.now + failed.error.retry_after
            for failed in self.view.failed
            if failed.error.retry_after is not None
        }

    @invariant()
    def nothing_was_reported_to_the_loop(self):
        assert self.loop.reported == []

    # and at the end

    def teardown(self):
        try:
            self.everything_ends_once_nothing_is_held_back()
        finally:
            self.run(self.bench.finish())
            self.loop.close()
        self.bench.prove_empty()

    def everything_ends_once_nothing_is_held_back(self):
        self.house.start_gate = self.house.stop_gate = False
        self.house.start_seconds = self.house.stop_seconds = 0.5
        for _ in range(60):
            for gate in [c.starting for c in self.starting] + [c.stopping for c in self.stopping]:
                gate.set_result(None)
            self.happens(*(request.lease.release for request in self.held))
            self.run(self.bench.after(1))
        assert self.pending == []
        assert [task for task in self.others if not task.done()] == []
        assert self.view.waiting == ()
        assert all(instance.active == 0 for instance in self.view.instances)

    # shorthands

    @property
    def starting(self):
        return [c for c in self.house.children if c.starting and not c.starting.done()]

    @property
    def stopping(self):
        return [c for c in self.house.children if c.stopping and not c.stopping.done()]

    @property
    def serving(self):
        return [c for c in self.house.alive if c.id in self.ready_at and not c.exited.done()]

    def model(self, name):
        return self.bench.model(name, str(self.versions[name]))

    def fault(self, child):
        self.faults[child.model.id] += 1
        self.faulty[child.model.id] = child.model.fingerprint

    def forgive(self, name):
        self.failures.pop(name, None)
        self.pauses = {version: end for version, end in self.pauses.items() if version[0] != name}

    @staticmethod
    def pick(things, which):
        return things[which % len(things)]

    def run(self, coroutine):
        self.loop.run_until_complete(coroutine)
        self.view = self.bench.scheduler.snapshot()
        self.pending = [request for request in self.requests if request.pending]
        self.held = [request for request in self.requests if request.held]
        for request in self.requests:
            if request.task.done() and not request.task.cancelled():
                assert isinstance(request.task.exception(), PaddockError | None)
        self.requests = sorted(self.pending + self.held, key=lambda request: request.number)

    def happens(self, *messages):
        """Send messages within one turn of the loop, then let everything follow from them."""

        async def turn():
            for message in messages:
                message()
            await self.bench.settle()

        self.run(turn())


def test_the_scheduler_keeps_its_promises_whatever_happens(new_bench):
    machine: Any = partial(Machine, new_bench)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=80,
            stateful_step_count=60,
            deadline=None,
            phases=[Phase.generate],  # shrinking takes minutes, and cases come out short anyway
            suppress_health_check=list(HealthCheck),
        ),
    )
