"""Accounts: who there is, what they set, and what they may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from paddock.storage.chat_tables import USERS


class Role(StrEnum):
    """What an account may do. `PENDING`: nothing, until an admin lets it in."""

    ADMIN = "admin"
    USER = "user"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class User:
    """An account. Times are milliseconds since 1970."""

    id: str
    login: str
    name: str
    role: Role
    created: int
    last_seen: int
    must_change: bool = False
    """Its password was set by an admin, and is to be changed first."""
    settings: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    """models, tokens_per_day, parallel, quiet, preset; what is missing is not limited."""


COLUMNS: Final = tuple(column for column in USERS.c if column.name != "password")
"""What a `User` is made of: all but the password's hash."""


def user_of(row: RowMapping) -> User:
    """The user in a row of `COLUMNS`."""
    return replace(User(**row), role=Role(row["role"]))


def get(connection: Connection, user_id: str) -> User | None:
    """One account by its id."""
    row = connection.execute(select(*COLUMNS).where(USERS.c.id == user_id)).mappings().first()
    return user_of(row) if row else None


def by_login(connection: Connection, login: str) -> User | None:
    """One account by its login."""
    row = connection.execute(select(*COLUMNS).where(USERS.c.login == login)).mappings().first()
    return user_of(row) if row else None


def everybody(connection: Connection) -> tuple[User, ...]:
    """All accounts, the oldest first."""
    rows = connection.execute(select(*COLUMNS).order_by(USERS.c.created, USERS.c.id)).mappings()
    return tuple(user_of(row) for row in rows)


def count_admins(connection: Connection) -> int:
    """How many admins there are."""
    return _count(connection, Role.ADMIN)


def count_pending(connection: Connection) -> int:
    """How many wait for approval."""
    return _count(connection, Role.PENDING)


def _count(connection: Connection, role: Role) -> int:
    counted = select(func.count()).select_from(USERS).where(USERS.c.role == role.value)
    return connection.scalar(counted) or 0


def password_of(connection: Connection, user_id: str) -> str | None:
    """The hash of an account's password."""
    return connection.scalar(select(USERS.c.password).where(USERS.c.id == user_id))


def add(connection: Connection, user: User, password: str) -> bool:
    """Keep a new account with its password's hash; False: its login is taken."""
    if by_login(connection, user.login) is not None:
        return False
    connection.execute(insert(USERS).values(**asdict(user), password=password))
    return True


def change(connection: Connection, user_id: str, **values: Any) -> User | None:
    """Set columns of an account; it as it is now, None where there is none."""
    if values:
        connection.execute(update(USERS).where(USERS.c.id == user_id).values(**values))
    return get(connection, user_id)


def remove(connection: Connection, user_id: str) -> bool:
    """Delete an account and all rows that are its own; whether there was one."""
    return connection.execute(delete(USERS).where(USERS.c.id == user_id)).rowcount > 0
