"""The matrix: sets of models that may run together, of which the cheapest is chosen. No I/O.

A set is an expression; what it allows may be astronomically many combinations. They are never
listed: of each expression only what it can keep of the models in memory matters, and parts of an
`&` that share none of these are chosen one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from paddock.config import routing
from paddock.config.matrix_expression import All, Any_, Expression, Name, Ref, in_order, parse
from paddock.library.naming import lookup_key

NOBODY: frozenset[str] = frozenset()
REMEMBERED = 1024
"""Answers: while requests come and go, the same lines ask the same question again and again."""


@dataclass(frozen=True, slots=True)
class _Node:
    """An expression whose names are models' keys and whose references are resolved."""

    name: str = ""
    """The model, where it is only one."""
    parts: tuple[_Node, ...] = ()
    one_of: bool = False
    """Its parts are alternatives; else all of them hold."""
    where: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """In which of the parts a model occurs: what is not in memory costs no look."""

    @property
    def names(self) -> Iterable[str]:
        """All models that occur in it."""
        return self.where or (self.name,)

    def among(self, weights: Mapping[str, int]) -> set[str]:
        """The weighted models that occur in it."""
        return {name for name in weights if name in self.where or name == self.name}

    def touching(self, weights: Mapping[str, int]) -> list[_Node]:
        """The parts in which weighted models occur, in order."""
        found = {number for name in weights for number in self.where.get(name, ())}
        return [self.parts[number] for number in sorted(found)]


class Matrix:
    """Chooses, of the sets that contain the model to start, the one that costs least to get to.

    The cost is the sum of `evict_costs` of the running models outside it; of equal ones the first
    in the order of definition is taken, sets that others refer to before those. For a model of no
    set all others leave. Raises ExpressionError for a set that is no expression.
    """

    def __init__(self, matrix: routing.Matrix, key: Callable[[str], str] = lookup_key) -> None:
        known = {short: key(name) for short, name in matrix.vars.items()}

        def model(name: str) -> str:
            return known.get(name) or key(name)

        sets = {name: parse(text) for name, text in matrix.sets.items()}
        nodes: dict[str, _Node] = {}
        for name in in_order(sets):
            nodes[name] = _node(sets[name], nodes, model)
        self._sets = _joined(tuple(nodes.values()), one_of=True)
        self._costs = {model(name): cost for name, cost in matrix.evict_costs.items()}
        self._answer = lru_cache(REMEMBERED)(self._choose)

    def must_leave(
        self, target: str, running: frozenset[str], going: frozenset[str] = NOBODY
    ) -> frozenset[str]:
        """See `Rules.must_leave`."""
        return self._answer(target, running, going)

    def why(self, target: str, other: str) -> str:  # noqa: ARG002
        """See `Rules.why`."""
        return f"the matrix's cheapest set for {target} is without it"

    def group(self, model_id: str) -> str:  # noqa: ARG002
        """See `Rules.group`."""
        return ""

    def _choose(
        self, target: str, running: frozenset[str], going: frozenset[str]
    ) -> frozenset[str]:
        there = running | going
        if not there:
            return NOBODY
        weights = dict.fromkeys(map(lookup_key, going), 0)
        weights |= {k: self._costs.get(k, 1) for k in map(lookup_key, running)}
        own = lookup_key(target)
        weights[own] = sum(weights.values()) + 1  # so that no set without it is ever the best
        kept = _best(self._sets, weights)
        if own not in kept:
            return there
        return frozenset(i for i in there if i == target or lookup_key(i) not in kept)


def _node(expression: Expression, sets: Mapping[str, _Node], model: Callable[[str], str]) -> _Node:
    match expression:
        case Name(text):
            return _Node(model(text))
        case Ref(name):
            return sets.get(name, _joined(()))
        case All(inner) | Any_(inner):
            parts = tuple(_node(part, sets, model) for part in inner)
            return _joined(parts, one_of=isinstance(expression, Any_))


def _joined(parts: tuple[_Node, ...], *, one_of: bool = False) -> _Node:
    where: dict[str, tuple[int, ...]] = {}
    for number, part in enumerate(parts):
        for name in part.names:
            where[name] = (*where.get(name, ()), number)
    return _Node("", parts, one_of, where)


def _best(node: _Node, weights: Mapping[str, int]) -> frozenset[str]:
    """The heaviest of all that `node` can keep of the weighted models; the first of equal ones."""
    if node.name:
        return frozenset({node.name} & weights.keys())
    parts = node.touching(weights)
    if node.one_of:
        return _heaviest((_best(part, weights) for part in parts), weights)
    chosen = (_best_together(bundle, weights) for bundle in _entangled(parts, weights))
    return frozenset(chain.from_iterable(chosen))


def _best_together(parts: list[_Node], weights: Mapping[str, int]) -> frozenset[str]:
    """As `_best`, for parts that all hold."""
    if len(parts) == 1:
        return _best(parts[0], weights)
    return _heaviest(_product(parts, weights), weights)


def _heaviest(choices: Iterable[frozenset[str]], weights: Mapping[str, int]) -> frozenset[str]:
    return max(choices, key=lambda kept: sum(weights[name] for name in kept), default=NOBODY)


def _entangled(parts: list[_Node], weights: Mapping[str, int]) -> list[list[_Node]]:
    """The parts in bundles: those in one bundle share weighted models, if only by way of others."""
    bundles: list[tuple[list[_Node], set[str]]] = []
    for part in parts:
        joined, names = [part], part.among(weights)
        for bundle in [bundle for bundle in bundles if bundle[1] & names]:
            bundles.remove(bundle)
            joined, names = bundle[0] + joined, bundle[1] | names
        bundles.append((joined, names))
    return [bundle for bundle, _ in bundles]


def _choices(node: _Node, weights: Mapping[str, int]) -> list[frozenset[str]]:
    """All that `node` can keep of the weighted models, in order, without parts of other choices."""
    if node.name:
        return [_best(node, weights)]
    parts = node.touching(weights)
    if not node.one_of:
        return _product(parts, weights)
    return _largest(chain.from_iterable(_choices(part, weights) for part in parts))


def _product(parts: list[_Node], weights: Mapping[str, int]) -> list[frozenset[str]]:
    found = [NOBODY]
    for part in parts:
        choices = _choices(part, weights)
        found = _largest(one | other for one in found for other in choices)
    return found


def _largest(choices: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    every = list(dict.fromkeys(choices))
    return [one for one in every if not any(one < other for other in every)]
