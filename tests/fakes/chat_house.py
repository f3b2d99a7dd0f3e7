"""The chat's door on a real socket in this process: its room, its accounts, its database.

For tests that need no daemon. Endpoints beside those of accounts are given by the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from paddock.access.hosts import HostRules
from paddock.access.keys import KeyRing
from paddock.chat.calls import ChatRoute
from paddock.chat.feed import Feeds
from paddock.chat.room import Room
from paddock.chat.sessions import Sessions
from paddock.gateway.door import Door
from paddock.gateway.gate import Gate
from paddock.gateway.routes import Route, RouteTable
from paddock.storage import users
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.users import Role, User

Made = Iterable[ChatRoute]


class ChatHouse:
    """A chat with its parts. `url` is where its door is."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.store = Store(state / "chat" / "chat.db")
        self.feeds = Feeds()
        self.sessions = Sessions(store=self.store, feeds=self.feeds, days=lambda: 30)
        self.url = ""

    async def user(self, login: str, role: Role = Role.USER, **values: Any) -> User:
        """A new account that can sign in with `as_user` only: it has no password."""
        now = now_ms()
        user = User(new_id(), login, login, role, now, now, **values)
        assert await self.store.write(lambda c: users.add(c, user, "!"))
        return user

    async def as_user(self, login: str, role: Role = Role.USER, **values: Any) -> Person:
        """Somebody with a new account, signed in."""
        user = await self.user(login, role, **values)
        return Person(self.url, user, await self._cookie(user))

    async def _cookie(self, user: User) -> str:
        told = await self.sessions.begin(user, make_mocked_request("GET", "/"))
        return told.partition("=")[2].partition(";")[0]

    def nobody(self) -> Person:
        """Somebody who is not signed in."""
        return Person(self.url, None, "")


class Person:
    """A browser as the page uses it. An async context manager."""

    def __init__(self, url: str, user: User | None, cookie: str) -> None:
        self.user = user
        self.url = url
        cookies = {"paddock_session": cookie} if cookie else {}
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies(cookies, URL(url))
        self.http = aiohttp.ClientSession(url, cookie_jar=jar, headers={"X-Paddock": "1"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON of one answer; None where there is no JSON."""
        asked = {} if body is None else {"json": body}
        async with self.http.request(method, path, **asked, **more) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else None


@asynccontextmanager
async def chat_house(
    state: Path, routes: Callable[[ChatHouse], Made] = lambda _: ()
) -> AsyncIterator[ChatHouse]:
    """A chat whose door is open, with the routes that `routes` makes."""
    async with AsyncExitStack() as stack:
        house = ChatHouse(state)
        stack.push_async_callback(house.store.aclose)
        await house.store.open()
        room = Room(tuple(routes(house)), house.sessions)
        table = RouteTable([Route("*", "/api/*", room.answer, public=True)])
        door = Door("chat", table, Gate(HostRules("nas"), (), KeyRing(())))
        runner = web.ServerRunner(door.server(), shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        house.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield house
