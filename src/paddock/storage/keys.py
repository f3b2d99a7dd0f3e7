"""Keys for programs: whose they are, and where they work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from paddock.storage.chat_tables import KEYS
from paddock.storage.users import COLUMNS, User, user_of


@dataclass(frozen=True, slots=True)
class Key:
    """One key without its secret. Times are milliseconds since 1970."""

    id: str
    user_id: str | None
    """None: it is the house's."""
    name: str
    prefix: str
    """How the secret begins, to tell it from others."""
    created: int
    doors: list[str] | None = None
    """None: all of them."""
    models: list[str] | None = None
    """None: all of them."""
    last_used: int | None = None
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Living:
    """A key that may be used, as far as it is not expired."""

    digest: str
    key: Key
    owner: User | None


_SHOWN: Final = tuple(column for column in KEYS.c if column.name != "digest")


def add(connection: Connection, key: Key, digest: str) -> None:
    """Keep a new key."""
    connection.execute(insert(KEYS).values(**asdict(key), digest=digest))


def of(connection: Connection, user_id: str | None) -> tuple[Key, ...]:
    """The keys of a user's, or the house's; the newest first."""
    own = select(*_SHOWN).where(KEYS.c.user_id == user_id)  # SQLAlchemy makes IS NULL of None
    rows = connection.execute(own.order_by(KEYS.c.created.desc(), KEYS.c.id)).mappings()
    return tuple(Key(**row) for row in rows)


def count(connection: Connection, user_id: str | None) -> int:
    """How many keys a user has."""
    own = select(func.count()).select_from(KEYS).where(KEYS.c.user_id == user_id)
    return connection.scalar(own) or 0


def everything(connection: Connection) -> tuple[Living, ...]:
    """All keys with their digests and owners."""
    rows = connection.execute(select(KEYS)).mappings()
    owners = connection.execute(select(*COLUMNS)).mappings()
    users = {row["id"]: user_of(row) for row in owners}
    return tuple(
        Living(
            row["digest"], Key(**{c.name: row[c.name] for c in _SHOWN}), users.get(row["user_id"])
        )
        for row in rows
    )


def remove(connection: Connection, user_id: str | None, key_id: str) -> bool:
    """Delete one of a user's keys, or of the house's; whether there was it."""
    own = and_(KEYS.c.id == key_id, KEYS.c.user_id == user_id)
    return connection.execute(delete(KEYS).where(own)).rowcount > 0


def used(connection: Connection, times: Mapping[str, int]) -> None:
    """Keys, by id, were used last at these times."""
    for key_id, time in times.items():
        connection.execute(update(KEYS).where(KEYS.c.id == key_id).values(last_used=time))
