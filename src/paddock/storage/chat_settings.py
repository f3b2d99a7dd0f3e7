"""What admins have set in the chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from paddock.storage.chat_tables import SETTINGS


def everything(connection: Connection) -> dict[str, Any]:
    """All that is set, by key."""
    return {row.key: row.value for row in connection.execute(select(SETTINGS))}


def change(connection: Connection, changes: Mapping[str, Any]) -> None:
    """Set these; what is None is set no more."""
    connection.execute(delete(SETTINGS).where(SETTINGS.c.key.in_(list(changes))))
    kept = [{"key": key, "value": value} for key, value in changes.items() if value is not None]
    if kept:
        connection.execute(insert(SETTINGS), kept)
