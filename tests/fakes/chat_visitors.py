"""People at a real daemon's chat door: their accounts are in its database before it starts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from aiohttp.test_utils import make_mocked_request
from tests.fakes.house import Answer, House

from paddock.chat.feed import Feeds
from paddock.chat.sessions import Sessions
from paddock.storage import users
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.users import Role, User

CHAT_DOOR = {
    "openai": {"host": "127.0.0.1", "port": 0},
    "ollama": None,
    "chat": {"host": "127.0.0.1", "port": 0},
}
"""`listen`, for a house whose chat is open."""

SECONDS = 30.0
"""How long an answer or an event may take."""


class Visitor:
    """Somebody, signed in or not."""

    def __init__(self, house: House, user: User | None = None, cookie: str = "") -> None:
        self._house = house
        self._user = user
        self.cookie = cookie
        """`name=value`; empty for who is not signed in."""
        self._headers = {"X-Paddock": "1"} | ({"Cookie": cookie} if cookie else {})

    @property
    def user(self) -> User:
        assert self._user is not None
        return self._user

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """One request on a connection of its own; the whole answer."""
        with closing(self._connection()) as connection:
            answer = self._send(connection, method, path, body)
            return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def get(self, path: str) -> Any:
        """The JSON that GET answers."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.text
        return answer.json()

    @contextmanager
    def live(self, path: str = "/api/live") -> Iterator[Events]:
        """The events of a stream, from its first one on."""
        with closing(self._connection()) as connection:
            answer = self._send(connection, "GET", path, None)
            assert answer.status == 200, answer.read()
            yield Events(answer)

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(urlsplit(self._house.chat_url).netloc, timeout=SECONDS)

    def _send(self, connection: HTTPConnection, method: str, path: str, body: Any) -> HTTPResponse:
        data = None if body is None else json.dumps(body)
        headers = self._headers | ({"Content-Type": "application/json"} if data else {})
        connection.request(method, path, data, headers)
        return connection.getresponse()


class Events:
    """Server-sent events, as they come: name and data."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.heard: list[tuple[str, Any]] = []

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name, data = "", ""
        while line := self._answer.readline():
            if line.startswith(b":"):
                yield "ping", None
            word, _, rest = line.decode().rstrip("\n").partition(": ")
            if word == "event":
                name = rest
            elif word == "data":
                data = rest
            elif not word and data:
                self.heard.append((name, json.loads(data)))
                yield self.heard[-1]
                name, data = "", ""

    def until(self, name: str, which: Callable[[Any], bool] = lambda _: True) -> Any:
        """The data of the next event of this name for which `which` is true."""
        deadline = monotonic() + SECONDS
        for event, data in self:
            if event == name and which(data):
                return data
            if monotonic() > deadline:
                break
        raise AssertionError(f"{name} did not come; the stream said {self.heard}")


def visitors(house: House, **roles: Role | dict[str, Any]) -> dict[str, Visitor]:
    """Accounts by login, each with a session, in the database of a house that has not started.

    A dict instead of a role: a user with these values.
    """
    return asyncio.run(_made(house, roles))


async def _made(house: House, roles: dict[str, Role | dict[str, Any]]) -> dict[str, Visitor]:
    store = Store(house.state / "chat" / "chat.db")
    await store.open()
    sessions = Sessions(store=store, feeds=Feeds(), days=lambda: 30)
    found = {}
    for login, role in roles.items():
        more = role if isinstance(role, dict) else {"role": role}
        now = now_ms()
        user = User(**{"role": Role.USER, "created": now, "last_seen": now, "id": new_id(),
                       "login": login, "name": login} | more)  # fmt: skip
        assert await store.write(partial(users.add, user=user, password="!"))
        told = await sessions.begin(user, make_mocked_request("GET", "/"))
        found[login] = Visitor(house, user, told.partition(";")[0])
    await store.aclose()
    return found
