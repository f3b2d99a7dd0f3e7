"""The functions that templates can call: Go's own, and those that Ollama adds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus

from paddock.errors import TemplateError
from paddock.gotemplate import go_json, printing
from paddock.gotemplate.budget import Budget
from paddock.gotemplate.printf import format_text
from paddock.gotemplate.values import Struct, is_list, is_true, type_name

Arguments = tuple[Any, ...]


class Builtin(NamedTuple):
    """A function, and how many arguments it takes. `most` None: any number."""

    run: Callable[[Budget, Arguments], Any]
    least: int
    most: int | None


# --- comparing -----------------------------------------------------------------------------------


def _eq(budget: Budget, arguments: Arguments) -> bool:
    first, *others = arguments
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison")
    return any(_same(budget, first, other) for other in others)


def _ne(budget: Budget, arguments: Arguments) -> bool:
    return not _same(budget, *arguments)


def _same(budget: Budget, one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    _check_types("eq", one, other)
    if isinstance(one, str):
        budget.text(len(one))
    elif not isinstance(one, bool | int | float):
        raise TemplateError(f"error calling eq: non-comparable type {type_name(one)}")
    return bool(one == other)


def _ordered(name: str, compare: Callable[[Any, Any], bool]) -> Callable[[Budget, Arguments], bool]:
    def run(budget: Budget, arguments: Arguments) -> bool:
        one, other = arguments
        for value in arguments:
            if isinstance(value, bool) or not isinstance(value, int | float | str):
                raise TemplateError(f"error calling {name}: invalid type for comparison")
        _check_types(name, one, other)
        if isinstance(one, str):
            budget.text(len(one))
        return compare(one, other)

    return run


def _check_types(name: str, one: Any, other: Any) -> None:
    if type_name(one) != type_name(other):
        told = f"{type_name(one)} and {type_name(other)}"
        raise TemplateError(f"error calling {name}: incompatible types for comparison: {told}")


# --- parts of values -----------------------------------------------------------------------------


def _len(budget: Budget, arguments: Arguments) -> int:
    (value,) = arguments
    if isinstance(value, str):
        return len(_bytes(budget, value))
    if is_list(value) or isinstance(value, Mapping):
        return len(value)
    told = "nil pointer" if value is None else f"type {type_name(value)}"
    raise TemplateError(f"error calling len: len of {told}")


def _index(budget: Budget, arguments: Arguments) -> Any:
    item, *indexes = arguments
    if item is None:
        raise TemplateError("error calling index: index of untyped nil")
    for index in indexes:
        item = _item(budget, item, index)
    return item


def _item(budget: Budget, item: Any, index: Any) -> Any:
    if isinstance(item, Mapping):
        if not isinstance(index, str):
            told = f"value has type {type_name(index)}; should be string"
            raise TemplateError(f"error calling index: {told}")
        return item.get(index)
    if isinstance(item, str):
        data = _bytes(budget, item)
        return data[_position("index", index, len(data) - 1)]
    if is_list(item):
        return item[_position("index", index, len(item) - 1)]
    told = "index of nil pointer" if item is None else f"can't index item of type {type_name(item)}"
    raise TemplateError(f"error calling index: {told}")


def _slice(budget: Budget, arguments: Arguments) -> Any:
    item, *indexes = arguments
    if isinstance(item, str):
        data = _bytes(budget, item)
        return data[_bounds(indexes, len(data), 2)].decode("utf-8", "replace")
    if is_list(item):
        bounds = _bounds(indexes, len(item), 3)
        budget.spend((bounds.stop - bounds.start) // 64)
        return item[bounds]
    told = "untyped nil" if item is None else f"item of type {type_name(item)}"
    raise TemplateError(f"error calling slice: can't slice {told}")


def _bounds(indexes: list[Any], size: int, most: int) -> slice:
    if len(indexes) > most:
        raise TemplateError(f"error calling slice: too many slice indexes: {len(indexes)}")
    positions = [_position("slice", index, size) for index in indexes]
    start, stop, *_ = (*positions, size) if len(positions) == 1 else (*positions, 0, size)
    if not positions:
        start = 0
        stop = size
    if sorted((start, stop, *positions[2:])) != [start, stop, *positions[2:]]:
        raise TemplateError(f"error calling slice: invalid slice index: {start} > {stop}")
    return slice(start, stop)


def _position(name: str, index: Any, last: int) -> int:
    if isinstance(index, bool) or not isinstance(index, int):
        told = "nil" if index is None else f"type {type_name(index)}"
        raise TemplateError(f"error calling {name}: cannot index slice/array with {told}")
    if not 0 <= index <= last:
        raise TemplateError(f"error calling {name}: index out of range: {index}")
    return index


def _bytes(budget: Budget, text: str) -> bytes:
    budget.text(len(text))
    return text.encode("utf-8", "replace")


# --- texts ---------------------------------------------------------------------------------------


def _print(budget: Budget, arguments: Arguments) -> str:
    return _made(budget, arguments, printing.line_of(arguments))


def _println(budget: Budget, arguments: Arguments) -> str:
    return _made(budget, arguments, " ".join(map(printing.show, arguments)) + "\n")


def _printf(budget: Budget, arguments: Arguments) -> str:
    template, *values = arguments
    if not isinstance(template, str):
        told = type_name(template)
        raise TemplateError(f"wrong type for value of printf; expected string; got {told}")
    return format_text(budget, template, tuple(values))


def _joined(arguments: Arguments) -> str:
    """What the escaping functions escape."""
    return printing.line_of(tuple("<no value>" if arg is None else arg for arg in arguments))


_HTML: Final = (
    ("&", "&amp;"),
    ("'", "&#39;"),
    ('"', "&#34;"),
    ("<", "&lt;"),
    (">", "&gt;"),
    ("\0", "\ufffd"),
)
_JS: Final = (
    ("\\", "\\\\"),
    ("'", "\\'"),
    ('"', '\\"'),
    *((sign, f"\\u{ord(sign):04X}") for sign in "<>&="),
)


def _html(budget: Budget, arguments: Arguments) -> str:
    return _made(budget, arguments, _replaced(_joined(arguments), _HTML))


def _js(budget: Budget, arguments: Arguments) -> str:
    text = _replaced(_joined(arguments), _JS)
    if not text.isprintable():
        budget.text(len(text) * 8)
        text = "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in text)
    return _made(budget, arguments, text)


def _urlquery(budget: Budget, arguments: Arguments) -> str:
    text = _joined(arguments)
    budget.text(len(text) * 16)
    return _made(budget, arguments, quote_plus(text, errors="replace"))


def _json(budget: Budget, arguments: Arguments) -> str:
    return _made(budget, arguments, go_json.encode(arguments[0]))


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _made(budget: Budget, arguments: Arguments, text: str) -> str:
    """A text that was made of the arguments, and is paid for."""
    dearest = next((one for one in arguments if not isinstance(one, str | int | float)), "")
    return budget.shown(dearest, text)


# --- the rest ------------------------------------------------------------------------------------


def _today(_budget: Budget, _arguments: Arguments) -> str:
    return _date(0)


def _yesterday(_budget: Budget, _arguments: Arguments) -> str:
    return _date(1)


def _date(days_ago: int) -> str:
    return (datetime.now(UTC).astimezone() - timedelta(days=days_ago)).strftime("%Y-%m-%d")


_TYPESCRIPT: Final = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}


def _typescript(_budget: Budget, arguments: Arguments) -> str:
    return _typescript_of(arguments[0])


def _typescript_of(value: Any, depth: int = 0) -> str:
    """The TypeScript type of a tool's property: of its AnyOf, else of its Type."""
    if not isinstance(value, Struct) or "AnyOf" not in value.values or depth > 16:
        return "any"
    if either := value.values["AnyOf"]:
        return " | ".join(_typescript_of(one, depth + 1) for one in either)
    types = value.values.get("Type") or ()
    return " | ".join(_TYPESCRIPT.get(name, "any") for name in types) or "any"


