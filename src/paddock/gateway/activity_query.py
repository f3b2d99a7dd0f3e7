"""What the query of `/api/metrics/activity` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from paddock.errors import InvalidRequest
from paddock.observe.rows import milliseconds
from paddock.storage.activity import SORT_COLUMNS, Query

if TYPE_CHECKING:
    from multidict import MultiMapping

DEFAULT_LIMIT, MOST = 25, 999
LARGEST = (1 << 53) - 1
"""Of ids: beyond it JavaScript's numbers are no whole ones."""

LAST_PAGE = 1 << 31


def activity_query(asked: MultiMapping[str]) -> Query:
    """The question. Raises InvalidRequest, which names the parameter that is wrong.

    A parameter that is there but empty says nothing.
    """
    given = {name: value for name, value in asked.items() if value.strip()}
    models = (name.strip() for name in asked.getall("model", ()))
    return Query(
        models=tuple(name for name in models if name),
        start=_moment(given, "start"),
        end=_moment(given, "end"),
        min_id=_number(given, "min_id", 0, LARGEST),
        max_id=_number(given, "max_id", 0, LARGEST),
        limit=_number(given, "limit", 1, MOST) or DEFAULT_LIMIT,
        page=_number(given, "page", 1, LAST_PAGE) or 1,
        sort=_choice(given, "sort", tuple(SORT_COLUMNS)) or "id",
        descending=_choice(given, "order", ("asc", "desc")) != "asc",
    )


def moment(given: Mapping[str, str], name: str) -> datetime | None:
    """The time in a parameter, None when it is not there. Raises InvalidRequest."""
    text = given.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not escaped
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidRequest(
            f"`{name}` must be a time with its zone, as RFC 3339 writes it",
            param=name,
            hint="such as 2026-01-31T18:00:00Z",
        )
    return found


def _moment(given: Mapping[str, str], name: str) -> int | None:
    found = moment(given, name)
    try:
        return None if found is None else milliseconds(found)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"`{name}` is no time that a clock can show", param=name) from None


def _number(given: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 16) or not (
        least <= int(text) <= most
    ):
        raise InvalidRequest(f"`{name}` must be a number from {least} to {most}", param=name)
    return int(text)


def _choice(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    text = given.get(name, "").strip().lower()
    if text and text not in known:
        raise InvalidRequest(f"`{name}` must be one of {', '.join(known)}", param=name)
    return text
