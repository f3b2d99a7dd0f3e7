"""The chat's door: every request below `/api` comes by here, and is refused unless it may pass.

One place looks up the session, asks for the mark that no page of another origin can send, and
knows which route wants whom; an endpoint is reached only by somebody who may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from aiohttp import web

from paddock.chat.calls import ChatCall, ChatRoute, Session, Who
from paddock.chat.paths import Paths
from paddock.errors import Forbidden, PaddockError, Unauthenticated
from paddock.gateway import problems
from paddock.gateway.body import dump_json
from paddock.gateway.routes import Call
from paddock.storage.users import Role

COOKIE: Final = "paddock_session"
MARK: Final = "X-Paddock"
"""A header that browsers send to another origin only after asking, and then they are refused."""

_READS: Final = frozenset({"GET", "HEAD"})
_STANDING: Final[Mapping[Role, Who]] = {
    Role.PENDING: Who.PENDING,
    Role.USER: Who.USER,
    Role.ADMIN: Who.ADMIN,
}


class AccountPending(PaddockError):
    """An admin has to let this account in first."""


class PasswordExpired(PaddockError):
    """An admin set this account's password: its owner has to choose one."""


problems.SHAPES[AccountPending] = problems.Shape(403, "permission_error", "pending")
problems.SHAPES[PasswordExpired] = problems.Shape(403, "permission_error", "must_change")

_BEFORE_CHANGE: Final = frozenset({"/api/me/password", "/api/signout"})
"""What answers before a password is changed that must be."""


class SessionFinder(Protocol):
    """Knows who is signed in."""

    async def find(self, cookie: str) -> Session | None:
        """The living session of a cookie's value, if there is one."""

    def using(self, session: Session) -> AbstractContextManager[None]:
        """The block is work for a session: it ends with it."""


class Room:
    """Finds the endpoint of a request, and lets it be reached by those who may."""

    def __init__(self, routes: Iterable[ChatRoute], sessions: SessionFinder) -> None:
        self.routes = tuple(routes)
        self._sessions = sessions
        self._paths = Paths(self.routes)

    async def answer(self, call: Call) -> web.StreamResponse:
        """Answer one request; every error becomes a response in the chat's shape."""
        try:
            return await self._answer(call)
        except PaddockError as error:
            return refused(error)

    async def _answer(self, call: Call) -> web.StreamResponse:
        request = call.request
        route, ids = self._paths.find(request.method, request.rel_url.raw_path)
        if request.method not in _READS and MARK not in request.headers:
            raise Forbidden(f"a change must carry the header {MARK}", hint=f"send `{MARK}: 1`")
        cookie = request.cookies.get(COOKIE, "")
        session = await self._sessions.find(cookie) if cookie else None
        _check_standing(route, session)
        chat = ChatCall(call, ids, session, request.rel_url.query)
        if session is None:
            return await route.endpoint(chat)
        call.client = f"user:{session.user.login}"
        with self._sessions.using(session):
            return await route.endpoint(chat)


def _check_standing(route: ChatRoute, session: Session | None) -> None:
    wanted = route.who
    if wanted is Who.ANYONE:
        return
    if session is None:
        raise Unauthenticated("sign in first")
    if session.user.must_change and route.path not in _BEFORE_CHANGE:
        raise PasswordExpired("choose a password of your own first")
    standing = _STANDING[session.user.role]
    if standing is Who.PENDING < wanted:
        raise AccountPending("your account waits for an admin to let you in")
    if standing < wanted:
        raise Forbidden("only admins may do that")


def refused(error: PaddockError) -> web.Response:
    """The response for an error: `{"error": {code, message, hint, field}}`."""
    shape = problems.shape_of(error)
    told: dict[str, Any] = {"code": shape.code or shape.type, "message": error.message}
    told |= {"hint": error.hint} if error.hint else {}
    told |= {"field": field} if (field := getattr(error, "param", None)) else {}
    headers = problems.headers_of(error)
    headers.pop("WWW-Authenticate", None)  # a browser would ask for a password by itself
    return web.Response(
        body=dump_json({"error": told}),
        status=shape.status,
        content_type="application/json",
        headers=headers | {"Cache-Control": "no-store"},
    )
