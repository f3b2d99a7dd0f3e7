"""What each account has used, by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from paddock.storage import users
from paddock.storage.chat_tables import USAGE, USERS


@dataclass(slots=True)
class Used:
    """Requests, and the tokens that were read and written for them."""

    requests: int = 0
    tokens: int = 0


def of_day(connection: Connection, day: str) -> dict[str, Used]:
    """What was used on a day (YYYY-MM-DD), by login."""
    asked = select(USERS.c.login, USAGE.c.requests, USAGE.c.tokens).join_from(USAGE, USERS)
    rows = connection.execute(asked.where(USAGE.c.day == day)).mappings()
    return {row["login"]: Used(row["requests"], row["tokens"]) for row in rows}


def add(connection: Connection, day: str, by_login: Mapping[str, Used]) -> None:
    """Count these too. Who is not there any more is left out."""
    for login, used in by_login.items():
        user = users.by_login(connection, login)
        if user is not None:
            _add(connection, user.id, day, used)


def _add(connection: Connection, user_id: str, day: str, used: Used) -> None:
    row = USAGE.c.user_id == user_id, USAGE.c.day == day
    more = update(USAGE).where(*row)
    more = more.values(
        requests=USAGE.c.requests + used.requests, tokens=USAGE.c.tokens + used.tokens
    )
    if connection.execute(more).rowcount == 0:
        first = insert(USAGE).values(
            user_id=user_id, day=day, requests=used.requests, tokens=used.tokens
        )
        connection.execute(first)