def _not(_budget: Budget, arguments: Arguments) -> bool:
    return not is_true(arguments[0])


def _call(_budget: Budget, arguments: Arguments) -> Any:
    raise TemplateError(f"error calling call: non-function of type {type_name(arguments[0])}")


LAZY: Final = frozenset(("and", "or"))
"""Functions that look at their arguments only as far as they must; execution.py does them."""


def _never(_budget: Budget, _arguments: Arguments) -> Any:
    raise AssertionError("execution.py does this one")


FUNCTIONS: Final[Mapping[str, Builtin]] = {
    "and": Builtin(_never, 1, None),
    "or": Builtin(_never, 1, None),
    "not": Builtin(_not, 1, 1),
    "eq": Builtin(_eq, 1, None),
    "ne": Builtin(_ne, 2, 2),
    "lt": Builtin(_ordered("lt", operator.lt), 2, 2),
    "le": Builtin(_ordered("le", operator.le), 2, 2),
    "gt": Builtin(_ordered("gt", operator.gt), 2, 2),
    "ge": Builtin(_ordered("ge", operator.ge), 2, 2),
    "len": Builtin(_len, 1, 1),
    "index": Builtin(_index, 1, None),
    "slice": Builtin(_slice, 1, None),
    "print": Builtin(_print, 0, None),
    "printf": Builtin(_printf, 1, None),
    "println": Builtin(_println, 0, None),
    "html": Builtin(_html, 0, None),
    "js": Builtin(_js, 0, None),
    "urlquery": Builtin(_urlquery, 0, None),
    "call": Builtin(_call, 1, None),
    "json": Builtin(_json, 1, 1),
    "currentDate": Builtin(_today, 0, None),
    "yesterdayDate": Builtin(_yesterday, 0, None),
    "toTypeScriptType": Builtin(_typescript, 1, 1),
}
