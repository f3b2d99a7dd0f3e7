"""What is wrong with the matrix. Imported only where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paddock.config.checks_names import Owners
from paddock.config.document import Place
from paddock.config.faults import Fault
from paddock.config.matrix_expression import (
    EndlessReference,
    Expression,
    ExpressionError,
    Ref,
    atoms,
    in_order,
    parse,
    together,
)
from paddock.config.nearest import nearest
from paddock.config.routing import Matrix

_SHORT_NAME = re.compile(r"[A-Za-z0-9.-]{1,32}")


def faults(place: Place, matrix: Matrix) -> Iterator[Fault]:
    """Everything that is wrong with the matrix at `place`."""
    yield from _short_names(place, matrix)
    yield from _sets(place, matrix)


def _short_names(place: Place, matrix: Matrix) -> Iterator[Fault]:
    for name, model in matrix.vars.items():
        if not _SHORT_NAME.fullmatch(name):
            message = "a short name has 1 to 32 letters, digits, `.` or `-`"
            yield Fault((*place, "vars", name), message, "choose another")
        elif not model.strip():
            yield Fault((*place, "vars", name), "names no model", "write a model's id")


def _sets(place: Place, matrix: Matrix) -> Iterator[Fault]:
    sets: dict[str, Expression] = {}
    if not matrix.sets:
        yield Fault(place, "has no sets, so no model could run", "like `sets: {all: a & b}`")
    for name, text in matrix.sets.items():
        try:
            sets[name] = parse(text)
        except ExpressionError as error:
            yield Fault((*place, "sets", name), str(error), "like `a & (b | +other)`")
    for name, expression in sets.items():
        for atom in atoms(expression):
            if isinstance(atom, Ref) and atom.set not in matrix.sets:
                near = nearest(atom.set, matrix.sets)
                meant = f"did you mean `+{near}`?" if near else f"define the set `{atom.set}`"
                yield Fault((*place, "sets", name), f"there is no set `{atom.set}`", meant)
    try:
        in_order(sets)
    except EndlessReference as error:
        yield Fault((*place, "sets", error.set), str(error), "take one of the references out")


def fits_a_set(ids: frozenset[str], matrix: Matrix, known: Owners) -> bool:
    """Whether one set has a choice with all of `ids`. True where the sets cannot be read."""
    try:
        sets = {name: parse(text) for name, text in matrix.sets.items()}
        in_order(sets)
    except (ExpressionError, EndlessReference):
        return True

    def model(name: str) -> str:
        meant = matrix.vars.get(name, name)
        return known.get(meant.lower(), meant).lower()

    names = {atom.text for e in sets.values() for atom in atoms(e) if not isinstance(atom, Ref)}
    among = frozenset(name for name in names if model(name) in ids)
    choices = (choice for e in sets.values() for choice in together(e, sets, among))
    return any(ids <= set(map(model, choice)) for choice in choices)
