"""From the name that a client asks for to what answers it. The only place that knows the order:

1. the active profile may lead the name elsewhere, or switch it off;
2. a selector leads to one of its targets, which is no selector;
3. a model here: its id, else an alias;
4. a peer's model: `peer/model`, else `model` where just one peer has it;
5. a model here by a name with a context at its end: `qwen3@32k`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from paddock.config.current import Current
from paddock.config.model_entry import Filters
from paddock.config.routing import Selector
from paddock.engine.instance import Instance
from paddock.errors import UnknownModel
from paddock.events import (
    CatalogChanged,
    ConfigChanged,
    Event,
    EventBus,
    InstanceState,
    ProfileChanged,
)
from paddock.gateway.context_header import split_name
from paddock.gateway.peer import PeerModel
from paddock.gateway.peers import Peers
from paddock.gateway.profiles import Profiles
from paddock.gateway.selectors import Candidate, Warmth, choose
from paddock.library.library import Library
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.naming import lookup_key, nearest
from paddock.library.twins import running_id
from paddock.scheduler.scheduler import Scheduler

WARMTHS = {InstanceState.READY: Warmth.READY, InstanceState.STARTING: Warmth.STARTING}


MOST_KNOWN = 4096
LONGEST_KNOWN = 256
"""Names that are remembered: a client may write one in any case, and with any blanks around it."""


class Target(NamedTuple):
    """What answers a request."""

    model: Model | PeerModel
    name: str
    """The name that led to it, after profile and selector."""
    told: str = ""
    """The name to put into the request; empty: what the client wrote stays."""
    selector: str = ""
    """The selector that chose it."""
    filters: Filters | None = None
    """What the owner changes in requests for it; None: nothing."""
    options: LoadOptions = NOT_SAID
    """How the name asked for it to be loaded."""

    @property
    def id(self) -> str:
        """What the model is called in the house: its id, with its peer's name before it."""
        return self.model.name if isinstance(self.model, PeerModel) else self.model.id


class Names:
    """Knows what every name leads to now."""

    def __init__(
        self,
        current: Current,
        bus: EventBus,
        library: Library,
        scheduler: Scheduler[Instance],
        profiles: Profiles,
        peers: Peers,
    ) -> None:
        self._current = current
        self._library = library
        self._scheduler = scheduler
        self._profiles = profiles
        self._peers = peers
        self._selectors: dict[str, str] = {}
        self._turns: Counter[str] = Counter()
        self._known: dict[str, Target] = {}
        """Names that lead to models here, and always to the same: most requests ask for these."""
        self._take_over()
        bus.listen(self._hear)

    def resolve(self, asked: str) -> Target:
        """What answers a request for `asked` now. Raises UnknownModel with the nearest names."""
        return self._known.get(asked) or self._resolved(asked)

    def _resolved(self, asked: str) -> Target:
        target = self._plainly(asked) or self._with_context(asked)
        if target is None:
            raise self._unknown(asked, self._profiles.pinned(asked))
        if isinstance(target.model, Model) and not target.selector:
            self._remember(asked, target)
        return target

    def _plainly(self, asked: str) -> Target | None:
        name = self._profiles.pinned(asked)
        selector = self._selectors.get(lookup_key(name), "") if self._selectors else ""
        if selector:
            name = self._chosen(selector)
        model = self._find(name)
        if model is None:
            return None
        return Target(model, name, _told(model, asked, name), selector, _filters(model))

    def _with_context(self, asked: str) -> Target | None:
        """A model here by its name and a context, where the whole is nobody's name."""
        parts = split_name(asked)
        target = self._plainly(parts[0]) if parts else None
        if parts is None or target is None or isinstance(target.model, PeerModel):
            return None
        return target._replace(options=parts[1], told=target.told or target.name)

    def _remember(self, asked: str, target: Target) -> None:
        if len(self._known) < MOST_KNOWN and len(asked) <= LONGEST_KNOWN:
            self._known[asked] = target

    def find_here(self, asked: str) -> Model | None:
        """The model of this daemon that `asked` leads to without selectors, or None."""
        return self._library.catalog.find(self._profiles.pinned(asked))

    def resolve_here(self, asked: str) -> Model:
        """As `find_here`. Raises UnknownModel with the nearest names of models here."""
        if name := self._profiles.pinned(asked):
            return self._library.resolve(name)
        raise UnknownModel(asked)

    def unknown(self, asked: str) -> UnknownModel:
        """The error for a name that leads nowhere, with the nearest ones that lead somewhere."""
        return self._unknown(asked, self._profiles.pinned(asked))

    def selectors(self) -> Iterator[tuple[str, Selector, list[Candidate]]]:
        """All selectors, with what their targets are doing."""
        for name, selector in self._current.config.selectors.items():
            yield name, selector, self._candidates(selector)

    def _find(self, name: str) -> Model | PeerModel | None:
        return self._library.catalog.find(name) or self._peers.find(name)

    def _chosen(self, name: str) -> str:
        """The target that a selector leads to now."""
        selector = self._current.config.selectors[name]
        candidates = self._candidates(selector)
        if not candidates:
            return selector.targets[0]
        self._turns[name] += 1
        return choose(selector, candidates, self._turns[name] - 1).name

    def _candidates(self, selector: Selector) -> list[Candidate]:
        """The targets that there are, and what they are doing."""
        found = ((name, self._find(name)) for name in selector.targets)
        return [self._candidate(name, model) for name, model in found if model is not None]

    def _candidate(self, name: str, model: Model | PeerModel) -> Candidate:
        if isinstance(model, PeerModel):
            return _peer_candidate(name, model)
        state, requests = self._scheduler.occupation(running_id(model))
        warmth = WARMTHS.get(state, Warmth.COLD) if state else Warmth.COLD
        return Candidate(name, warmth, requests)

    def _unknown(self, asked: str, name: str) -> UnknownModel:
        if not name:
            return UnknownModel(asked)
        return UnknownModel(name, nearest(name, self._offered()))

    def _offered(self) -> Iterator[str]:
        """Every name that leads somewhere."""
        for model in self._library.catalog.models.values():
            yield model.id
            yield from model.aliases
        yield from self._current.config.selectors
        yield from (model.name for model in self._peers.models())
        yield from (pin for pin, target in self._profiles.pins.items() if target)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigChanged):
            self._take_over()
        elif isinstance(event, CatalogChanged | ProfileChanged):
            self._known.clear()

    def _take_over(self) -> None:
        self._known.clear()
        self._selectors = {lookup_key(name): name for name in self._current.config.selectors}
        self._turns.clear()


def _told(model: Model | PeerModel, asked: str, name: str) -> str:
    if isinstance(model, PeerModel):
        return model.id
    return model.settings.use_model_name or (name if name != asked else "")


def _filters(model: Model | PeerModel) -> Filters | None:
    filters = model.filters if isinstance(model, PeerModel) else model.settings.filters
    is_there = filters.strip_params or filters.set_params or filters.set_params_by_id
    return filters if is_there else None


def _peer_candidate(name: str, model: PeerModel) -> Candidate:
    """A peer is always there; it counts as active while it works for us."""
    requests = model.peer.in_flight[model.id]
    if model.peer.reachable is False:
        return Candidate(name, Warmth.AWAY, requests)
    return Candidate(name, Warmth.READY if requests else Warmth.COLD, requests)
