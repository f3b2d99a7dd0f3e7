"""Routes whose endpoints are made when they are first asked for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from paddock.daemon.ollama_endpoints import ollama_endpoints, openai_endpoints
from paddock.gateway.ollama.later import Later, Make
from paddock.gateway.ollama.paths import LATER, OPENAI_LATER, ROOT, is_native
from paddock.gateway.ollama.root import Root
from paddock.gateway.problems import NoRoute
from paddock.gateway.routes import Call, Route, first_of


async def told(call: Call) -> web.StreamResponse:
    return web.Response(text=call.rest)


async def other(call: Call) -> web.StreamResponse:
    return web.Response(text=f"other {call.rest}")


def asked(method: str, path: str) -> Call:
    request: Any = SimpleNamespace(method=method, rel_url=URL(path, encoded=True))
    return Call(request, "id")


def test_they_are_made_once_and_answer_then():
    made = []

    def load() -> Make:
        made.append("loaded")
        return lambda: (Route("GET", "/a", told), Route("POST", "/b/*", told))

    async def ask() -> list[str | None]:
        later = Later(load)
        routes = later.routes([("GET", "/a"), ("POST", "/b/*")])
        assert [(r.method, r.path, r.public) for r in routes] == [
            ("GET", "/a", False),
            ("POST", "/b/*", False),
        ]
        calls = (later.answer(asked("POST", f"/b/{n}%2F")) for n in range(3))
        answers = [*await asyncio.gather(*calls), await later.answer(asked("GET", "/a"))]
        return [answer.text for answer in answers if isinstance(answer, web.Response)]

    assert asyncio.run(ask()) == ["0%2F", "1%2F", "2%2F", ""]
    assert made == ["loaded"]


def test_one_that_was_announced_and_is_not_made_is_not_there():
    later = Later(lambda: tuple)
    with pytest.raises(NoRoute):
        asyncio.run(later.answer(asked("GET", "/a")))


def test_a_path_belongs_to_the_first_group_that_has_it():
    mine = (Route("GET", "/x", told), Route("POST", "/y/*", told))
    theirs = (Route("POST", "/x", other), Route("GET", "/y/*", other), Route("GET", "/z", other))
    assert first_of(mine, theirs) == (*mine, theirs[2])


def test_every_native_path_is_known():
    assert all(is_native(path.replace("*", "x")) for _, path in (*ROOT, *LATER))
    assert not is_native("/api/models/unload")
    assert not is_native("/")


def test_what_is_announced_is_what_there_is():
    parts: Any = Anything()
    announced = {route[:2] for route in LATER}
    assert announced == {(r.method, r.path) for r in ollama_endpoints(parts, parts)}
    assert set(OPENAI_LATER) == {(r.method, r.path) for r in openai_endpoints(parts, parts)}
    roots = {(route.method, route.path) for route in Root().routes()}
    assert set(ROOT) | {("GET", "/")} == roots


class Anything:
    """Stands for parts of which endpoints are only made."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self
