"""Folders: names under which a user's chats are kept together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from paddock.storage.chat_tables import FOLDERS


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder; they are flat, and shown by position."""

    id: str
    user_id: str
    name: str
    position: int = 0


def get(connection: Connection, user_id: str, folder_id: str) -> Folder | None:
    """One folder of this user's."""
    own = select(FOLDERS).where(FOLDERS.c.id == folder_id, FOLDERS.c.user_id == user_id)
    row = connection.execute(own).mappings().first()
    return Folder(**row) if row else None


def of(connection: Connection, user_id: str) -> tuple[Folder, ...]:
    """All folders of a user's, in order."""
    own = select(FOLDERS).where(FOLDERS.c.user_id == user_id)
    rows = connection.execute(own.order_by(FOLDERS.c.position, FOLDERS.c.name, FOLDERS.c.id))
    return tuple(Folder(**row) for row in rows.mappings())


def count(connection: Connection, user_id: str) -> int:
    """How many a user has."""
    own = select(func.count()).select_from(FOLDERS).where(FOLDERS.c.user_id == user_id)
    return connection.scalar(own) or 0


def add(connection: Connection, folder: Folder) -> None:
    """Keep a new folder."""
    connection.execute(insert(FOLDERS).values(asdict(folder)))


def change(connection: Connection, user_id: str, folder_id: str, **values: Any) -> Folder | None:
    """Set columns of a folder; it as it is now, None where there is none."""
    if values:
        own = update(FOLDERS).where(FOLDERS.c.id == folder_id, FOLDERS.c.user_id == user_id)
        connection.execute(own.values(**values))
    return get(connection, user_id, folder_id)


def remove(connection: Connection, user_id: str, folder_id: str) -> bool:
    """Delete a folder, not the chats in it; whether there was one."""
    own = delete(FOLDERS).where(FOLDERS.c.id == folder_id, FOLDERS.c.user_id == user_id)
    return connection.execute(own).rowcount > 0
