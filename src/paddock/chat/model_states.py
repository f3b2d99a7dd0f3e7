"""What the picker shows: every model that can be asked for, and what it is doing now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from paddock.chat.fitting import Fitting
from paddock.chat.load_times import LoadTimes
from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import InstanceState
from paddock.gateway import places
from paddock.gateway.naming import Names
from paddock.gateway.peer import PeerModel
from paddock.gateway.peers import Peers
from paddock.library.library import Library
from paddock.library.model import Model, Trait
from paddock.library.naming import lookup_key
from paddock.library.twins import running_id
from paddock.library.variant import context_of
from paddock.scheduler.scheduler import Scheduler
from paddock.scheduler.view import InstanceView, SchedulerView
from paddock.storage.users import User

State = dict[str, Any]
"""A `ModelState`, as JSON."""

_WORDS: Final = {
    InstanceState.STARTING: "loading",
    InstanceState.READY: "ready",
    InstanceState.STOPPING: "stopping",
}
_SOONEST: Final = ("ready", "loading", "queued", "stopping", "unloaded", "failed")
"""Of a selector's targets, the first in this order speaks for it."""
_CAN: Final = ("vision", "tools", "thinking", "embedding", "rerank")
_PEER_WORDS: Final = {"loaded": "ready", "loading": "loading"}


def may_use(user: User, model: str) -> bool:
    """Whether an admin lets this user have this model: all, unless it says which."""
    allowed = user.limits.get("models")
    return allowed is None or model in allowed


@dataclass(slots=True)
class _Activity:
    """What is going on about one running id."""

    instance: InstanceView | None = None
    waiting: int = 0
    loads: bool = False
    """Where it will load is being found out."""
    why: str = ""
    """Why the first one waits."""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """One look at the scheduler."""

    by_model: Mapping[str, _Activity] = field(default_factory=dict)

    @classmethod
    def of(cls, view: SchedulerView) -> Now:
        """What a view says, by the id that runs."""
        found: dict[str, _Activity] = {}
        for instance in view.instances:
            one = found.setdefault(instance.model, _Activity())
            if one.instance is None or one.instance.leaving:  # one leaves and the next comes
                one.instance = instance
        for waiter in view.waiting:
            one = found.setdefault(waiter.model, _Activity())
            one.why = one.why or waiter.reason
            one.loads |= waiter.loading
            one.waiting += 1
        for failed in view.failed:
            found.setdefault(failed.model, _Activity()).failure = failed.error.message
        return cls(found)


