"""Sessions: the devices on which somebody is signed in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from paddock.storage.chat_tables import SESSIONS, USERS
from paddock.storage.users import COLUMNS, User, user_of


@dataclass(frozen=True, slots=True)
class Device:
    """One session. Times are milliseconds since 1970."""

    id: str
    user_id: str
    created: int
    last_seen: int
    expires: int
    device: str
    """What it says it is, in words for people."""
    address: str


_SHOWN: Final = tuple(column for column in SESSIONS.c if column.name != "digest")


def add(connection: Connection, device: Device, digest: str) -> None:
    """Keep a new session; those that are over go."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.expires <= device.created))
    connection.execute(insert(SESSIONS).values(**asdict(device), digest=digest))


def find(connection: Connection, digest: str, now: int) -> tuple[Device, User] | None:
    """The living session of this digest, and whose it is."""
    living = SESSIONS.c.digest == digest, SESSIONS.c.expires > now
    row = connection.execute(select(*_SHOWN).where(*living)).mappings().first()
    if row is None:
        return None
    device = Device(**row)
    owner = select(*COLUMNS).where(USERS.c.id == device.user_id)
    return device, user_of(connection.execute(owner).mappings().one())


def of(connection: Connection, user_id: str, now: int) -> tuple[Device, ...]:
    """A user's living sessions, the one that was used last first."""
    own = select(*_SHOWN).where(SESSIONS.c.user_id == user_id, SESSIONS.c.expires > now)
    rows = connection.execute(own.order_by(SESSIONS.c.last_seen.desc(), SESSIONS.c.id))
    return tuple(Device(**row) for row in rows.mappings())


def seen(connection: Connection, device: str, user_id: str, now: int, expires: int) -> None:
    """A session was used."""
    own = update(SESSIONS).where(SESSIONS.c.id == device, SESSIONS.c.user_id == user_id)
    connection.execute(own.values(last_seen=now, expires=expires))
    connection.execute(update(USERS).where(USERS.c.id == user_id).values(last_seen=now))


def remove(connection: Connection, user_id: str, device: str) -> bool:
    """End one of a user's sessions; whether there was it."""
    own = delete(SESSIONS).where(SESSIONS.c.id == device, SESSIONS.c.user_id == user_id)
    return connection.execute(own).rowcount > 0


def remove_of(connection: Connection, user_id: str, but: str = "") -> None:
    """End all sessions of a user's, but for one."""
    own = SESSIONS.c.user_id == user_id, SESSIONS.c.id != but
    connection.execute(delete(SESSIONS).where(*own))
