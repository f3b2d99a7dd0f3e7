from __future__ import annotations

import pytest
from aiohttp import web

from paddock.gateway.problems import NoRoute
from paddock.gateway.routes import Call, Route, RouteTable


async def nothing(call: Call) -> web.StreamResponse:
    raise NotImplementedError


TABLE = RouteTable(
    Route(method, path, nothing)
    for method, path in (
        ("GET", "/"),
        ("GET", "/models"),
        ("POST", "/models"),
        ("GET", "/models/*"),
        ("GET", "/models/deep/*"),
        ("*", "/any/*"),
    )
)


@pytest.mark.parametrize(
    ("method", "path", "route", "rest"),
    [
        ("GET", "/", "/", ""),
        ("HEAD", "/", "/", ""),
        ("GET", "/models", "/models", ""),
        ("POST", "/models", "/models", ""),
        ("GET", "/models/", "/models/*", ""),
        ("GET", "/models/a%2Fb/c", "/models/*", "a%2Fb/c"),
        ("GET", "/models/deep/x", "/models/deep/*", "x"),
        ("GET", "/models/deeper", "/models/*", "deeper"),
        ("BREW", "/any/x", "/any/*", "x"),
        ("HEAD", "/any/x", "/any/*", "x"),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, route: str, rest: str) -> None:
    found, left = TABLE.find(method, path)

    assert (found.path, left) == (route, rest)


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("GET", "/nothing", set()),
        ("GET", "", set()),
        ("GET", "//models", set()),
        ("GET", "/MODELS", set()),
        ("GET", "/any", set()),
        ("PUT", "/models", {"GET", "POST"}),
        ("POST", "/models/x", {"GET"}),
    ],
)
def test_what_has_no_route_knows_which_methods_would_have(
    method: str, path: str, methods: set[str]
) -> None:
    with pytest.raises(NoRoute) as caught:
        TABLE.find(method, path)

    assert set(caught.value.methods) == methods


def test_a_route_is_not_public_unless_it_says_so() -> None:
    assert not any(route.public for route in TABLE.routes)
