"""Whatever happens in whatever order: no wedge, no room too many, no turn lost, nothing left."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
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

from paddock.config import routing
from paddock.config.routing import Group
from paddock.errors import FailureKind, PaddockError
from paddock.events import InstanceState
from paddock.library.model import NOT_SAID, LoadOptions
from paddock.library.variant import base, context_of, serves
from paddock.scheduler.backoff import CRASH_LOOP, WINDOW
from paddock.scheduler.coexist import FREE, Groups
from paddock.scheduler.decide import decide
from paddock.scheduler.matrix import Matrix
from paddock.scheduler.rooms import must_leave
from paddock.scheduler.turns import keeps_until, startable

MODELS = "abcd"
CLIENTS = "xyz"
KINDS = [
    FailureKind.EXITED,
    FailureKind.OUT_OF_MEMORY,
    FailureKind.BAD_FLAG,
    FailureKind.FILE_MISSING,
]
LIMITS = {"max_queue": 12, "queue_timeout": 100, "drain_timeout": 30}
WISHES = ["unload", "unload all", "load", "load", "go", "stay"]
CHANGES = ["removed", "replaced", "replaced and not told"]
RULES = {
    "none": FREE,
    "one of all": Groups({"g": Group(members=list(MODELS))}),
    "pairs": Groups({"g": Group(members=["a", "b"]), "h": Group(members=["c", "d"])}),
    "guests": Groups(
        {
            "g": Group(members=["a"], exclusive=False),
            "h": Group(members=["b", "c"], swap=False, persistent=True),
        }
    ),
    "sets": Matrix(routing.Matrix(sets={"s": "a & (b | c)", "t": "b & d"}, evict_costs={"a": 3})),
    "choices": Matrix(routing.Matrix(sets={"s": "(a | b) & (c | d)", "t": "a & b"})),
}
OWNERS: dict[str, Any] = {
    "max_loaded": st.sampled_from([1, 2, 3, math.inf]),
    "rules": st.sampled_from(sorted(RULES)),
    "overtake": st.sampled_from([0, 15]),
    "residency": st.sampled_from([0, 10]),
    "priorities": st.sampled_from([{}, {"a": 1}, {"a": 2, "b": 1, "c": -1}]),
    "ttl": st.sampled_from([0, 40]),
}
"""What the owner can say, and say anew while everything runs."""
CROWDED = "c"
"""The model for which few may wait."""
QUEUE_LIMIT = 2
REFRESHED = "b"
"""The model whose slots are changed while it runs."""
CONTEXT = 1000
"""What models are loaded with for whom it does not matter."""
ASKED = [NOT_SAID, NOT_SAID, *(LoadOptions(context=n) for n in (500, 2000, 3000))]
ASKED += [LoadOptions(gpu_layers=0), LoadOptions(gpu_layers=1, context=2500)]
"""How requests want their model to be loaded."""
STAYS = st.sampled_from([None, 0, 2, 60, math.inf])
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
    asked: LoadOptions = NOT_SAID

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
        self.counted_starts = self.looked_at = 0
        self.slots = 0

    @initialize(slots=st.integers(1, 3), **OWNERS)
    def open(self, slots, **said):
        self.bench = self.new_bench(rules=RULES[said["rules"]], **self.limits(**said))
        self.house, self.loop = self.bench.house, self.bench.loop
        self.state = self.bench.scheduler._core.state
        self.shortest_overtake, self.said_at = said["overtake"], self.loop.now
        self.house.slots = slots
        self.house.start_gate = self.house.stop_gate = True
        self.happens()

    # what can happen

    @rule(
        name=st.sampled_from(MODELS),
        client=st.sampled_from(CLIENTS),
        many=st.integers(1, 6),
        quick=st.booleans(),
        asked=st.sampled_from(ASKED),
    )
    def request(self, name, client, many, quick, asked):
        """`quick`: what loads and what stops is done with that before anything else happens."""
        for _ in range(many):
            model = self.model(name)
            task = self.bench.task(self.bench.scheduler.lease(model, client=client, asked=asked))
            self.arrivals += 1
            version = self.versions[name]
            self.requests.append(
                Request(self.arrivals, name, client, self.loop.now, task, version, asked)
            )
        self.happens()
        while quick and (self.starting or self.stopping):
            self.starts_and_stops_end()

    @precondition(lambda self: self.pending)
    @rule(which=NUMBERS)
    def cancel(self, which):
        self.happens(self.pick(self.pending, which).task.cancel)

    @precondition(lambda self: self.held)
    @rule(
        which=NUMBERS, others=st.sampled_from(["stay", "leave before", "leave after"]), stays=STAYS
    )
    def release(self, which, others, stays):
        """Now and then all who wait leave in the very moment in which the slot is theirs."""
        lease = self.pick(self.held, which).lease
        lease.keep_alive(stays, default=20)
        release = [lease.release]
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

    def starts_and_stops_end(self):
        if self.stopping:
            self.stops_end()
        if self.starting:
            self.starts_succeed()

    @precondition(lambda self: self.starting)
    @rule(which=NUMBERS, kind=st.sampled_from(KINDS))
    def start_fails(self, which, kind):
        child = self.pick(self.starting, which)
        child.starting.set_exception(self.bench.failure(child.model.id, kind))
        self.fault(child, kind)
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
        elif wish in {"go", "stay"}:
            seconds = 0 if wish == "go" else math.inf
            self.happens(partial(scheduler.keep_alive, name, seconds))
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

    @rule(which=NUMBERS, slots=st.integers(0, 3), **OWNERS)
    def the_configuration_changes(self, which, slots, **said):
        """One rule for two kinds of change, and the rarer kind is the one that changes most."""
        if which % 3 == 0:
            self.the_owner_says_otherwise(**said)
        else:
            self.slots = slots
            changed = self.bench.scheduler.catalog_changed
            self.happens(partial(changed, refreshed=[self.model(REFRESHED)]))

    def the_owner_says_otherwise(self, **said):
        self.shortest_overtake = min(self.shortest_overtake, said["overtake"])
        self.said_at = self.loop.now
        limits, rules = self.bench.limits(**self.limits(**said)), RULES[said["rules"]]
        self.happens(partial(self.bench.scheduler.reconfigure, limits, rules))

    # what must hold after each of these

    @invariant()
    def nobody_starts_beside_more_or_others_than_allowed(self):
        new, self.looked_at = self.house.children[self.looked_at :], len(self.house.children)
        for child in new:
            neighbours = self.house.neighbours[child.id]
            assert len(neighbours) < self.state.limits.max_loaded
            assert not self.state.rules.must_leave(child.model.id, frozenset(neighbours))

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
            assert instance.active <= instance.slots or instance.model == REFRESHED

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
    def nothing_that_is_due_is_left_undone(self):
        if decide(self.state, self.loop.now):  # a timer may come a moment late
            self.run(self.bench.after(0.002))
        assert decide(self.state, self.loop.now) == ()

    @invariant()
    def few_wait_where_few_may(self):
        waiting = [w for w in self.view.waiting if w.model == CROWDED]
        assert len(waiting) <= QUEUE_LIMIT + 3

    @invariant()
    def nobody_waits_without_a_reason(self):
        open_instances = {i.model: i for i in self.view.instances if not i.leaving}
        for model in {waiting.model for waiting in self.view.waiting} & open_instances.keys():
            if open_instances[model].state is InstanceState.READY:
                assert open_instances[model].active >= open_instances[model].slots

    @invariant()
    def the_first_in_order_waits_only_for_what_is_used_or_going(self):
        for line in startable(self.state, self.loop.now)[:1]:
            out = must_leave(line, self.state)
            there = self.state.residents
            idle = [r for r in there if r.idle and r.open and not self.kept(r)]
            if out:
                assert not {r for r in there if r.model.id in out} <= set(idle)
            else:
                assert len(there) >= self.state.limits.max_loaded
                assert not idle or any(r.state is InstanceState.STOPPING for r in there)

    @invariant()
    def nobody_waits_longer_than_allowed(self):
        limit = LIMITS["queue_timeout"] + 0.01
        assert all(self.loop.now - request.since <= limit for request in self.pending)

    @invariant()
    def with_one_room_a_turn_that_is_over_ends(self):
        serving = [i for i in self.view.instances if i.active]
        limits = self.state.limits
        if limits.max_loaded > 1 or len(serving) != 1 or serving[0].leaving or limits.priorities:
            return
        ready_at = max(self.ready_at[serving[0].instance], self.said_at)
        housed = {i.model for i in self.view.instances if not i.leaving}
        overtaken = [w for w in self.view.waiting if w.model not in housed]
        for waiting in overtaken:
            since = max(ready_at, self.loop.now - waiting.waited)
            limit = max(limits.max_overtake, limits.min_residency) + 0.01
            over = self.loop.now - since > limit
            assert not over or waiting.model in {failed.model for failed in self.view.failed}

    @invariant()
    def requests_are_served_by_the_version_they_asked_for_or_a_newer_one(self):
        for request in self.held:
            assert int(base(request.lease.instance.model)) >= request.version

    @invariant()
    def requests_have_at_least_the_context_they_asked_for(self):
        for request in self.held:
            there = context_of(request.lease.instance.model, CONTEXT)
            assert there >= (request.asked.context or 0)

    @invariant()
    def who_waits_will_be_served_by_what_loads_for_it(self):
        """However many have asked for something else since."""
        for request in self.pending:
            for child in self.starting:
                running = child.model
                if running.id != request.model or int(base(running)) != request.version:
                    continue
                context = LoadOptions(context=request.asked.context)
                if self.state.resident(running.id) is self.resident(child):
                    assert serves(running, running, context, CONTEXT)

    @invariant()
    def nobody_stays_longer_than_the_last_request_said(self):
        for instance in self.view.instances:
            if instance.idle is not None and not instance.leaving:
                assert instance.idle <= instance.keep_alive + 0.01

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
                assert ready_for >= self.shortest_overtake

    @invariant()
    def a_model_that_keeps_failing_is_not_started_again_and_again(self):
        new = self.house.children[self.counted_starts :]
        self.counted_starts = len(self.house.children)
        for child in new:
            recent = [f for f in self.failures[child.model.id] if self.loop.now - f[0] < WINDOW]
            assert len(recent) < CRASH_LOOP or self.failed_only_in_other_sizes(child.model, recent)
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
        """However many swaps that takes: nobody is saved by the end of its patience."""
        self.house.start_gate = self.house.stop_gate = False
        self.house.start_seconds = self.house.stop_seconds = 0.5
        limits = replace(self.state.limits, queue_timeout=1_000_000)
        self.happens(partial(self.bench.scheduler.reconfigure, limits, self.state.rules))
        for _ in range(150):
            for gate in [c.starting for c in self.starting] + [c.stopping for c in self.stopping]:
                gate.set_result(None)
            self.happens(*(request.lease.release for request in self.held))
            self.run(self.bench.after(1))
            if not self.requests and all(task.done() for task in self.others):
                break
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
        settings = {
            CROWDED: {"queue_limit": QUEUE_LIMIT},
            REFRESHED: {"concurrency_limit": self.slots},
        }
        plain = self.bench.model(name, str(self.versions[name]), **settings.get(name, {}))
        return replace(plain, path=Path(f"/{name}.gguf"))

    def resident(self, child):
        return next((r for r in self.state.residents if r.instance is child), None)

    @staticmethod
    def failed_only_in_other_sizes(model, failures):
        """Memory may do for the model itself where it does not for what a request asked for."""
        failed = {fingerprint for _, fingerprint, _ in failures}
        ran_out = failures[-1][2] is FailureKind.OUT_OF_MEMORY
        return ran_out and not model.origin and model.fingerprint not in failed

    @staticmethod
    def limits(max_loaded, overtake, residency, priorities, ttl, rules):
        return LIMITS | {
            "max_loaded": max_loaded,
            "max_overtake": overtake,
            "min_residency": residency,
            "priorities": priorities,
            "default_ttl": ttl,
            "context_length": CONTEXT,
        }

    def kept(self, resident):
        return keeps_until(resident, self.state.limits) > self.loop.now

    def fault(self, child, kind=FailureKind.SIGNAL):
        """A missing file counts as no failure of a model."""
        if kind is not FailureKind.FILE_MISSING:
            told = self.loop.now, child.model.fingerprint, kind
            self.failures[child.model.id].append(told)
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
