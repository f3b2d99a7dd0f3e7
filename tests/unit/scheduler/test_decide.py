"""One picture of the house, one answer."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from paddock.events import InstanceState
from paddock.scheduler.actions import Expire, Grant, Resume, Start, Stop, Yield
from paddock.scheduler.decide import decide, next_wake
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.queue import Waiter
from paddock.scheduler.state import Leaving, Resident, State

NOW = 1000.0


@dataclass
class Picture:
    """A state, drawn in one line per thing."""

    state: State
    model: object

    def resident(self, name, state="ready", *, leases=0, ready=100.0, idle=0.0, slots=2, **more):
        resident = Resident(
            instance=None,  # type: ignore[arg-type]
            model=self.model(name),  # type: ignore[operator]
            starting=None,  # type: ignore[arg-type]
            gone=None,  # type: ignore[arg-type]
            state=InstanceState(state),
            slots=slots,
            ttl=300,
            ready_at=NOW - ready,
            idle_since=NOW - idle,
            **more,
        )
        for n in range(leases):
            resident.leases.add(Lease(resident.instance, f"c{n}", lambda lease: None))
        self.state.residents.append(resident)
        return resident

    def waiter(self, name, waited=1.0, client="x"):
        waiter = Waiter(name, client, NOW - waited, future=None)  # type: ignore[arg-type]
        self.state.queue.add(waiter, self.model(name))  # type: ignore[operator]
        return waiter

    def answer(self):
        return [_words(action) for action in decide(self.state, NOW)]

    def wakes_in(self):
        wake = next_wake(self.state, NOW)
        return None if wake is None else pytest.approx(wake - NOW)


def _words(action):
    match action:
        case Expire(waiter) | Grant(waiter, _):
            return f"{type(action).__name__} {waiter.model_id}"
        case Start(model):
            return f"Start {model.id}"
        case Stop(resident) | Yield(resident) | Resume(resident):
            return f"{type(action).__name__} {resident.model.id}"


@pytest.fixture
def picture(model):
    def draw(max_loaded=1, **limits):
        return Picture(State(Limits(max_loaded=max_loaded, **limits)), model)

    return draw


def test_nothing_to_do_in_an_empty_house(picture):
    p = picture()
    assert p.answer() == []
    assert p.wakes_in() is None


@pytest.mark.parametrize(
    ("residents", "waiters", "max_loaded", "answer"),
    [
        # room
        ([], "a", 1, ["Start a"]),
        ([], "ab", 1, ["Start a"]),
        ([], "abc", 2, ["Start a", "Start b"]),
        ([], "aaa", 3, ["Start a"]),
        # somebody is on the way
        ([("a", "starting", 0)], "aab", 1, []),
        ([("a", "stopping", 0)], "ab", 1, []),
        ([("a", "stopping", 0)], "ab", 2, ["Start a"]),
        # slots
        ([("a", "ready", 1)], "ab", 1, ["Grant a"]),
        ([("a", "ready", 2)], "ab", 1, []),
        # making room
        ([("a", "ready", 0)], "b", 1, ["Stop a"]),
        ([("a", "ready", 0)], "b", 2, ["Start b"]),
        ([("a", "ready", 0), ("c", "starting", 0)], "b", 2, ["Stop c"]),
        ([("a", "ready", 0), ("c", "starting", 0)], "bc", 2, ["Stop a"]),
        ([("a", "ready", 0), ("c", "stopping", 0)], "b", 2, []),
        ([("a", "ready", 0), ("c", "stopping", 0)], "bd", 2, ["Stop a"]),
        ([("a", "ready", 1)], "b", 1, []),
    ],
)
def test_rooms_and_slots_go_to_who_waits(picture, residents, waiters, max_loaded, answer):
    p = picture(max_loaded)
    for name, state, leases in residents:
        p.resident(name, state, leases=leases)
    for name in waiters:
        p.waiter(name)
    assert p.answer() == answer


def test_of_several_idle_models_the_least_recently_used_makes_room(picture):
    p = picture(3)
    for name, idle in [("a", 5), ("b", 50), ("c", 20)]:
        p.resident(name, idle=idle)
    p.waiter("d")
    p.waiter("e")
    assert p.answer() == ["Stop b", "Stop c"]


@pytest.mark.parametrize(
    ("waited", "ready", "answer", "wake"),
    [
        (14, 100, [], 1),
        (15, 100, ["Yield a"], None),
        (100, 14, [], 1),
        (100, 15, ["Yield a"], None),
    ],
)
def test_a_turn_ends_when_requests_have_overtaken_long_enough(picture, waited, ready, answer, wake):
    p = picture()
    p.resident("a", leases=1, ready=ready)
    p.waiter("b", waited)
    assert p.answer() == answer
    if wake:
        assert p.wakes_in() == wake


def test_of_several_busy_models_the_one_with_the_longest_turn_gives_way(picture):
    p = picture(3)
    for name, ready in [("a", 20), ("b", 90), ("c", 50)]:
        p.resident(name, leases=1, ready=ready)
    p.waiter("d", 30)
    assert p.answer() == ["Yield b"]
    p.waiter("e", 30)
    assert p.answer() == ["Yield b", "Yield c"]


@pytest.mark.parametrize(
    ("waiters", "answer"), [("b", []), ("", ["Resume a"]), ("a", ["Resume a"])]
)
def test_a_turn_that_ends_for_nobody_goes_on(picture, waiters, answer):
    p = picture()
    p.resident("a", leases=1, leaving=Leaving.TURN_OVER)
    for name in waiters:
        p.waiter(name)
    assert p.answer() == answer


def test_a_model_that_gave_way_does_not_ask_another_to_at_once(picture):
    p = picture(2, max_overtake=0)
    p.resident("a", leases=1, leaving=Leaving.TURN_OVER)
    p.resident("c", leases=1)
    p.waiter("a")
    p.waiter("b")
    p.state.queue.yields("a", NOW)
    assert p.answer() == []


@pytest.mark.parametrize(
    ("leaving", "leases", "cut_in", "answer"),
    [
        (Leaving.REMOVED, 0, None, ["Stop a"]),
        (Leaving.REMOVED, 1, None, []),
        (Leaving.UNLOADED, 1, 5, []),
        (Leaving.UNLOADED, 1, 0, ["Stop a"]),
        (Leaving.UNLOADED, 0, 5, ["Stop a"]),
    ],
)
def test_who_leaves_goes_when_its_leases_or_its_time_have_ended(
    picture, leaving, leases, cut_in, answer
):
    p = picture()
    cut_at = None if cut_in is None else NOW + cut_in
    p.resident("a", leases=leases, leaving=leaving, cut_at=cut_at)
    assert p.answer() == answer
    assert p.wakes_in() == (cut_in or None)


def test_a_start_that_is_not_wanted_any_more_is_stopped(picture):
    p = picture()
    p.resident("a", "starting", leaving=Leaving.UNLOADED)
    assert p.answer() == ["Stop a"]


@pytest.mark.parametrize(
    ("idle", "leases", "answer", "wake"),
    [(299, 0, [], 1), (300, 0, ["Stop a"], None), (999, 1, [], None)],
)
def test_an_idle_model_leaves_in_time(picture, idle, leases, answer, wake):
    p = picture()
    p.resident("a", idle=idle, leases=leases)
    assert p.answer() == answer
    assert p.wakes_in() == wake


def test_who_has_waited_too_long_is_told_before_anything_else(picture):
    p = picture()
    p.waiter("a", 600)
    p.waiter("b", 599)
    assert p.answer() == ["Expire a"]


def test_a_model_in_its_pause_gets_no_room_and_wakes_us_when_it_is_over(picture, failure):
    p = picture()
    waiter = p.waiter("a", 10)
    model = p.state.queue.lines["a"].model
    p.state.failures.record(model, failure("a"), NOW - 0.25, 0.0)
    assert p.answer() == []
    assert p.wakes_in() == 0.75
    p.waiter("b")
    assert p.answer() == ["Start b"]
    assert waiter in p.state.queue.line("a")
