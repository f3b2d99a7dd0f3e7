"""The page of the reference about the chat's API, made from its routes and what they say of
themselves."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import paddock.chat
from paddock.chat.calls import ChatRoute, Who

_WHO: Final = {
    Who.ANYONE: "anybody",
    Who.PENDING: "also who waits for approval",
    Who.USER: "every account",
    Who.ADMIN: "admins",
}

_HEAD: Final = """\
# The chat's API

What [the chat's](../guides/chat.md) page asks of its door, port 3001. It is made for that page and
may change with it; programs have the [model doors](api.md), and keys for them.

A session is a cookie, `paddock_session`, that signing in sets. Every request but GET and HEAD must
carry the header `X-Paddock: 1`, and JSON as `application/json`. An error is
`{"error": {"code": …, "message": …, "hint": …, "field": …}}`; what is somebody else's is 404. Times
are milliseconds since 1970. `GET /api/live` is a stream of events, which goes on behind
`Last-Event-ID`.

<!-- Made by scripts/docs.py from the code. -->

| endpoint | for | |
| --- | --- | --- |
"""


def markdown() -> str:
    """The whole page."""
    ordered = sorted(routes(), key=lambda route: (route.path, route.method))
    return _HEAD + "".join(map(_row, ordered))


@cache
def routes() -> tuple[ChatRoute, ...]:
    """Those of every class in the chat that has routes of its own."""
    found: dict[tuple[str, str], ChatRoute] = {}
    for module in pkgutil.iter_modules(paddock.chat.__path__, "paddock.chat."):
        if not module.name.endswith("_child"):  # that is a program
            found |= {(route.method, route.path): route for route in _routes_in(module.name)}
    return tuple(found.values())


def _routes_in(name: str) -> Iterator[ChatRoute]:
    for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass):
        if kind.__module__ == name and hasattr(kind, "routes"):
            yield from _routes_of(kind)


def _routes_of(kind: Any) -> list[ChatRoute]:
    """Its table names methods only, so it needs nothing that an instance is made with."""
    try:
        told = kind.__new__(kind).routes()
    except AttributeError:
        return []  # it puts others' tables together
    return [one for one in told if isinstance(one, ChatRoute) and one.path.startswith("/api/")]


def _row(route: ChatRoute) -> str:
    about = inspect.getdoc(route.endpoint) or ""
    first = " ".join(about.partition("\n\n")[0].split()).replace("|", "\\|")
    return f"| `{route.method} {route.path}` | {_WHO[route.who]} | {first} |\n"
