"""One request at the chat's door: who sends it, and what is in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aiohttp import web

from paddock.errors import InvalidRequest, Unauthenticated
from paddock.gateway.body import dump_json, parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.routes import Call
from paddock.storage.users import User

JSON_BYTES = 4 << 20
"""Of a body, unless its endpoint takes larger ones."""


class Who(IntEnum):
    """Who may ask. Each may do what those before it may."""

    ANYONE = 0
    PENDING = 1
    """An account that waits for approval."""
    USER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Session:
    """A device on which somebody is signed in."""

    id: str
    user: User
    expires: int
    """Milliseconds since 1970."""


@dataclass(slots=True)
class ChatCall:
    """A request on its way to its endpoint."""

    call: Call
    ids: Mapping[str, str]
    """What stands in the path where the route has `{name}`, decoded."""
    session_or_none: Session | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        """Of who is signed in. Raises Unauthenticated."""
        if self.session_or_none is None:
            raise Unauthenticated("sign in first")
        return self.session_or_none

    @property
    def user(self) -> User:
        """Who is signed in. Raises Unauthenticated."""
        return self.session.user

    @property
    def user_or_none(self) -> User | None:
        """Who is signed in, if anybody."""
        return self.session_or_none.user if self.session_or_none else None

    async def body(self, limit: int = JSON_BYTES) -> bytes:
        """The whole body. Raises as `gateway.door.sent_body`."""
        return await sent_body(self.call.request, limit)

    async def json(self, limit: int = JSON_BYTES) -> dict[str, Any]:
        """The JSON object that was sent; none at all is an empty one. Raises InvalidRequest."""
        data = await self.body(limit)
        if data and self.call.request.content_type != "application/json":
            raise InvalidRequest("the body must be sent as application/json")
        return await parse_json_async(data) if data else {}


ChatEndpoint = Callable[[ChatCall], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class ChatRoute:
    """A path below `/api`, with `{name}` for what is not fixed, and what answers it."""

    method: str
    path: str
    who: Who
    endpoint: ChatEndpoint


def answered(data: Any, status: int = 200) -> web.Response:
    """A JSON answer, not to be cached."""
    return web.Response(
        body=dump_json(data),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def nothing() -> web.Response:
    """It is done, and there is nothing to tell."""
    return web.Response(status=204)
