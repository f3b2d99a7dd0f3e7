"""What is told of a load before it is made: who would leave, by memory, by number and by rule."""

from __future__ import annotations

import pytest
from tests.fakes.architectures import ALL

from paddock.events import InstanceState
from paddock.hardware.devices import Device
from paddock.library.gguf import read_header
from paddock.memory.ledger import Claim, Measured
from paddock.memory.placement import Fixed
from paddock.memory.question import Question
from paddock.memory.shape import shape_of
from paddock.memory.terms import Terms
from paddock.scheduler.coexist import Commands
from paddock.scheduler.lease import Lease
from paddock.scheduler.limits import Limits
from paddock.scheduler.look import Look
from paddock.scheduler.outlook import outlook
from paddock.scheduler.state import Leaving, Resident, State

NOW = 1000.0
MIB = 1 << 20
FREELY = Limits()


@pytest.fixture(scope="module")
def question(tmp_path_factory):
    """One card of 2 GiB; the model takes about 550 MiB of it."""
    path = ALL["llama"]().write(tmp_path_factory.mktemp("shape") / "m.gguf")
    gpu = Device("GPU0", "a card", 2048 * MIB, 2048 * MIB, measured=True)
    measured = Measured((gpu,), 4096 * MIB)
    return Question(shape_of([read_header(path)]), Terms(8192), measured, Fixed(context=True))


@pytest.fixture
def told(model, question):
    """The outlook for `new` beside residents, told as names, `*` after those that work."""

    def ask(*residents, limits=FREELY, planned=True, name="new", **rules):
        state = State(limits, plans=True, **rules)
        for number, (resident, mib, busy) in enumerate(residents):
            one = Resident(
                instance=None,  # type: ignore[arg-type]
                model=model(resident),
                starting=None,  # type: ignore[arg-type]
                gone=None,  # type: ignore[arg-type]
                state=InstanceState.READY,
                ready_at=NOW - 100,
                idle_since=NOW - 60 + number,
                slots=2,
                claim=Claim({"GPU0": mib * MIB}, 3000 * MIB),
                leaving=Leaving.UNLOADED if busy is None else None,
            )
            if busy is not False:
                one.leases.add(Lease(one.instance, "c", lambda lease: None))
            state.residents.append(one)
        before = [(one.model.id, one.state, one.leaving) for one in state.residents]
        found = outlook(state, Look(NOW, question if planned else None), model(name), NOW)
        assert [(one.model.id, one.state, one.leaving) for one in state.residents] == before
        leave = " ".join(f"{one.model}{'*' * one.busy}" for one in found.leave)
        return leave, found

    return ask


@pytest.mark.parametrize(
    ("residents", "leave"),
    [
        ([("a", 900, False)], ""),
        ([("a", 1800, False)], "a"),
        ([("a", 1800, True)], "a*"),
        ([("a", 1800, None)], "a*"),
        ([("a", 900, False), ("b", 900, True)], "a"),
    ],
)
def test_who_holds_memory_leaves(told, residents, leave):
    found, outlook = told(*residents)
    assert found == leave
    assert outlook.plan.kind == "gpu"
    assert ("MiB on GPU0" in outlook.needs) == bool(leave)
    assert all(outlook.needs in one.why for one in outlook.leave)


def test_no_more_than_may_be_loaded(told):
    limits = Limits(max_loaded=2)
    leave, found = told(("a", 100, True), ("b", 100, False), ("c", 100, False), limits=limits)
    assert leave == "b c"
    assert found.leave[0].why == "maxLoadedModels is 2"
    assert found.needs == ""
    assert told(("a", 100, True), ("b", 100, True), limits=limits)[0] == "a*"


def test_the_owners_rules_and_what_is_not_planned(told):
    leave, found = told(("cmd", 1800, False), rules=Commands(["cmd"]))
    assert leave == "cmd"
    assert "runs alone" in found.leave[0].why
    assert "of 2.0 GiB free" in found.plan.reason
    leave, found = told(("a", 100, True), rules=Commands(["cmd"]), planned=False, name="cmd")
    assert (leave, found.plan) == ("a*", None)


def test_its_own_instance_is_in_nobodys_way(told):
    """Neither what it holds of the GPU nor what it holds of the machine's memory."""
    leave, found = told(("new", 1800, True))
    assert (leave, found.plan.kind) == ("", "gpu")
    assert found.devices[0].free == 248 * MIB
