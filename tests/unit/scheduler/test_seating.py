"""Who gets which place in memory, and who leaves for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.fakes.architectures import ALL

from paddock.events import InstanceState
from paddock.hardware.devices import Device
from paddock.hardware.reservations import Kept
from paddock.library.gguf import read_header
from paddock.memory.ledger import Claim, Holding, Measured, Phase, left, others
from paddock.memory.placement import Fixed, Own
from paddock.memory.question import Question, corrected
from paddock.memory.shape import shape_of
from paddock.memory.terms import Terms
from paddock.scheduler.actions import Inspect, Refuse, Start, Stop, Yield
from paddock.scheduler.decide import decide
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.look import FRESH, Look
from paddock.scheduler.queue import Waiter
from paddock.scheduler.state import Leaving, Resident, State

NOW = 1000.0
MIB = 1 << 20
TOTAL = 2048 * MIB


@pytest.fixture(scope="module")
def shape(tmp_path_factory):
    path = ALL["llama"]().write(tmp_path_factory.mktemp("shape") / "m.gguf")
    return shape_of([read_header(path)])


@pytest.fixture
def question(shape):
    """Two cards of 2 GiB; the model takes about 550 MiB of one."""
    gpus = tuple(Device(f"GPU{n}", "a card", TOTAL, TOTAL, measured=True) for n in (0, 1))
    return Question(shape, Terms(8192), Measured(gpus, 4096 * MIB), Fixed(context=True))


class House:
    """A state, drawn in one line per thing."""

    def __init__(self, model, question):
        self.model, self.question = model, question
        self.state = State(Limits(min_residency=0), plans=True)

    def resident(
        self, name, card="GPU0", mib=1800, *, state="ready", leases=0, idle=60.0, load=1.0, **more
    ):
        settings = {"pinned": True} if more.pop("pinned", False) else {}
        resident = Resident(
            instance=None,  # type: ignore[arg-type]
            model=self.model(name, **settings),
            starting=None,  # type: ignore[arg-type]
            gone=None,  # type: ignore[arg-type]
            state=InstanceState(state),
            started_at=NOW - 100 - load,
            ready_at=NOW - 100,
            idle_since=NOW - idle,
            slots=2,
            claim=Claim({card: mib * MIB}, 10 * MIB),
            **more,
        )
        for n in range(leases):
            resident.leases.add(Lease(resident.instance, f"c{n}", lambda lease: None))
        self.state.residents.append(resident)
        return resident

    def asks(self, name="new", waited=1.0, question=None, at=NOW):
        waiter = Waiter(name, "x", NOW - waited, future=None)  # type: ignore[arg-type]
        self.state.queue.add(waiter, self.model(name))
        self.state.looks[name] = Look(at, question or self.question, fingerprint="1")

    def answer(self):
        return [self._words(action) for action in decide(self.state, NOW)]

    @staticmethod
    def _words(action):
        match action:
            case Start(model, seat):
                assert seat.plan is not None
                return f"start {model.id} on {'+'.join(seat.plan.layout.devices) or 'CPU'}"
            case Stop(resident, _):
                return f"stop {resident.model.id}"
            case Yield(resident):
                return f"yield {resident.model.id}"
            case Inspect(model):
                return f"inspect {model.id}"
            case Refuse(model, _):
                return f"refuse {model.id}"


@pytest.fixture
def house(model, question):
    return House(model, question)


def test_it_takes_the_card_that_it_fills_best(house):
    house.resident("a", "GPU1", 900)
    house.asks()
    assert house.answer() == ["start new on GPU1"]


def test_it_is_looked_at_first_once_and_again_when_the_look_is_old(house):
    house.asks(at=NOW - FRESH - 1)
    assert house.answer() == ["inspect new"]
    house.state.looking.add("new")
    assert house.answer() == []


def test_what_cannot_be_planned_starts_without_a_plan(house):
    house.asks()
    house.state.looks["new"] = Look(NOW, fingerprint="1")
    (start,) = decide(house.state, NOW)
    assert isinstance(start, Start)
    assert start.seat.plan is None
    assert start.seat.placed is None


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [
        ({"idle": 600.0}, {"idle": 10.0}, "a"),
        ({"idle": 10.0}, {"idle": 600.0}, "b"),
        ({"idle": 60.0, "load": 90.0}, {"idle": 30.0, "load": 1.0}, "b"),
        ({"pinned": True}, {"idle": 0.0}, "b"),
        ({"keep_alive": math.inf}, {"idle": 0.0}, "b"),
        ({"mib": 100}, {}, ""),
        ({"idle": 600.0, "mib": 1600}, {"mib": 1700}, "a"),
    ],
)
def test_who_is_missed_least_leaves_and_nobody_without_need(house, first, second, goes):
    house.resident("a", "GPU0", **first)
    house.resident("b", "GPU1", **second)
    house.asks()
    answer = house.answer()
    assert answer == ([f"stop {goes}"] if goes else ["start new on GPU0"])


@pytest.mark.parametrize(("second", "goes"), [(False, "b"), (True, "a")])
def test_a_number_of_models_sends_a_pinned_one_away_only_where_all_are(house, second, goes):
    house.state.limits = Limits(max_loaded=2, min_residency=0)
    house.resident("a", "GPU0", 100, idle=600, pinned=True)
    house.resident("b", "GPU1", 100, idle=10, pinned=second)
    house.asks()
    assert house.answer() == [f"stop {goes}"]


def test_all_leave_that_must_and_no_more(house, shape):
    house.resident("a", "GPU0", 100, idle=900)
    house.resident("b", "GPU0", 1600, idle=800)
    house.resident("c", "GPU1", 1800, idle=0, load=100)
    house.asks()
    assert house.answer() == ["stop b"]


@pytest.mark.parametrize("card", ["GPU0", "GPU1"])
def test_the_reason_tells_what_was_needed_where_it_was(house, card):
    for name in ("GPU0", "GPU1"):
        house.resident(name, name, idle=600.0 if name == card else 10.0)
    house.asks()
    (stop,) = decide(house.state, NOW)
    assert isinstance(stop, Stop)
    assert stop.reason.startswith("evicted for new: needed ")
    assert stop.reason.endswith(f" on {card}")


def test_who_works_is_waited_for_until_its_turn_is_over(house):
    house.resident("a", "GPU0", leases=1)
    house.resident("b", "GPU1", pinned=True)
    house.asks(waited=1)
    assert house.answer() == []
    house.state.queue.lines.clear()
    house.asks(waited=60)
    assert house.answer() == ["yield a"]


def test_who_loads_is_waited_for(house):
    house.resident("a", "GPU0", state="starting")
    house.resident("b", "GPU1", pinned=True)
    house.asks("a")
    house.asks(waited=500)
    assert house.answer() == []


@pytest.mark.parametrize("more", [{"state": "stopping"}, {"leaving": Leaving.TURN_OVER}])
def test_nobody_else_leaves_while_enough_is_on_its_way(house, more):
    house.resident("a", "GPU0", **({"leases": 1} | more))
    house.resident("b", "GPU1")
    house.asks()
    assert house.answer() == []


def test_a_pinned_model_leaves_for_nobody_and_the_refusal_has_numbers(house, question):
    house.resident("a", "GPU0", pinned=True)
    house.resident("b", "GPU1", pinned=True)
    poor = replace(question, measured=replace(question.measured, host=300 * MIB))
    house.asks(question=poor)
    (refusal,) = decide(house.state, NOW)
    assert isinstance(refusal, Refuse)
    assert "GPU0 248 MiB" in refusal.plan.reason
    assert refusal.plan.helps[0].endswith("(`paddock stop a`, `paddock stop b`)")


def test_with_pinned_models_everywhere_the_processor_does_it(house):
    house.resident("a", "GPU0", 2000, pinned=True)
    house.resident("b", "GPU1", 2000, pinned=True)
    house.asks()
    assert house.answer() == ["start new on CPU"]


def test_those_behind_take_nothing_from_who_waits_longer(house, question):
    house.resident("a", "GPU0", 1800, leases=1)
    house.resident("b", "GPU1", 1200, pinned=True)
    both = replace(question, terms=Terms(8192, slots=6), fixed=Fixed(context=True, slots=True))
    house.asks("large", waited=2, question=both)
    assert house.answer() == []
    house.asks("small", waited=1)
    assert house.answer() == ["start small on GPU1"]


def test_nobody_leaves_for_a_line_behind_one_that_got_its_place(house):
    house.resident("a", "GPU1", 100)
    house.resident("b", "GPU1", 1200, pinned=True)
    house.asks("new", waited=2)
    house.asks("next", waited=1)
    assert house.answer() == ["start new on GPU1"]


def test_those_behind_do_not_overtake_who_is_looked_at_again(house, question):
    house.resident("a", "GPU0", 1800, pinned=True)
    house.resident("b", "GPU1", 1200, leases=1)
    house.asks("first", waited=2, at=NOW - FRESH - 1)
    house.asks("second", waited=1)
    assert house.answer() == ["inspect first"]
    house.state.looking.add("first")
    assert house.answer() == []
    house.state.looks["first"].at = NOW
    assert house.answer() == ["start first on GPU1"]


def test_who_goes_after_its_turn_is_told_for_whom(house):
    busy = house.resident("a", "GPU0", leases=1)
    house.resident("b", "GPU1", pinned=True)
    house.asks(waited=60)
    (gives_way,) = decide(house.state, NOW)
    assert isinstance(gives_way, Yield)
    busy.leaving, busy.why = Leaving.TURN_OVER, gives_way.why
    busy.leases.clear()
    (stop,) = decide(house.state, NOW)
    assert isinstance(stop, Stop)
    assert stop.reason.startswith("evicted for new: needed ")


def test_what_others_hold_counts_as_used(house, question):
    foreign = {"GPU0": 1500 * MIB}
    house.asks(question=replace(question, measured=replace(question.measured, others=foreign)))
    assert house.answer() == ["start new on GPU1"]


def test_what_the_owner_keeps_free_is_left_alone(house, question):
    kept = {"GPU0": Kept(1500 * MIB, "1.5 GiB of GPU0 are kept free", leaves=False)}
    house.asks(question=replace(question, measured=replace(question.measured, kept=kept)))
    assert house.answer() == ["start new on GPU1"]


def test_what_it_took_before_counts_more_than_the_formulas(house, question):
    plan = question.answer(())
    (name,) = plan.layout.devices
    more = plan.estimate.devices[name]._replace(weights=1400 * MIB)
    truth = corrected(plan.estimate, {name: more}, "CPU")
    learned = replace(question, known={(plan.terms, plan.layout): truth})
    assert learned.answer(()).estimate.devices[name].total == truth.devices[name].total
    house.resident("a", plan.layout.devices[0], 900, pinned=True)
    house.asks(question=learned)
    assert house.answer() == ["start new on GPU1"]


def test_who_failed_for_memory_gets_a_place_with_more_room(question):
    tight = Measured((Device("GPU0", "", TOTAL, 600 * MIB, measured=True),), 4096 * MIB)
    tight = replace(tight, others={"GPU0": TOTAL - 600 * MIB})
    once = replace(question, measured=tight)
    assert once.answer(()).kind == "gpu"
    assert replace(once, cautious=True).answer(()).kind != "gpu"


@pytest.mark.parametrize(
    ("own", "kind", "layers"),
    [
        (Own(gpu_layers=0), "cpu", 0),
        (Own(gpu_layers=5), "hybrid", 5),
        (Own(split=(1.0, 1.0)), "split", None),
        (Own(gpu_layers=99), "gpu", None),
    ],
)
def test_the_owner_has_his_way(question, own, kind, layers):
    plan = replace(question, own=own).answer(())
    assert plan.kind == kind
    if layers is not None:
        assert plan.layout.gpu_layers == layers


def test_an_owner_whose_flags_no_formula_knows_is_not_refused(question):
    poor = replace(question, measured=Measured((), 10 * MIB))
    assert poor.answer(()).kind == "refused"
    odd = replace(poor, odd=("--override-tensor",)).answer(())
    assert odd.kind == "cpu"
    assert "--override-tensor" in odd.reason


# --- the ledger


def gpu(free, **more):
    return Device("GPU0", "", TOTAL, free * MIB, measured=True, **more)


@pytest.mark.parametrize(
    ("free", "phase", "known", "found"),
    [
        (2048, Phase.READY, {}, 0),
        (548, Phase.READY, {}, 500),
        (1548, Phase.LOADING, {}, 0),
        (1048, Phase.LOADING, {"GPU0": 700 * MIB}, 700),
        (1048, Phase.LEAVING, {"GPU0": 0}, 0),
    ],
)
def test_what_others_hold_is_what_is_used_beside_ours(free, phase, known, found):
    ours = [Holding(Claim({"GPU0": 1000 * MIB}), phase)]
    assert others([gpu(free)], ours, known) == {"GPU0": found * MIB}


def test_a_load_counts_with_all_of_its_claim_and_who_leaves_with_nothing():
    measured = Measured((gpu(2048),), 1000 * MIB)
    claim = Claim({"GPU0": 600 * MIB}, 100 * MIB, 50 * MIB)
    for phase, free, host in (
        (Phase.LOADING, 1448, 850),
        (Phase.READY, 1448, 950),
        (Phase.LEAVING, 2048, 1100),
    ):
        (device,), ram = left(measured, [Holding(claim, phase)])
        assert (device.free // MIB, ram // MIB) == (free, host)
