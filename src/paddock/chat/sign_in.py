"""Coming in: the first admin's setup, sign-in, sign-up and invites, and leaving again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aiohttp import web
from sqlalchemy import Connection

from paddock import __version__
from paddock.access.logins import login_as_typed
from paddock.access.tokens import digest_of
from paddock.access.tries import TooManyTries, Tries
from paddock.chat import forms
from paddock.chat.accounts import Accounts, Wanted, wanted
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.feed import Feeds
from paddock.chat.people import person
from paddock.chat.sessions import Sessions
from paddock.chat.setup import Setup, SetUpAlready
from paddock.config.chat import Chat
from paddock.errors import Forbidden, PaddockError, Unauthenticated
from paddock.gateway import problems
from paddock.storage import invites, users
from paddock.storage.chat_store import Store
from paddock.storage.ids import now_ms
from paddock.storage.users import Role, User


class SignInFailed(Unauthenticated):
    """Not a login with its password."""


class SignUpClosed(Forbidden):
    """Only who is invited makes an account."""


class InviteOver(PaddockError):
    """An invite that there is not, or not any more."""


problems.SHAPES[TooManyTries] = problems.Shape(429, "rate_limit_error", "too_many_tries")
problems.SHAPES[SignInFailed] = problems.Shape(401, "authentication_error", "wrong_password")
problems.SHAPES[SignUpClosed] = problems.Shape(403, "permission_error", "signup_closed")
problems.SHAPES[InviteOver] = problems.Shape(404, "invalid_request_error", "invite_over")

_MOST_PENDING: Final = 100
"""Accounts that may wait for approval: nobody shall fill the house."""


class SignIn:
    """The endpoints for who is not signed in yet."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        setup: Setup,
        tries: Tries,
        feeds: Feeds,
        settings: Callable[[], Chat],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._setup = setup
        self._tries = tries
        self._feeds = feeds
        self._settings = settings

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("GET", "/api/start", Who.ANYONE, self.start),
            ChatRoute("POST", "/api/setup", Who.ANYONE, self.set_up),
            ChatRoute("POST", "/api/signin", Who.ANYONE, self.sign_in),
            ChatRoute("POST", "/api/signup", Who.ANYONE, self.sign_up),
            ChatRoute("POST", "/api/invite/look", Who.ANYONE, self.look),
            ChatRoute("POST", "/api/invite/accept", Who.ANYONE, self.accept),
            ChatRoute("POST", "/api/signout", Who.PENDING, self.sign_out),
        )

    async def start(self, chat: ChatCall) -> web.StreamResponse:
        """What the page must know before anything else."""
        settings, user = self._settings(), chat.user_or_none
        return answered(
            {
                "setup": await self._setup.is_wanted(),
                "signup": settings.sign_up,
                "user": person(user) if user else None,
                "version": __version__,
                "name": settings.title,
            }
        )

    async def set_up(self, chat: ChatCall) -> web.StreamResponse:
        """Make the first account, with the token that the daemon printed."""
        told = await chat.json(forms.SMALL)
        address = chat.call.request.remote or ""
        self._tries.begin(address)
        if not await self._setup.is_wanted():
            raise _set_up_already()
        if not await self._setup.matches(forms.text(told, "token").strip()):
            raise SignInFailed(
                "this is not the setup token",
                hint="the daemon printed it when it started; it is also in chat/setup.token in its"
                " stateDir",
            )
        user = await self._accounts.add(_wanted(told), Role.ADMIN, first=_check_no_admin)
        self._tries.right(address)
        await self._setup.done()
        return await self._come_in(chat, user)

    async def sign_in(self, chat: ChatCall) -> web.StreamResponse:
        """Sign in with login and password."""
        told = await chat.json(forms.SMALL)
        login = login_as_typed(forms.text(told, "login"))[:300]
        password = forms.text(told, "password")
        address = chat.call.request.remote or ""
        self._tries.begin(address, login)
        user = await self._accounts.proven(login, password)
        if user is None:
            raise SignInFailed("login or password is wrong")
        self._tries.right(address, login)
        return await self._come_in(chat, user)

    async def sign_up(self, chat: ChatCall) -> web.StreamResponse:
        """Make an account, where the house lets people do so."""
        rule = self._settings().sign_up
        if rule == "closed" or await self._setup.is_wanted():
            raise SignUpClosed("accounts are made by invite here", hint="ask an admin for one")
        asked = _wanted(await chat.json(forms.SMALL))
        self._tries.begin(chat.call.request.remote or "")  # a right one counts too
        role = Role.USER if rule == "open" else Role.PENDING
        user = await self._accounts.add(asked, role, first=_check_waiting)
        if role is Role.PENDING:
            self._feeds.admins("notice", {"text": f"{user.login} asks to be let in"})
        return await self._come_in(chat, user)

    async def look(self, chat: ChatCall) -> web.StreamResponse:
        """What an invite is for."""
        token = forms.text(await chat.json(forms.SMALL), "token")
        digest = digest_of(token)
        found = await self._store.read(lambda c: invites.open_by(c, digest, now_ms()))
        if found is None:
            raise _over()
        invite, by = found
        return answered({"role": invite.role, "by": by, "expires": invite.expires})

    async def accept(self, chat: ChatCall) -> web.StreamResponse:
        """Make the account that an invite is for."""
        told = await chat.json(forms.SMALL)
        asked, digest = _wanted(told), digest_of(forms.text(told, "token"))
        found = await self._store.read(lambda c: invites.open_by(c, digest, now_ms()))
        if found is None:
            raise _over()

        def used(connection: Connection, user: User) -> None:
            if not invites.use(connection, digest, user.id, now_ms()):
                raise _over()

        user = await self._accounts.add(asked, found[0].role, also=used)
        return await self._come_in(chat, user)

    async def sign_out(self, chat: ChatCall) -> web.StreamResponse:
        """End the session that asks."""
        await self._sessions.end(chat.user.id, chat.session.id)
        response = web.Response(status=204)
        response.headers["Set-Cookie"] = self._sessions.forgotten(chat.call.request)
        return response

    async def _come_in(self, chat: ChatCall, user: User) -> web.StreamResponse:
        """A new cookie every time: one that somebody else has put there is worth nothing."""
        if chat.session_or_none is not None:
            await self._sessions.end(chat.user.id, chat.session.id)
        response = answered({"user": person(user)})
        response.headers["Set-Cookie"] = await self._sessions.begin(user, chat.call.request)
        return response


def _wanted(told: dict[str, object]) -> Wanted:
    login, password = forms.text(told, "login"), forms.text(told, "password")
    return wanted(login, forms.text(told, "name", ""), password)


def _check_no_admin(connection: Connection) -> None:
    if users.count_admins(connection):
        raise _set_up_already()


def _check_waiting(connection: Connection) -> None:
    if users.count_pending(connection) >= _MOST_PENDING:
        raise SignUpClosed("too many people wait already", hint="ask an admin to let you in")


def _set_up_already() -> SetUpAlready:
    return SetUpAlready("there is an admin already", hint="sign in")


def _over() -> InviteOver:
    return InviteOver(
        "this invite cannot be used: it is used, expired or taken back", hint="ask for a new one"
    )
