"""`WWW-Authenticate`: what a registry wants before it answers, as RFC 9110 §11.6.1 writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

MOST_BYTES: Final = 8 << 10

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # of a grammar
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|\s*(?=,|$))")
_FIELD = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))\s*')
_OPAQUE = re.compile(r"\s*[0-9A-Za-z._~+/-]+=*\s*(?=,|$)")
_COMMA = re.compile(r"[\s,]*,")


class Challenge(NamedTuple):
    """One way to prove who one is."""

    scheme: str
    """Lower case: `bearer`, `basic`."""
    fields: Mapping[str, str]
    """By their names in lower case; the first of a name counts."""


def parse(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in these headers, as far as they can be read."""
    return tuple(found for value in values for found in _parse(value[:MOST_BYTES]))


def _parse(value: str) -> list[Challenge]:
    found: list[Challenge] = []
    place = 0
    while scheme := _SCHEME.match(value, place):
        fields: dict[str, str] = {}
        place = _fields(value, scheme.end(), fields)
        found.append(Challenge(scheme[1].lower(), fields))
    return found


def _fields(value: str, place: int, fields: dict[str, str]) -> int:
    """Read `name=value, …` into `fields`; where the next challenge begins."""
    while field := _FIELD.match(value, place):
        quoted, plain = field[2], field[3]
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        fields.setdefault(field[1].lower(), text)
        comma = _COMMA.match(value, field.end())
        if comma is None:
            return field.end()
        place = comma.end()
    if not fields and (opaque := _OPAQUE.match(value, place)):
        place = opaque.end()
    comma = _COMMA.match(value, place)
    return comma.end() if comma else place
