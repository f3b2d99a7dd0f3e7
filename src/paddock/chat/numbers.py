"""Numbers in a query."""

from __future__ import annotations

from collections.abc import Mapping

from paddock.errors import InvalidRequest


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 1 to `most`; `default` where there is none. Raises InvalidRequest."""
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise InvalidRequest(f"`{name}` must be a whole number from 1 to {most}", param=name)
    return int(text)
