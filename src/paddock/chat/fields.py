"""The fields of a body: each one checked, and none that is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from paddock.chat.params import checked
from paddock.config.nearest import nearest
from paddock.errors import InvalidRequest

Check = Callable[[Any, str], Any]
"""Gives what is to be kept of a value, or raises InvalidRequest, which names the field."""

LONGEST_NAME: Final = 200
LONGEST_MODEL: Final = 300
LONGEST_SYSTEM: Final = 100_000


def taken(body: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """What was sent, as it is to be kept. Raises InvalidRequest."""
    for name in body:
        if name not in checks:
            meant = nearest(name, checks)
            raise InvalidRequest(
                f"there is no field {name[:60]!r}",
                param=name[:60],
                hint=f"did you mean {meant}?" if meant else f"there are {', '.join(checks)}",
            )
    return {name: checks[name](value, name) for name, value in body.items()}


def line(most: int = LONGEST_NAME) -> Check:
    """A text in one line, with something in it."""

    def check(value: Any, name: str) -> str:
        kept = " ".join(value.split()) if isinstance(value, str) else ""
        if not 0 < len(kept) <= most:
            raise InvalidRequest(f"`{name}` must be a text of 1 to {most} characters", param=name)
        return kept

    return check


def words(most: int) -> Check:
    """A text, which may be empty."""

    def check(value: Any, name: str) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise InvalidRequest(
                f"`{name}` must be a text of up to {most:,} characters", param=name
            )
        return value

    return check


def flag(value: Any, name: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise InvalidRequest(f"`{name}` must be true or false", param=name)
    return value


def position(value: Any, name: str) -> int:
    """A place in a list."""
    if type(value) is not int or not 0 <= value <= 1_000_000:
        raise InvalidRequest(f"`{name}` must be a whole number from 0 to 1000000", param=name)
    return value


def id_or_none(value: Any, name: str) -> str | None:
    """Something's id, or null for nothing."""
    if value is not None and not (isinstance(value, str) and 0 < len(value) <= 32):
        raise InvalidRequest(f"`{name}` must be an id or null", param=name)
    return value


def params(value: Any, name: str) -> dict[str, Any]:
    """Parameters of an answer."""
    return checked(value, name)


def settings(value: Any, name: str) -> dict[str, Any]:
    """What the answers of a chat are asked with: model, system, params, preset."""
    if not isinstance(value, dict):
        raise InvalidRequest(f"`{name}` must be an object", param=name)
    return taken({one: what for one, what in value.items() if what is not None}, SETTINGS)


SETTINGS: Final[Mapping[str, Check]] = {
    "model": words(LONGEST_MODEL),
    "system": words(LONGEST_SYSTEM),
    "params": params,
    "preset": id_or_none,
}
