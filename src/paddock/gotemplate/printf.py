"""Go's `printf`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from paddock.errors import TemplateError
from paddock.gotemplate.budget import Budget
from paddock.gotemplate.printing import MAX_DEPTH, float_text, show
from paddock.gotemplate.values import Stringer, Struct, type_name

MAX_WIDTH: Final = 10_000
"""Of a width and of a precision."""

_NAMED: Final = "n"
"""A flag that cannot be written: `%+v`."""
_VERB = re.compile(r"%([-+# 0]*)(\*|[0-9]{1,6})?(?:\.(\*|[0-9]{0,6}))?(.)?", re.DOTALL)


class _Verb(NamedTuple):
    """One verb with what stands before it."""

    letter: str
    flags: str
    width: int | None
    precision: int | None


def format_text(budget: Budget, template: str, values: tuple[Any, ...]) -> str:
    """`template` with its verbs replaced. As in Go, a mistake is shown in the text."""
    return _Formatting(budget, values).run(template)


class _Formatting:
    """Uses up the values from left to right."""

    def __init__(self, budget: Budget, values: tuple[Any, ...]) -> None:
        self._budget = budget
        self._values = values
        self._used = 0

    def run(self, template: str) -> str:
        self._budget.text(len(template))
        text = _VERB.sub(self._replace, template)
        extra = self._values[self._used :]
        if not extra:
            return text
        told = ", ".join(self._budget.shown(value, _typed(value)) for value in extra)
        return f"{text}%!(EXTRA {told})"

    def _replace(self, found: re.Match[str]) -> str:
        flags, wide, precise, letter = found.groups()
        width, precision = self._size(wide), self._size(precise)
        if letter is None:
            return "%!(NOVERB)"
        if letter == "%":
            return "%"
        if self._used >= len(self._values):
            return f"%!{letter}(MISSING)"
        if width is not None and width < 0:
            flags, width = f"{flags}-", -width
        if letter == "v":  # there it asks for the names of fields, not for signs
            flags = flags.replace("+", _NAMED)
        value = self._values[self._used]
        self._used += 1
        self._budget.spend((width or 0) // 16)
        text = _format(_Verb(letter, flags, width, precision), value)
        return self._budget.shown(value, text)

    def _size(self, written: str | None) -> int | None:
        """A width or precision; `*` is taken of the values."""
        if written is None:
            return None
        if written != "*":
            return min(int(written or 0), MAX_WIDTH)
        size = self._values[self._used] if self._used < len(self._values) else None
        self._used += 1
        return max(-MAX_WIDTH, min(size, MAX_WIDTH)) if isinstance(size, int) else None


def _format(verb: _Verb, value: Any, depth: int = 0) -> str:
    if verb.letter == "T":
        return _padded(verb, type_name(value))
    if isinstance(value, Stringer) and verb.letter in "vsqxX":
        value = value.go_string()
    if (make := _MAKERS.get((_kind(value), verb.letter))) is not None:
        return make(verb, value)
    if value is None and (depth or verb.letter == "v"):
        return _padded(verb, "<nil>")
    if _kind(value) or value is None:
        return f"%!{verb.letter}({_typed(value)})"
    return _compound(verb, value, depth + 1)


def _compound(verb: _Verb, value: Any, depth: int) -> str:
    """A list, a map or a struct: the verb is for what is in it."""
    if depth > MAX_DEPTH:
        raise TemplateError("the data is nested too deeply to be printed")
    if isinstance(value, Struct):
        named = _NAMED in verb.flags
        fields = (
            (f"{name}:" if named else "") + _format(verb, member, depth)
            for name, member in value.values.items()
        )
        return f"{{{' '.join(fields)}}}"
    if isinstance(value, Mapping):
        pairs = (
            f"{_format(verb, k, depth)}:{_format(verb, value[k], depth)}" for k in sorted(value)
        )
        return f"map[{' '.join(pairs)}]"
    return f"[{' '.join(_format(verb, item, depth) for item in value)}]"


def _kind(value: Any) -> str:
    return type_name(value) if isinstance(value, bool | int | float | str) else ""


def _typed(value: Any) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={show(value)}"


def _padded(verb: _Verb, text: str) -> str:
    if verb.width is None:
        return text
    if "-" in verb.flags:
        return text.ljust(verb.width)
    return text.rjust(verb.width, "0" if "0" in verb.flags else " ")


def _text(verb: _Verb, value: str) -> str:
    return _padded(verb, value if verb.precision is None else value[: verb.precision])


def _quoted(verb: _Verb, value: str) -> str:
    return _padded(verb, quote(value if verb.precision is None else value[: verb.precision]))


def quote(text: str) -> str:
    """A Go literal in double quotes."""
    pieces = ['"']
    for character in text:
        if character in _ESCAPES:
            pieces.append(_ESCAPES[character])
        elif character.isprintable():
            pieces.append(character)
        else:
            pieces.append(_escaped(ord(character)))
    pieces.append('"')
    return "".join(pieces)


_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def _escaped(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _hex_text(verb: _Verb, value: str) -> str:
    digits = value.encode("utf-8", "replace").hex()
    return _padded(verb, digits.upper() if verb.letter == "X" else digits)


def _integer(verb: _Verb, value: int) -> str:
    digits = format(abs(value), {"v": "d", "O": "o"}.get(verb.letter, verb.letter))
    prefix = _prefix(verb)
    sign = "-" if value < 0 else next((sign for sign in "+ " if sign in verb.flags), "")
    if verb.precision is not None:
        digits = digits.rjust(verb.precision, "0")
    elif "0" in verb.flags and "-" not in verb.flags and verb.width:
        digits = digits.rjust(verb.width - len(sign), "0")
    text = sign + prefix + digits
    return text.ljust(verb.width or 0) if "-" in verb.flags else text.rjust(verb.width or 0)


def _prefix(verb: _Verb) -> str:
    if verb.letter == "O":
        return "0o"
    return {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb.letter, "") * ("#" in verb.flags)


def _float(verb: _Verb, value: float) -> str:
    if verb.letter == "v" or (verb.letter in "gG" and verb.precision is None):
        text = float_text(value)
        text = text.upper() if verb.letter == "G" else text
    else:
        text = f"{value:.{6 if verb.precision is None else verb.precision}{verb.letter}}"
    if "+" in verb.flags and not text.startswith(("-", "+")):
        text = f"+{text}"
    if "0" in verb.flags and "-" not in verb.flags and text.startswith(("-", "+")):
        return text[0] + text[1:].rjust((verb.width or 1) - 1, "0")
    return _padded(verb, text)


def _character(verb: _Verb, value: int) -> str:
    return _padded(verb, chr(value) if 0 <= value <= 0x10FFFF else "\ufffd")


def _quoted_character(verb: _Verb, value: int) -> str:
    character = chr(value) if 0 <= value <= 0x10FFFF else "\ufffd"
    inner = {"'": "\\'", '"': '"'}.get(character) or quote(character)[1:-1]
    return _padded(verb, f"'{inner}'")


def _point(verb: _Verb, value: int) -> str:
    return _padded(verb, f"U+{value:04X}")


def _truth(verb: _Verb, value: bool) -> str:
    return _padded(verb, "true" if value else "false")


_MAKERS: Final[dict[tuple[str, str], Callable[[_Verb, Any], str]]] = {
    ("string", "v"): _text,
    ("string", "s"): _text,
    ("string", "q"): _quoted,
    ("string", "x"): _hex_text,
    ("string", "X"): _hex_text,
    ("bool", "v"): _truth,
    ("bool", "t"): _truth,
    ("int", "c"): _character,
    ("int", "q"): _quoted_character,
    ("int", "U"): _point,
    **{("int", letter): _integer for letter in "vdboOxX"},
    **{("float64", letter): _float for letter in "veEfFgG"},
}
