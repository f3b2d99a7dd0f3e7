"""Files that users attached: what is known of them. The bytes lie beside the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final, Literal

from sqlalchemy import Connection, delete, func, insert, select, text

from paddock.storage.chat_tables import FILES, MESSAGES

Kind = Literal["image", "text", "pdf"]

_WITH_FILES: Final = text("CAST(messages.files AS TEXT) <> '[]'")
"""As the index over messages with files says it: few of a long history have one."""


@dataclass(frozen=True, slots=True)
class File:
    """One file. Times are milliseconds since 1970."""

    id: str
    user_id: str
    name: str
    """As its user calls it; nothing is ever opened by it."""
    kind: Kind
    media_type: str
    """What its bytes say they are, whatever the sender said."""
    size: int
    tokens: int
    """About how many a model takes for it."""
    created: int
    text: str | None = None
    """What a model is told of it; None for an image."""


def get(connection: Connection, user_id: str, file_id: str) -> File | None:
    """One file of this user's."""
    return next(iter(get_many(connection, user_id, [file_id])), None)


def get_many(connection: Connection, user_id: str, ids: Iterable[str]) -> tuple[File, ...]:
    """Those of these files that are this user's, in the order of `ids`."""
    wanted = list(dict.fromkeys(ids))
    own = select(FILES).where(FILES.c.user_id == user_id, FILES.c.id.in_(wanted))
    rows = connection.execute(own).mappings().all() if wanted else ()
    found = {row["id"]: File(**row) for row in rows}
    return tuple(found[file_id] for file_id in wanted if file_id in found)


def add(connection: Connection, file: File) -> None:
    """Keep a new file."""
    connection.execute(insert(FILES).values(asdict(file)))


def remove(connection: Connection, user_id: str, *ids: str) -> tuple[str, ...]:
    """Forget files of this user's; the ids of those that there were."""
    own = delete(FILES).where(FILES.c.user_id == user_id, FILES.c.id.in_(ids))
    return tuple(connection.scalars(own.returning(FILES.c.id))) if ids else ()


def remove_of(connection: Connection, user_id: str) -> tuple[str, ...]:
    """Delete all files of a user's; the ids of those there were."""
    own = select(FILES.c.id).where(FILES.c.user_id == user_id)
    return remove(connection, user_id, *connection.scalars(own))


def total(connection: Connection, user_id: str) -> int:
    """Bytes of all files of a user's."""
    own = select(func.sum(FILES.c.size)).where(FILES.c.user_id == user_id)
    return int(connection.scalar(own) or 0)


def all_ids(connection: Connection) -> frozenset[str]:
    """Of all users' files."""
    return frozenset(connection.scalars(select(FILES.c.id)))


def in_chats(connection: Connection, user_id: str, *chat_ids: str) -> frozenset[str]:
    """The ids that messages of these chats name; without chats, of all chats of the user's."""
    named = select(MESSAGES.c.files).where(MESSAGES.c.user_id == user_id, _WITH_FILES)
    if chat_ids:
        named = named.where(MESSAGES.c.chat_id.in_(chat_ids))
    return frozenset(one for ids in connection.scalars(named) for one in ids)


def unused(connection: Connection, before: int) -> tuple[File, ...]:
    """Files of all users that no message names, though they came before `before`."""
    rows = connection.execute(select(FILES).where(FILES.c.created < before)).mappings()
    old = [File(**row) for row in rows]
    named = {user: in_chats(connection, user) for user in {file.user_id for file in old}}
    return tuple(file for file in old if file.id not in named[file.user_id])
