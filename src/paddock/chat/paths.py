"""Finds the route of a method and a path with ids in it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from paddock.chat.calls import ChatRoute
from paddock.gateway.problems import NoRoute


class Paths:
    """Routes by their paths."""

    def __init__(self, routes: Iterable[ChatRoute]) -> None:
        self._paths = [(_segments(route.path), route) for route in routes]

    def find(self, method: str, path: str) -> tuple[ChatRoute, dict[str, str]]:
        """The route, and what stands in the places of its path.

        Raises NoRoute, which knows the methods that the path does answer.
        """
        asked = _segments(path)
        there = [
            (route, ids)
            for pattern, route in self._paths
            if (ids := _match(pattern, asked)) is not None
        ]
        wanted = "GET" if method == "HEAD" else method
        # A fixed path is met before one with a place for an id.
        for route, ids in sorted(there, key=lambda found: len(found[1])):
            if route.method == wanted:
                return route, ids
        raise NoRoute(method, path, tuple(sorted({route.method for route, _ in there})))


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _match(pattern: tuple[str, ...], asked: tuple[str, ...]) -> dict[str, str] | None:
    """What stands in the places of `pattern`; None where `asked` is another path."""
    if len(pattern) != len(asked):
        return None
    ids = {}
    for expected, given in zip(pattern, asked, strict=True):
        if expected.startswith("{"):
            ids[expected[1:-1]] = unquote(given)
            if "\0" in ids[expected[1:-1]]:  # nothing is called so, and PostgreSQL cannot look
                return None
        elif expected != given:
            return None
    return ids
