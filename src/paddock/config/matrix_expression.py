"""The language of the matrix's sets: `a & (b | +other)`.

`&` binds tighter than `|`. A name is a short name of `vars`, else a model's id; `+x` stands for the
set `x`. A set allows all that one way through its choices brings together, and every part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 16
"""Brackets within brackets, and sets that refer to sets."""

_TOKEN = re.compile(r"\s*(?:(\+?[\w.-]+)|([&|()]))")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Name:
    """A model, by its short name or its id."""

    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """Another set, written `+set`."""

    set: str


@dataclass(frozen=True, slots=True)
class All:
    """All parts together: `a & b`."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801  # `any` and `Any` are taken
    """One of the parts: `a | b`."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Name | Ref | All | Any_


class ExpressionError(ValueError):
    """A text is not an expression. `position` counts its characters from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} (character {position})")
        self.position = position


class EndlessReference(ValueError):
    """Sets refer to each other without end. `set` is one of them."""

    def __init__(self, message: str, set_: str) -> None:
        super().__init__(message)
        self.set = set_


def parse(text: str) -> Expression:
    """Read the expression of a set. Raises ExpressionError."""
    parser = _Parser(text)
    expression = parser.any_of(0)
    if parser.token:
        raise parser.error("expected `&` or `|`")
    return expression


def atoms(expression: Expression) -> Iterator[Name | Ref]:
    """The names and references in an expression, from left to right."""
    if isinstance(expression, Name | Ref):
        yield expression
    else:
        for part in expression.parts:
            yield from atoms(part)


def in_order(sets: Mapping[str, Expression]) -> tuple[str, ...]:
    """The names of `sets` as written, but each set after those that it refers to.

    References to sets that are not there are passed over. Raises EndlessReference for a circle,
    with the way round.
    """
    ordered: dict[str, None] = {}
    for name in sets:
        _visit(name, sets, (), ordered)
    return tuple(ordered)


def together(
    expression: Expression, sets: Mapping[str, Expression], among: frozenset[str]
) -> frozenset[frozenset[str]]:
    """Which of the names `among` the expression allows together: the largest choices only.

    `sets` has what references stand for; they must have no circle. A reference to no set allows
    nothing. The empty choice is always allowed, so the result is never empty.
    """
    match expression:
        case Name(text):
            return frozenset({among & {text}})
        case Ref(name):
            return together(sets[name], sets, among) if name in sets else frozenset({frozenset()})
        case Any_(parts):
            return _largest({choice for part in parts for choice in together(part, sets, among)})
        case All(parts):
            found: frozenset[frozenset[str]] = frozenset({frozenset()})
            for part in parts:
                more = together(part, sets, among)
                found = _largest({one | other for one in found for other in more})
            return found


def _largest(choices: set[frozenset[str]]) -> frozenset[frozenset[str]]:
    return frozenset(one for one in choices if not any(one < other for other in choices))


def _visit(
    name: str, sets: Mapping[str, Expression], above: tuple[str, ...], ordered: dict[str, None]
) -> None:
    if name in above:
        way = " → ".join((*above[above.index(name) :], name))
        raise EndlessReference(f"the sets refer to each other in a circle: {way}", name)
    if len(above) > MAX_DEPTH:
        raise EndlessReference(f"more than {MAX_DEPTH} sets refer to each other in a row", name)
    if name in ordered or name not in sets:
        return
    for atom in atoms(sets[name]):
        if isinstance(atom, Ref):
            _visit(atom.set, sets, (*above, name), ordered)
    ordered[name] = None


class _Parser:
    """Holds one token: a name, a reference, one of `&|()`, or "" at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = self._end = 0
        self.token = ""
        self._advance()

    def any_of(self, depth: int) -> Expression:
        parts = [self._all_of(depth)]
        while self._take("|"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Any_(tuple(parts))

    def error(self, message: str) -> ExpressionError:
        found = f", found `{self.token}`" if self.token else ", but it ends"
        return ExpressionError(message + found, self._start + 1)

    def _all_of(self, depth: int) -> Expression:
        parts = [self._atom(depth)]
        while self._take("&"):
            parts.append(self._atom(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _atom(self, depth: int) -> Expression:
        if self._take("("):
            if depth == MAX_DEPTH:
                raise self.error(f"more than {MAX_DEPTH} brackets within each other")
            inner = self.any_of(depth + 1)
            if not self._take(")"):
                raise self.error("expected `)`")
            return inner
        if self.token in ("", "&", "|", ")"):
            raise self.error("expected a name")
        word = self.token
        self._advance()
        return Ref(word[1:]) if word[0] == "+" else Name(word)

    def _take(self, token: str) -> bool:
        taken = self.token == token
        if taken:
            self._advance()
        return taken

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            self._at_the_end()
        else:
            self._start, self._end = found.start(found.lastindex or 0), found.end()
            self.token = found[1] or found[2]

    def _at_the_end(self) -> None:
        space = _SPACE.match(self._text, self._end)
        self._start = space.end() if space else self._end
        self.token = ""
        if self._start < len(self._text):
            character = self._text[self._start]
            hint = ": a set's name follows `+` at once" if character == "+" else ""
            raise ExpressionError(f"{character!r} means nothing here{hint}", self._start + 1)
