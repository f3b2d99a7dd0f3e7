"""Go's literals: texts with their escapes, and numbers."""

from __future__ import annotations

import re
from typing import Final

_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_DECIMAL = re.compile(r"[+-]?(?:0|[1-9](?:_?[0-9])*)")
_PREFIXED = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0(?:_?[0-7])+)"
)
_FLOAT = re.compile(
    r"[+-]?(?:[0-9](?:_?[0-9])*\.?(?:[0-9](?:_?[0-9])*)?|\.[0-9](?:_?[0-9])*)"
    r"(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_HEX_FLOAT = re.compile(r"[+-]?0[xX](?:_?[0-9a-fA-F])*\.?[0-9a-fA-F]*[pP][+-]?[0-9]+")
_MAX_DIGITS: Final = 400
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1


def unquote(quoted: str) -> str:
    """The text that a literal in `"` or `'` stands for. Raises ValueError."""
    quote, body = quoted[0], quoted[1:-1]
    if "\\" not in body:
        return body
    pieces: list[bytes] = []
    at = 0
    for escape in _ESCAPE.finditer(body):
        pieces.append(_utf8(body[at : escape.start()]))
        pieces.append(_escaped(escape, quote))
        at = escape.end()
    pieces.append(_utf8(body[at:]))
    return b"".join(pieces).decode("utf-8", "replace")


def number(text: str) -> int | float:
    """The value of a number, with Go's prefixes and underscores. Raises ValueError."""
    if len(text) > _MAX_DIGITS:
        raise ValueError("the number is too long")
    if _PREFIXED.fullmatch(text):
        return _in_range(_with_prefix(text.replace("_", "")), text)
    if _DECIMAL.fullmatch(text):
        return _in_range(int(text.replace("_", "")), text)
    if _HEX_FLOAT.fullmatch(text):
        return float.fromhex(text.replace("_", ""))
    if _FLOAT.fullmatch(text) and "_" not in text and not text.lstrip("+-").isdigit():
        return _finite(float(text))
    raise ValueError(f"bad number syntax: {text!r}")


def character(quoted: str) -> int:
    """The number of the one character between `'`. Raises ValueError."""
    text = unquote(quoted)
    if len(text) != 1:
        raise ValueError(f"malformed character constant: {quoted}")
    return ord(text)


def _with_prefix(text: str) -> int:
    digits = text.lstrip("+-")
    if digits[1] in "01234567":
        text = text.replace("0", "0o", 1)
    return int(text, 0)


def _in_range(value: int, text: str) -> int:
    if not _INT_MIN <= value <= _INT_MAX:
        raise ValueError(f"integer overflow: {text!r}")
    return value


def _finite(value: float) -> float:
    if value in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return value


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _escaped(escape: re.Match[str], quote: str) -> bytes:
    byte, octal, short, long, simple = escape.groups()
    if byte or octal:
        value = int(byte, 16) if byte else int(octal, 8)
        if value > 0xFF:
            raise ValueError("invalid escape in a quoted string")
        return bytes([value])
    if short or long:
        return _point(int(short or long, 16))
    if simple == quote:
        return quote.encode()
    if simple not in _SIMPLE:
        raise ValueError(f"invalid escape \\{simple} in a quoted string")
    return _SIMPLE[simple].encode()


def _point(code: int) -> bytes:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("an escape stands for no character")
    return chr(code).encode()
