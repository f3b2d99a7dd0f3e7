"""What is done to accounts, by whomever: made, proven, changed, removed.

Whoever must hear of a change is told before it is answered: a key of an account that went does not
work for another request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from paddock.access.logins import login_as_typed, login_of, name_of
from paddock.access.passwords import Passwords, check_password
from paddock.chat.feed import Feeds
from paddock.chat.sessions import Sessions
from paddock.errors import InvalidRequest, PaddockError, UnknownId
from paddock.gateway import problems
from paddock.storage import audit, users
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.users import Role, User


class LoginTaken(InvalidRequest):
    """Somebody else has this login."""


class LastAdmin(PaddockError):
    """Without this account nobody could look after the house."""


problems.SHAPES[LoginTaken] = problems.Shape(409, "invalid_request_error", "login_taken")
problems.SHAPES[LastAdmin] = problems.Shape(409, "invalid_request_error", "last_admin")

Told = Callable[[User], Awaitable[None]]
Also = Callable[[Connection, User], None]
"""Done in the same transaction; what it raises undoes all."""

_RANK: Final = {Role.PENDING: 0, Role.USER: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account that is to be made, checked."""

    login: str
    name: str
    password: str


def wanted(login: str, name: str, password: str) -> Wanted:
    """Raises InvalidRequest, which names the field that is wrong."""
    known = login_of(login)
    check_password(password, known)
    return Wanted(known, name_of(name, known), password)


class Accounts:
    """The accounts of the house. Loop thread only."""

    def __init__(
        self, *, store: Store, sessions: Sessions, feeds: Feeds, passwords: Passwords
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._feeds = feeds
        self._passwords = passwords
        self._changed: list[Told] = []
        self._leaving: list[Told] = []

    def on_change(self, told: Told) -> None:
        """Call `told` when an account has changed or went."""
        self._changed.append(told)

    def on_leaving(self, told: Told) -> None:
        """Call `told` before the rows of an account go: what is not in the database goes first."""
        self._leaving.append(told)

    async def add(
        self,
        asked: Wanted,
        role: Role,
        *,
        must_change: bool = False,
        first: Callable[[Connection], None] = lambda _: None,
        also: Also = lambda _, __: None,
    ) -> User:
        """A new account. `first` and `also` are done before and after it in one transaction.

        Raises LoginTaken, and what they raise.
        """
        kept, now = await self._passwords.hashed(asked.password), now_ms()
        user = User(new_id(), asked.login, asked.name, role, now, now, must_change)

        def write(connection: Connection) -> None:
            first(connection)
            if not users.add(connection, user, kept):
                raise LoginTaken("this login is taken", param="login", hint="choose another one")
            also(connection, user)

        await self._store.write(write)
        return user

    async def everybody(self) -> tuple[User, ...]:
        """All accounts, the oldest first."""
        return await self._store.read(users.everybody)

    async def find(self, user_id: str) -> User:
        """An account by its id. Raises UnknownId."""
        return _there(await self._store.read(lambda c: users.get(c, user_id)))

    async def find_login(self, login: str) -> User:
        """An account by its login. Raises UnknownId."""
        return _there(await self._store.read(lambda c: users.by_login(c, login_as_typed(login))))

    async def proven(self, login: str, password: str) -> User | None:
        """Whose login and password these are. To find out takes as long for logins of nobody's."""

        def look(connection: Connection) -> tuple[User | None, str | None]:
            user = users.by_login(connection, login_as_typed(login))
            return user, users.password_of(connection, user.id) if user else None

        user, kept = await self._store.read(look)
        return user if await self._passwords.matches(kept, password) else None

    async def set_password(
        self,
        user: User,
        password: str,
        *,
        field: str,
        by: str = "",
        must_change: bool = False,
        keep: str = "",
    ) -> User:
        """Another password; all sessions but `keep` end. `by`: the login of who sets it for
        somebody else, who, with `must_change`, has to choose one at the next sign-in.

        Raises InvalidRequest and UnknownId.
        """
        check_password(password, user.login, field)
        kept = await self._passwords.hashed(password)

        def write(connection: Connection) -> User | None:
            if by:
                audit.note(connection, by, "set_password", user.login)
            return users.change(connection, user.id, password=kept, must_change=must_change)

        changed = _there(await self._store.write(write))
        self._sessions.renew(changed)
        await self._sessions.end_all_of(user.id, but=keep)
        return changed

    async def set_own(self, user: User, **values: Any) -> User:
        """Other `name` or `settings`, by the user."""
        changed = _there(await self._store.write(lambda c: users.change(c, user.id, **values)))
        self._sessions.renew(changed)
        return changed

    async def change(self, user_id: str, by: str, **values: Any) -> User:
        """Other `role`, `name` or `limits`, by the admin of this login.

        Who may do less than before is signed out. Raises UnknownId and LastAdmin.
        """

        def write(connection: Connection) -> tuple[User, User]:
            before = _there(users.get(connection, user_id))
            if values.get("role", before.role) != before.role:
                _check_admins(connection, before)
            after = _there(users.change(connection, user_id, **values))
            audit.note(connection, by, "change_user", before.login, values)
            return before, after

        before, after = await self._store.write(write)
        self._sessions.renew(after)
        await self._tell(self._changed, after)
        if _RANK[after.role] < _RANK[before.role]:
            await self._sessions.end_all_of(after.id)
        elif (after.role, after.limits) != (before.role, before.limits):
            self._feeds.changed(after)
        return after

    async def remove(self, user_id: str, by: str) -> None:
        """Remove an account and all that is its own. Raises UnknownId and LastAdmin."""

        def close(connection: Connection) -> User:
            user = _there(users.get(connection, user_id))
            _check_admins(connection, user)
            closed = users.change(connection, user_id, role=Role.PENDING, password="!")  # noqa: S106
            audit.note(connection, by, "remove_user", user.login)
            return _there(closed)

        # First nobody comes in, and what works for it ends; then its rows go, and no new ones come.
        user = await self._store.write(close)
        self._sessions.renew(user)
        await self._sessions.end_all_of(user_id)
        await self._tell(self._leaving, user)
        await self._store.write(lambda c: users.remove(c, user_id))
        await self._tell(self._changed, user)

    async def _tell(self, listeners: list[Told], user: User) -> None:
        for told in listeners:
            await told(user)


def _there(user: User | None) -> User:
    if user is None:
        raise UnknownId("there is no such account")
    return user


def _check_admins(connection: Connection, user: User) -> None:
    """Raises LastAdmin where `user` is the only one."""
    if user.role is Role.ADMIN and users.count_admins(connection) == 1:
        raise LastAdmin(
            "this is the only admin, and somebody has to be one",
            hint="make somebody else an admin first",
        )
