"""JSON as Go's encoding/json writes it, and values that are printed as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from paddock.errors import TemplateError
from paddock.gotemplate.values import Stringer, Struct, is_list

MAX_DEPTH: Final = 200


def encode(value: Any) -> str:
    """`value` as JSON: no spaces, the keys of maps in order, `<`, `>` and `&` escaped."""
    pieces: list[str] = []
    _write(value, pieces, 0)
    return "".join(pieces)


class JsonMap(dict[str, Any], Stringer):
    """A map that is printed as JSON, with its keys in the order in which they came."""

    __slots__ = ()

    def go_string(self) -> str:
        return encode(self)


class JsonList(list[Any], Stringer):
    """A list that is printed as JSON."""

    __slots__ = ()

    def go_string(self) -> str:
        return encode(self)


class JsonStruct(Struct, Stringer):
    """A struct that is printed as JSON."""

    __slots__ = ()

    def go_string(self) -> str:
        return encode(self)


class OneOrMany(list[Any], Stringer):
    """A list that is written without its brackets when it holds just one."""

    __slots__ = ()

    def go_string(self) -> str:
        return str(self[0]) if len(self) == 1 else f"[{' '.join(map(str, self))}]"


def _write(value: Any, pieces: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise TemplateError("the data is nested too deeply to be written as JSON")
    if isinstance(value, Struct | Mapping):
        _write_object(_members(value), pieces, depth)
    elif isinstance(value, OneOrMany) and len(value) == 1:
        _write(value[0], pieces, depth)
    elif is_list(value):
        _write_array(value, pieces, depth)
    else:
        pieces.append(_scalar(value))


def _write_object(members: Iterator[tuple[str, Any]], pieces: list[str], depth: int) -> None:
    separator = "{"
    for key, value in members:
        pieces.append(f"{separator}{_text(key)}:")
        _write(value, pieces, depth + 1)
        separator = ","
    pieces.append("}" if separator == "," else "{}")


def _write_array(values: list[Any], pieces: list[str], depth: int) -> None:
    separator = "["
    for value in values:
        pieces.append(separator)
        _write(value, pieces, depth + 1)
        separator = ","
    pieces.append("]" if separator == "," else "[]")


def _members(value: Struct | Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Struct):
        for field in value.kind.fields:
            member = value.values[field.name]
            if not field.omit_empty or isinstance(member, Struct) or member:
                yield field.key, member
    elif isinstance(value, JsonMap):
        yield from value.items()
    else:
        yield from sorted(value.items())


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _number(value)
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return written


def _number(value: float) -> str:
    """As JavaScript writes a number: with an exponent only where it is far from 1."""
    if value != value or value in (float("inf"), float("-inf")):
        raise TemplateError("JSON has no such number")
    if value == 0:
        return "-0" if str(value)[0] == "-" else "0"
    sign = "-" if value < 0 else ""
    digits, exponent = shortest(abs(value))
    if not -7 < exponent < 21:
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
    return sign + plain(digits, exponent)


def shortest(value: float) -> tuple[str, int]:
    """The fewest digits that are this number and no other, and the exponent of the first digit.

    `value` is finite and above 0.
    """
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    return digits.rstrip("0") or "0", len(whole) - leading - 1 + int(exponent or 0)


def plain(digits: str, exponent: int) -> str:
    """Digits with their point, and no exponent."""
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole
