"""Takes what a form sent out of its JSON object, and says what of it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paddock.errors import InvalidRequest

SMALL: Final = 16 << 10
"""Bytes of a body that holds a few fields."""

_LONGEST: Final = 4096


def text(told: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """A text. Raises InvalidRequest where it is none, or missing without a default."""
    value = told.get(field)
    if value is None and default is not None:
        return default
    if not _is_text(value):
        raise InvalidRequest(f"{field} must be a text", param=field)
    return str(value)


def number(value: Any, field: str, least: int, most: int) -> int:
    """A whole number. Raises InvalidRequest."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidRequest(f"{field} must be a number from {least} to {most}", param=field)
    return int(value)


def words(value: Any, field: str, most: int = 1000) -> list[str]:
    """A list of texts, each of them once. Raises InvalidRequest."""
    if not isinstance(value, list) or len(value) > most or not all(map(_is_word, value)):
        raise InvalidRequest(f"{field} must be a list of texts", param=field)
    return list(dict.fromkeys(value))


def _is_word(value: object) -> bool:
    return value != "" and _is_text(value)


def _is_text(value: object) -> bool:
    """PostgreSQL keeps no NUL."""
    return isinstance(value, str) and len(value) <= _LONGEST and "\0" not in value
