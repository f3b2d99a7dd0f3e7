"""Invites: links that make one account each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, insert, select, update

from paddock.storage.chat_tables import INVITES, USERS
from paddock.storage.users import Role


@dataclass(frozen=True, slots=True)
class Invite:
    """One invite. Times are milliseconds since 1970."""

    id: str
    role: Role
    note: str
    created_by: str
    """Id of an admin; invites go with who made them."""
    created: int
    expires: int
    used_by: str | None = None
    used_at: int | None = None


_SHOWN: Final = tuple(column for column in INVITES.c if column.name != "digest")


def _invite(row: RowMapping) -> Invite:
    return replace(Invite(**row), role=Role(row["role"]))


def add(connection: Connection, invite: Invite, digest: str) -> None:
    """Keep a new invite."""
    connection.execute(insert(INVITES).values(**asdict(invite), digest=digest))


def everything(connection: Connection) -> tuple[Invite, ...]:
    """All invites, the newest first."""
    rows = connection.execute(_all().order_by(INVITES.c.created.desc(), INVITES.c.id)).mappings()
    return tuple(_invite(row) for row in rows)


def open_by(connection: Connection, digest: str, now: int) -> tuple[Invite, str] | None:
    """The invite of this digest that can still be used, and the name of who made it."""
    row = connection.execute(_all().where(*_usable(digest, now))).mappings().first()
    if row is None:
        return None
    name = connection.scalar(select(USERS.c.name).where(USERS.c.id == row["created_by"]))
    return _invite(row), name or ""


def use(connection: Connection, digest: str, user_id: str, now: int) -> bool:
    """This account was made with it; False: it cannot be used, or not any more."""
    used = update(INVITES).where(*_usable(digest, now)).values(used_by=user_id, used_at=now)
    return connection.execute(used).rowcount == 1


def remove(connection: Connection, invite_id: str) -> bool:
    """Delete one; whether there was it."""
    return connection.execute(delete(INVITES).where(INVITES.c.id == invite_id)).rowcount > 0


def _all() -> Select[*tuple[Any, ...]]:
    return select(*_SHOWN)


def _usable(digest: str, now: int) -> tuple[ColumnElement[bool], ...]:
    return INVITES.c.digest == digest, INVITES.c.used_at.is_(None), INVITES.c.expires > now
