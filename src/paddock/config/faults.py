"""What the schema refuses, in the owner's words: what was expected here, and what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from paddock.config.document import Place
from paddock.config.nearest import nearest
from paddock.config.outline import example, known_keys, schema_at

UNKNOWN_KEY = "unknown key"
"""The message for a key that the schema does not have."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong at one place. `reads`: other places that the finding depends on."""

    place: Place
    message: str
    suggestion: str = ""
    reads: tuple[Place, ...] = ()


def from_validation(error: ValidationError) -> list[Fault]:
    """Every fault that pydantic found. A free value is never shown: it may be a secret."""
    return [_fault(detail) for detail in error.errors(include_url=False)]


def _fault(detail: ErrorDetails) -> Fault:
    kind, place = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        return Fault(place, UNKNOWN_KEY, _meant_key(place))
    if say := _MESSAGES.get(kind):
        meant = _meant_value(place, detail["input"])
        return Fault(place, say(detail.get("ctx", {})), meant or _like(place))
    expected = next((words for start, words in _EXPECTED.items() if kind.startswith(start)), "")
    return Fault(place, f"expected {expected or 'another kind of value'}", _like(place))


def _meant_key(place: Place) -> str:
    known = known_keys(place[:-1])
    if near := nearest(str(place[-1]), known):
        return f"did you mean `{near}`?"
    return f"known here: {', '.join(known)}"


def _meant_value(place: Place, value: object) -> str:
    near = nearest(str(value), map(str, schema_at(place).get("enum", ())))
    return f"did you mean `{near}`?" if near else ""


def _like(place: Place) -> str:
    line = example(place)
    return f"like `{line}`" if line else ""


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text; put numbers in quotes",
    "list": "a list",
    "dict": "a mapping of `name: value` lines",
    "model": "a mapping of `key: value` lines",
    "path": "a path",
}
"""Start of pydantic's error type → what the owner should write."""

_MESSAGES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "value_error": lambda context: str(context["error"]),
    "literal_error": lambda context: f"expected {context['expected']}",
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "missing": lambda _: "is missing",
}
