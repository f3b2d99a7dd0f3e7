"""Finds room in memory for the models that need it. Pure.

Lines are looked at in their order. A line gets room when all whom the owner's rules send away for
it are gone, and when there are fewer models than may be loaded at once. What an earlier line waits
for is promised to it; and no later line starts what the earlier would then have to wait for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paddock.events import InstanceState
from paddock.memory.ledger import Holding, Phase
from paddock.memory.placement import Plan
from paddock.scheduler.actions import Action, Inspect, Refuse, Resume, Start, Stop, Yield
from paddock.scheduler.coexist import FREE
from paddock.scheduler.idle import spare
from paddock.scheduler.look import ANYWHERE, Look, Seat
from paddock.scheduler.queue import Line
from paddock.scheduler.seating import Seating, needs, seating
from paddock.scheduler.state import Leaving, Resident, State
from paddock.scheduler.turns import due_at, keeps_until, startable


def rooms(state: State, now: float) -> Iterator[Action]:
    """What must be done so that every line gets room when it can."""
    lines = startable(state, now)
    if lines or any(r.leaving is Leaving.TURN_OVER and r.ready for r in state.residents):
        yield from _Round(state, now).through(lines)


def must_leave(line: Line, state: State) -> frozenset[str]:
    """The ids that the rules send away for `line`, of all that are there."""
    running, going = _presence(state)
    return state.rules.must_leave(line.model.id, running, going)


def _presence(state: State) -> tuple[frozenset[str], frozenset[str]]:
    running = frozenset(r.model.id for r in state.residents if r.open)
    return running, frozenset(r.model.id for r in state.residents if not r.open)


class _Round:
    """One look at all lines, and what is left of the house for each."""

    def __init__(self, state: State, now: float) -> None:
        self.state, self.now = state, now
        self.running, self.going = _presence(state)
        self.promised: set[Resident] = set()
        """Their rooms are for lines that were looked at already."""
        self.starting: set[str] = set()
        self.seated = False
        """A line got a place in memory."""
        self.ahead: list[Holding] = []
        """What the lines before will hold that wait for memory."""
        self.waiting: list[tuple[str, frozenset[str]]] = []
        """The lines that got none yet, with the models that may stay for each."""
        residents = state.residents
        self.yielding = {
            r.model.id: r for r in residents if r.leaving is Leaving.TURN_OVER and r.ready
        }
        self.spare = [
            r for r in spare(residents, state.queue) if keeps_until(r, state.limits) <= now
        ]
        stopping = sum(r.state is InstanceState.STOPPING for r in residents)
        draining = sum(not r.open for r in residents) - stopping
        free = state.limits.max_loaded - len(residents)
        # A limit that was lowered is reached first: what comes free until then is nobody's.
        self.free = max(free, 0)
        self.stopping = max(stopping + min(free, 0), 0)
        self.draining = max(draining + min(stopping + min(free, 0), 0), 0)

    def through(self, lines: list[Line]) -> Iterator[Action]:
        for line in lines:
            yield from self._line(line)
            if self.seated:
                return  # the next line is looked at when this one is counted with what it holds
        # Rooms that drain are promised last: one that is left was needed by nobody before.
        for resident in list(self.yielding.values())[: max(int(self.draining), 0)]:
            yield Resume(resident)

    def _line(self, line: Line) -> Iterator[Action]:
        target = line.model.id
        if own := self.yielding.pop(target, None):
            yield from self._resume(own)
            return
        out = self.state.rules.must_leave(target, self.running, self.going)
        yield from self._by_rule(line, out) if out else self._by_number(line, out)
        if target not in self.starting and self.state.rules is not FREE:
            self.waiting.append((target, self.running - out))

    def _resume(self, own: Resident) -> Iterator[Action]:
        if self.draining > 0:
            self.draining -= 1
            self.running |= {own.model.id}
            yield Resume(own)

    def _by_rule(self, line: Line, out: frozenset[str]) -> Iterator[Action]:
        """Make those leave who must: all at once when everybody's time is over."""
        blockers = [r for r in self.state.residents if r.model.id in out]
        fresh = [r for r in blockers if r not in self.promised]
        self._promise(fresh)
        waited_for = (r for r in blockers if r.open and r not in self.spare)
        if out & self.starting or any(self._due_at(r, line) > self.now for r in waited_for):
            return
        busy = [r for r in blockers if r.leases and r.state is not InstanceState.STOPPING]
        acts = [r for r in fresh if r.open and (r in busy or not busy)]
        if acts and not self._behind(line, out):
            for resident in acts:
                yield Yield(resident) if busy else self._evict(resident, line)

    def _by_number(self, line: Line, out: frozenset[str]) -> Iterator[Action]:
        """Take a room that is free, is being freed, can be freed now, or will be, in this order."""
        if self._behind(line, out):
            return
        if self.free > 0:
            yield from self._by_memory(line)
        elif self.stopping > 0:
            self.stopping -= 1
        elif idle := [r for r in self.spare if r not in self.promised]:
            # A number leaves no other choice where all are pinned.
            victim = min(idle, key=lambda r: r.pinned)
            self.promised.add(victim)
            yield self._evict(victim, line)
        elif self.draining > 0:
            self.draining -= 1
        elif due := self._due(line):
            self.promised.add(due)
            yield Yield(due)

    def _by_memory(self, line: Line) -> Iterator[Action]:
        """Take a place in memory that is free, or have those leave who must."""
        state, model = self.state, line.model
        look = state.looks.get(model.id)
        if not state.plans:
            yield self._start(line, ANYWHERE)
            return
        found = self._seating(look) if look is not None else Seating()
        if look is None or not look.holds(model, self.now):
            # Until the next look is there, those behind take nothing from what the last one found.
            self._wait_for_memory(look, found)
            if model.id not in state.looking:
                yield Inspect(model)
        elif found.seat is not None:
            yield self._start(line, found.seat)
            self.seated = True
        elif found.refused is not None:
            yield Refuse(model, found.refused)
        elif found.best is not None:
            self._wait_for_memory(look, found)
            yield from self._leave(line, found.leave, found.best)

    def _seating(self, look: Look) -> Seating:
        idle = [r for r in self.spare if r not in self.promised]
        state = self.state
        return seating(look, state.residents, idle, state.limits, self.now, self.ahead)

    def _wait_for_memory(self, look: Look | None, found: Seating) -> None:
        """Those behind leave what the line will hold alone; whose turn is over does not go on."""
        self.free -= 1
        self.yielding.clear()
        seat = found.seat or (look.seat(found.best) if look and found.best else None)
        if seat is not None:
            self.ahead.append(Holding(seat.claim, Phase.LOADING))

    def _start(self, line: Line, seat: Seat) -> Start:
        self.free -= 1
        self.starting.add(line.model.id)
        self.running |= {line.model.id}
        return Start(line.model, seat)

    def _leave(self, line: Line, leave: Sequence[Resident], best: Plan) -> Iterator[Action]:
        """Make these leave: all at once when everybody's time is over."""
        waited_for = [r for r in leave if r not in self.spare]
        if any(self._due_at(r, line) > self.now for r in waited_for):
            return
        why = f"evicted for {line.model.id}: needed {needs(best)}"
        for resident in waited_for or leave:
            self.promised.add(resident)
            yield Yield(resident, why) if waited_for else self._evict(resident, line, why)

    def _evict(self, resident: Resident, line: Line, why: str = "") -> Stop:
        self.running -= {resident.model.id}
        self.going |= {resident.model.id}
        return Stop(resident, why or f"room for {line.model.id}", swap=True)

    def _due(self, line: Line) -> Resident | None:
        """The busy instance that has been ready longest, if its turn is over."""
        serving = (r for r in self.state.residents if r.ready and r.open and r.leases)
        busy = (r for r in serving if r not in self.promised)
        due = (r for r in busy if self._due_at(r, line) <= self.now)
        return min(due, key=lambda r: r.ready_at, default=None)

    def _due_at(self, resident: Resident, line: Line) -> float:
        return due_at(resident, line, self.state.limits)

    def _promise(self, fresh: list[Resident]) -> None:
        """These go for one line, which needs one room: more of them are for the lines after it."""
        self.promised.update(fresh)
        for resident in fresh:
            self.yielding.pop(resident.model.id, None)
            if resident.state is InstanceState.STOPPING:
                self.stopping -= 1
            elif not resident.open:
                self.draining -= 1
        self.draining += max(len(fresh) - 1, 0)

    def _behind(self, line: Line, out: frozenset[str]) -> bool:
        """Whether a line before this one would have to wait for it."""
        target = frozenset({line.model.id})
        return any(
            self.state.rules.must_leave(other, stays - out | target)
            for other, stays in self.waiting
        )