class ModelStates:
    """Tells what there is and what it does. Loop thread only; nothing here waits."""

    def __init__(
        self,
        *,
        current: Current,
        library: Library,
        scheduler: Scheduler[Instance],
        launcher: Launcher,
        names: Names,
        peers: Peers,
        fitting: Fitting,
        times: LoadTimes,
    ) -> None:
        self._current, self._library, self._scheduler = current, library, scheduler
        self._launcher, self._names, self._peers = launcher, names, peers
        self._fitting, self._times = fitting, times

    def all(self) -> list[State]:
        """Everything that can be asked for, by name."""
        return self._of(self._listed(), self.now())

    def of(self, user: User) -> list[State]:
        """As `all`, what this user may use."""
        return [state for state in self.all() if may_use(user, state["id"])]

    def now(self) -> Now:
        """What goes on at this moment."""
        view = self._scheduler.snapshot()
        self._times.note(view.instances)
        return Now.of(view)

    def busy(self, now: Now, before: Iterable[str]) -> list[State]:
        """The models about which something goes on, those with the ids `before`, and those that
        can change without a word from the scheduler: selectors and peers' models.
        """
        wanted = set(before)
        mine = (m for m in self._listed() if m.id in wanted or running_id(m) in now.by_model)
        return self._of(mine, now)

    def _listed(self) -> Iterator[Model]:
        models = self._library.catalog.models.values()
        return (model for model in models if not model.settings.unlisted)

    def _of(self, models: Iterable[Model], now: Now) -> list[State]:
        """Of equal ids the one that a request would reach counts."""
        states = {model.name: _of_peer(model) for model in self._peers.models()}
        states |= {model.id: self._of_model(model, now) for model in models}
        states |= {state["id"]: state for state in self._selectors(now)}
        return [states[name] for name in sorted(states, key=lookup_key)]

    # --- one of them

    def _of_model(self, model: Model, now: Now) -> State:
        doing = now.by_model.get(running_id(model), _IDLE)
        instance = self._launcher.find(doing.instance.instance) if doing.instance else None
        fits = self._fitting.of(model)
        word = _word(doing)
        seconds, left = self._seconds(model, instance if word == "loading" else None)
        return {
            "id": model.id,
            "name": model.settings.name or model.header.name or model.id,
            "state": word,
            "progress": instance.progress if instance and word == "loading" else None,
            "seconds": None if word == "ready" or seconds is None else round(seconds),
            "seconds_left": left,
            "waiting": doing.waiting,
            "running": doing.instance.active if doing.instance else 0,
            "context": self._context(model, instance) or None,
            "size": model.size or None,
            **_can(model),
            "fits": fits.where,
            "place": (places.processor(instance) if instance else "") or fits.words or None,
            "peer": False,
            "selector": False,
            "reason": _reason(doing, word) or None,
        }

    def _context(self, model: Model, instance: Instance | None) -> int:
        told = model.settings.capabilities.context if model.path is None else 0
        runs = places.context(instance) if instance else 0
        return runs or told or context_of(model, self._current.config.context_length)

    def _seconds(self, model: Model, loading: Instance | None) -> tuple[float | None, bool]:
        """What a load will take or, of one that goes on, has left; else, with False, has taken."""
        expected = self._times.expected(model)
        if loading is None:
            return expected, True
        so_far = asyncio.get_running_loop().time() - loading.started_at
        if expected is None or so_far > expected:
            return so_far, False
        return expected - so_far, True

    def _selectors(self, now: Now) -> Iterator[State]:
        for name, selector, candidates in self._names.selectors():
            if selector.unlisted or not candidates:
                continue
            asked = candidates[:1] if selector.strategy == "pin" else candidates
            targets = [state for one in asked if (state := self._target(one.name, now))]
            if targets:
                yield _selector(name, selector.name or name, targets)

    def _target(self, name: str, now: Now) -> State | None:
        if model := self._library.catalog.find(name):
            return self._of_model(model, now)
        offered = self._peers.find(name)
        return _of_peer(offered) if offered else None


_IDLE: Final = _Activity()


def _word(doing: _Activity) -> str:
    if doing.instance is not None and not doing.instance.leaving:
        return _WORDS.get(doing.instance.state, "unloaded")
    if doing.waiting:
        return "loading" if doing.loads else "queued"
    if doing.instance is not None:
        return "stopping"
    return "failed" if doing.failure else "unloaded"


def _reason(doing: _Activity, word: str) -> str:
    if word == "failed":
        return doing.failure
    return doing.why or (doing.instance.leaving if doing.instance else "")


def _can(model: Model) -> dict[str, bool]:
    """What it can do, by its header, else by the owner's word."""
    if model.path is not None:
        told = {word: Trait(word) in model.traits for word in _CAN}
    else:
        can = model.settings.capabilities
        told = dict.fromkeys(_CAN, False) | {
            "vision": "image" in can.inputs,
            "tools": can.tools,
            "embedding": "embedding" in can.outputs,
            "rerank": can.reranker,
        }
    # Neither is asked in a chat: the picker leaves out what `embedding` marks.
    return told | {"embedding": told["embedding"] or told["rerank"]}


def _of_peer(model: PeerModel) -> State:
    peer = model.peer
    word = _PEER_WORDS.get(model.status, "unloaded" if model.status else "ready")
    return {
        "id": model.name,
        "name": f"{peer.id}: {model.id}",
        "state": "failed" if peer.reachable is False else word,
        "progress": None,
        "seconds": None,
        "seconds_left": False,
        "waiting": 0,
        "running": peer.in_flight[model.id],
        "context": model.context_length or None,
        "size": None,
        **dict.fromkeys(_CAN, False),
        "fits": None,
        "place": None,
        "peer": True,
        "selector": False,
        "reason": peer.error or None,
    }


def _selector(name: str, title: str, targets: list[State]) -> State:
    """What it leads to soonest speaks for it; it can what all of them can."""
    best = min(targets, key=lambda state: _SOONEST.index(state["state"]))
    can = {word: all(state[word] for state in targets) for word in _CAN}
    return {**best, **can, "id": name, "name": title, "selector": True}
