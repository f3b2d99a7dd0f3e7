"""How Go prints values: its package fmt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paddock.errors import TemplateError
from paddock.gotemplate.go_json import plain, shortest
from paddock.gotemplate.values import Stringer, Struct

MAX_DEPTH: Final = 200


def action(value: Any) -> str:
    """What `{{ value }}` writes."""
    return "<no value>" if value is None else show(value)


def show(value: Any) -> str:
    """The value as `%v` has it."""
    return value if type(value) is str else _show(value, 0)


def line_of(values: tuple[Any, ...]) -> str:
    """As `print` does: values side by side, spaces only between two that are no texts."""
    pieces: list[str] = []
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            pieces.append(" ")
        pieces.append(show(value))
    return "".join(pieces)


def float_text(value: float) -> str:
    """A float64 as `%v` has it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "-0" if str(value)[0] == "-" else "0"
    sign = "-" if value < 0 else ""
    digits, exponent = shortest(abs(value))
    if not -5 < exponent < 6:
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"
    return sign + plain(digits, exponent)


def _show(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise TemplateError("the data is nested too deeply to be printed")
    match value:
        case Stringer():
            return value.go_string()
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return float_text(value)
        case _:
            return _compound(value, depth + 1)


def _compound(value: Any, depth: int) -> str:
    if isinstance(value, Struct):
        return f"{{{' '.join(_show(member, depth) for member in value.values.values())}}}"
    if isinstance(value, Mapping):
        pairs = (f"{key}:{_show(value[key], depth)}" for key in sorted(value))
        return f"map[{' '.join(pairs)}]"
    return f"[{' '.join(_show(item, depth) for item in value)}]"
