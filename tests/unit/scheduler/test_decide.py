"""One picture of the house, one answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from paddock.config import routing
from paddock.config.routing import Group
from paddock.events import InstanceState
from paddock.scheduler.actions import Expire, Grant, Resume, Start, Stop, Yield
from paddock.scheduler.coexist import FREE, Groups
from paddock.scheduler.decide import decide, next_wake
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.matrix import Matrix
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
    def draw(max_loaded=1, rules=FREE, **limits):
        return Picture(State(Limits(max_loaded=max_loaded, **limits), rules), model)

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


# --- the owner's rules ----------------------------------------------------------------------------

PAIRS = Groups({"g": Group(members=["a", "b"], exclusive=False), "h": Group(members=["x", "y"])})
ALL = Groups({"g": Group(members=list("abcd"))})
SETS = Matrix(routing.Matrix(sets={"s": "t & a", "u": "t & b & c", "v": "a & b & c"}))


@pytest.mark.parametrize(
    ("rules", "residents", "waiters", "answer"),
    [
        # who may stay stays; who must leave and is idle is stopped
        (PAIRS, [("x", "ready", 1)], "a", ["Start a"]),
        (PAIRS, [("b", "ready", 0), ("x", "ready", 0)], "a", ["Stop b"]),
        (PAIRS, [("a", "ready", 0), ("b", "ready", 0)], "x", ["Stop a", "Stop b"]),
        (PAIRS, [("b", "starting", 0)], "a", ["Stop b"]),
        # who is used, starts for somebody or goes is waited for
        (PAIRS, [("b", "ready", 1)], "a", []),
        (PAIRS, [("b", "starting", 0)], "ab", []),
        (PAIRS, [("b", "stopping", 0)], "a", []),
        # the idle ones stay as long as one is used
        (PAIRS, [("a", "ready", 0), ("y", "ready", 1)], "x", []),
        (PAIRS, [("a", "ready", 0), ("y", "stopping", 0)], "x", ["Stop a"]),
        # swaps that have nothing to do with each other go on together
        (PAIRS, [("b", "ready", 0), ("y", "stopping", 0)], "a", ["Stop b"]),
        # of two that may not run together the first starts, and the other waits
        (PAIRS, [], "ab", ["Start a"]),
        (PAIRS, [], "ax", ["Start a"]),
        (PAIRS, [], "xa", ["Start x", "Start a"]),
        (ALL, [], "abc", ["Start a"]),
        (ALL, [("d", "ready", 0)], "abc", ["Stop d"]),
        (ALL, [("d", "ready", 2)], "abc", []),
        # nobody starts for whom an earlier line would have to wait
        (PAIRS, [("y", "ready", 1)], "xa", []),
        (PAIRS, [("b", "ready", 1)], "ax", []),
        # the matrix: the cheapest set, and all of them gone before
        (SETS, [("a", "ready", 0), ("b", "ready", 0), ("c", "ready", 0)], "t", ["Stop a"]),
        (SETS, [("a", "ready", 0), ("b", "ready", 0)], "t", ["Stop b"]),
        (SETS, [("a", "ready", 0), ("b", "ready", 0)], "c", ["Start c"]),
        (SETS, [("a", "ready", 0), ("b", "stopping", 0)], "t", []),
        (SETS, [("a", "ready", 0)], "x", ["Stop a"]),
        (SETS, [], "ta", ["Start t", "Start a"]),
        (SETS, [], "tab", ["Start t", "Start a"]),
        # a running target makes nobody leave
        (ALL, [("a", "ready", 0), ("b", "ready", 0)], "a", ["Grant a"]),
    ],
)
def test_rooms_by_rules(picture, rules, residents, waiters, answer):
    p = picture(math.inf, rules)
    for name, state, leases in residents:
        p.resident(name, state, leases=leases)
    for name in waiters:
        p.waiter(name)
    assert p.answer() == answer


def test_an_older_version_is_gone_before_the_new_one_starts(picture):
    p = picture(math.inf, ALL)
    p.resident("a", leases=1, leaving=Leaving.REPLACED)
    p.waiter("a", 100)
    assert p.answer() == []


def test_all_who_must_leave_end_their_turn_together(picture):
    p = picture(math.inf, PAIRS)
    p.resident("a", leases=1, ready=100)
    p.resident("b", leases=1, ready=14)
    p.waiter("x", 50)
    assert p.answer() == []
    assert p.wakes_in() == 1
    p.state.residents[1].ready_at -= 1
    assert p.answer() == ["Yield a", "Yield b"]


def test_who_yields_by_a_rule_goes_on_when_nobody_needs_it_to(picture):
    p = picture(math.inf, ALL)
    p.resident("a", leases=1, leaving=Leaving.TURN_OVER)
    waiter = p.waiter("b", 20)
    assert p.answer() == []
    p.state.queue.remove(waiter)
    assert p.answer() == ["Resume a"]


@pytest.mark.parametrize(
    ("max_loaded", "answer"), [(3, ["Stop b"]), (2, ["Stop b"]), (1, ["Stop x", "Stop y"])]
)
def test_rules_and_the_number_hold_both(picture, max_loaded, answer):
    free = Groups(
        {
            "g": Group(members=["a", "b"], exclusive=False),
            "h": Group(members=["x", "y"], swap=False),
        }
    )
    p = picture(max_loaded, free)
    p.resident("b", idle=1)
    p.resident("x", idle=50)
    p.resident("y", idle=20)
    p.waiter("a")
    if max_loaded == 2:
        del p.state.residents[1]
    assert p.answer() == answer


def test_beside_those_that_may_stay_the_least_recently_used_makes_room(picture):
    p = picture(2, Groups({"g": Group(members=list("abc"), swap=False)}))
    p.resident("a", idle=5)
    p.resident("b", idle=50)
    p.waiter("c")
    assert p.answer() == ["Stop b"]


@pytest.mark.parametrize(
    ("leases", "answer"), [((0, 0, 0), ["Stop b", "Stop c"]), ((1, 0, 1), ["Stop b"])]
)
def test_a_lowered_limit_sends_away_who_is_not_used(picture, leases, answer):
    p = picture(1)
    for name, idle, number in zip("abc", (5, 50, 20), leases, strict=True):
        p.resident(name, idle=idle, leases=number)
    assert p.answer() == answer


def test_a_lowered_limit_is_reached_before_anybody_new_starts(picture):
    p = picture(1)
    p.resident("a", leases=1)
    p.resident("b", "stopping")
    p.waiter("c", 20)
    assert p.answer() == ["Yield a"]


# --- priorities -----------------------------------------------------------------------------------


def test_who_has_a_higher_priority_gets_room_first(picture):
    p = picture(2, priorities={"c": 1, "a": -1})
    for name in "abc":
        p.waiter(name)
    assert p.answer() == ["Start c", "Start b"]


@pytest.mark.parametrize(
    ("waited", "answer", "wake"), [(299, ["Start b"], None), (300, ["Start a"], None)]
)
def test_who_has_waited_half_of_its_patience_goes_first(picture, waited, answer, wake):
    p = picture(priorities={"b": 9})
    p.waiter("a", waited)
    p.waiter("b", 1)
    assert p.answer() == answer


def test_a_model_of_higher_priority_keeps_its_room_until_the_other_has_aged(picture):
    p = picture(priorities={"a": 1})
    p.resident("a", leases=2, ready=900)
    p.waiter("b", 290)
    p.waiter("a", 280)
    assert p.answer() == []
    assert p.wakes_in() == 10
    p.waiter("c", 300)
    assert p.answer() == ["Yield a"]


# --- residency ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "leases", "ready", "answer", "wake"),
    [
        (False, 0, 1, ["Stop a"], None),
        (True, 0, 1, [], 9),
        (True, 0, 10, ["Stop a"], None),
        (True, 1, 1, [], 14),
        (True, 1, 16, ["Yield a"], None),
    ],
)
@pytest.mark.parametrize("rules", [FREE, ALL])
def test_who_came_back_stays_a_while(picture, rules, returned, leases, ready, answer, wake):
    p = picture(1, rules, min_residency=10)
    p.resident("a", ready=ready, leases=leases, returned=returned)
    p.waiter("b", 50)
    assert p.answer() == answer
    if wake:
        assert p.wakes_in() == wake


def test_another_that_may_go_goes_instead(picture):
    p = picture(2, min_residency=10)
    p.resident("a", ready=1, idle=50, returned=True)
    p.resident("b", ready=1, idle=5)
    p.waiter("c")
    assert p.answer() == ["Stop b"]


def test_its_own_time_to_live_ends_a_stay(picture):
    p = picture(min_residency=1000)
    p.resident("a", ready=400, idle=300, returned=True)
    assert p.answer() == ["Stop a"]


# --- cost -----------------------------------------------------------------------------------------


def test_rules_are_asked_once_for_each_line_and_not_for_each_model(picture):
    class Counted:
        asked = 0

        def must_leave(self, *question):
            Counted.asked += 1
            return everything.must_leave(*question)

    everything = Groups({"g": Group(members=[f"m{n}" for n in range(500)])})
    p = picture(math.inf, Counted())
    p.resident("m0", leases=2)
    for n in range(1, 31):
        for _ in range(10):
            p.waiter(f"m{n}")
    assert p.answer() == []
    assert Counted.asked == 30
