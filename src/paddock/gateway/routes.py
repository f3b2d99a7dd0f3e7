"""Routes as data: which endpoint answers which method and path, and who may ask it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from paddock.access.grants import Grant
from paddock.gateway.problems import NoRoute


@dataclass(slots=True)
class Call:
    """One request on its way through a door."""

    request: web.BaseRequest
    id: str
    """Request id: the client's `X-Request-Id` when it is a sane one, else ours."""
    client: str = ""
    """Who asks: a key's public name, or the address."""
    rest: str = ""
    """The path after the prefix of a prefix route, still percent-encoded."""
    grant: Grant | None = None
    """What the caller's key is good for, where it is one of an account."""
    origin: str = ""
    """The web page of another origin that asks, and may; else empty."""

    def check_model(self, model: str) -> None:
        """Whether the caller may ask this model now. Raises ModelNotAllowed and what limits say."""
        if self.grant is not None:
            self.grant.check_model(model)

    @property
    def headers(self) -> dict[str, str]:
        """What every response carries: the request's id, and leave for the page to read it."""
        told = {"X-Request-Id": self.id}
        if self.origin:
            told |= {"Access-Control-Allow-Origin": self.origin, "Vary": "Origin"}
        return told


Endpoint = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """A path and what answers it. A path that ends in `/*` is a prefix."""

    method: str
    """`*`: any method."""
    path: str
    endpoint: Endpoint
    public: bool = False
    """Answers without a key. Everything else asks for one: deny by default."""
    asks: bool = False
    """Asks a model, or tells which there are: any key will do. Everything else is for those who
    look after the house."""


def first_of(*groups: Iterable[Route]) -> tuple[Route, ...]:
    """All routes, but of a path that several groups have, only those of the first."""
    chosen: list[Route] = []
    taken: set[str] = set()
    for group in groups:
        new = [route for route in group if route.path not in taken]
        chosen += new
        taken |= {route.path for route in new}
    return tuple(chosen)


class RouteTable:
    """Routes as data, found by exact path first and then by the longest prefix."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._exact: dict[str, dict[str, Route]] = {}
        self._prefixes: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            table = self._prefixes if route.path.endswith("/*") else self._exact
            table.setdefault(route.path.removesuffix("*"), {})[route.method] = route
        self._longest_first = sorted(self._prefixes, key=len, reverse=True)

    def find(self, method: str, path: str) -> tuple[Route, str]:
        """The route for a raw path and the part after its prefix.

        Raises NoRoute, which knows the methods that the path does answer.
        """
        methods = self._exact.get(path)
        rest = ""
        if methods is None:
            prefix = next((p for p in self._longest_first if path.startswith(p)), None)
            methods = self._prefixes.get(prefix or "", {})
            rest = path[len(prefix or "") :]
        route = methods.get(method) or methods.get("*")
        if route is None and method == "HEAD":
            route = methods.get("GET")
        if route is None:
            raise NoRoute(method, path, tuple(methods))
        return route, rest
