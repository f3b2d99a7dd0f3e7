"""The parameters that a user, a chat, a preset or a message may set, and what a model is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from paddock.config.nearest import nearest
from paddock.errors import InvalidRequest

MOST_STOPS: Final = 16
LONGEST_STOP: Final = 200
REASONING: Final = ("auto", "on", "off")

Check = Callable[[Any], str]
"""What a value should be, where it is not; else nothing."""


def _number(low: float, high: float) -> Check:
    def check(value: Any) -> str:
        is_fine = type(value) in {int, float} and low <= value <= high
        return "" if is_fine else f"a number from {low:g} to {high:g}"

    return check


def _whole(low: int, high: int) -> Check:
    def check(value: Any) -> str:
        is_fine = type(value) is int and low <= value <= high
        return "" if is_fine else f"a whole number from {low:,} to {high:,}"

    return check


def _stops(value: Any) -> str:
    is_fine = (
        isinstance(value, list)
        and len(value) <= MOST_STOPS
        and all(isinstance(one, str) and 0 < len(one) <= LONGEST_STOP for one in value)
    )
    return (
        "" if is_fine else f"a list of up to {MOST_STOPS} texts of up to {LONGEST_STOP} characters"
    )


def _reasoning(value: Any) -> str:
    return "" if value in REASONING else f"one of {', '.join(REASONING)}"


CHECKS: Final[Mapping[str, Check]] = {
    "temperature": _number(0, 5),
    "top_p": _number(0, 1),
    "top_k": _whole(0, 1000),
    "min_p": _number(0, 1),
    "max_tokens": _whole(1, 1 << 20),
    "seed": _whole(-1, (1 << 32) - 1),
    "stop": _stops,
    "repeat_penalty": _number(0.1, 5),
    "presence_penalty": _number(-2, 2),
    "frequency_penalty": _number(-2, 2),
    "reasoning": _reasoning,
}
"""Every parameter there is. llama-server calls them the same, but for `reasoning`."""


def checked(params: Any, field: str = "params") -> dict[str, Any]:
    """The parameters that are set; those that are null are not.

    Raises InvalidRequest, which names the parameter, and for an unknown one the nearest.
    """
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise InvalidRequest(f"`{field}` must be an object", param=field)
    wanted = {name: value for name, value in params.items() if value is not None}
    for name, value in wanted.items():
        check = CHECKS.get(name)
        if check is None:
            raise _unknown(name, field)
        if expected := check(value):
            raise InvalidRequest(f"`{name}` must be {expected}", param=f"{field}.{name}")
    return wanted


def told(params: Mapping[str, Any]) -> dict[str, Any]:
    """What of a request to a model they become."""
    body = {name: value for name, value in params.items() if name != "reasoning"}
    reasoning = params.get("reasoning", "auto")
    if reasoning != "auto":
        body["chat_template_kwargs"] = {"enable_thinking": reasoning == "on"}
    return body


def _unknown(name: str, field: str) -> InvalidRequest:
    meant = nearest(name, CHECKS)
    return InvalidRequest(
        f"there is no parameter {name[:60]!r}",
        param=field,
        hint=f"did you mean {meant}?" if meant else f"there are {', '.join(CHECKS)}",
    )
