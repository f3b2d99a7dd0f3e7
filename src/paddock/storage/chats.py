"""Chats: who has which, and in what order they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, insert, select, tuple_, update

from paddock.storage.chat_tables import CHATS

FIRST_TITLE: Final = "New chat"
MOST_PINNED: Final = 200
"""Shown on a first page, whatever its limit."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat without its messages. Times are milliseconds since 1970."""

    id: str
    user_id: str
    created: int
    updated: int
    title: str = FIRST_TITLE
    title_by: str = "words"
    """Who made the title: words (the first ones of the chat), model, user."""
    folder_id: str | None = None
    pinned: bool = False
    archived: bool = False
    temporary: bool = False
    current: str | None = None
    """The last message of the branch that is shown."""
    model: str | None = None
    """The one that answered last."""
    settings: dict[str, Any] = field(default_factory=dict)
    """model, system, params, preset: what its answers are asked with."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of chats ended: after this one, newest first."""

    updated: int
    id: str


def get(connection: Connection, user_id: str, chat_id: str) -> Chat | None:
    """One chat of this user's."""
    row = connection.execute(select(CHATS).where(*_own(user_id, chat_id))).mappings().first()
    return Chat(**row) if row else None


def page(
    connection: Connection,
    user_id: str,
    *,
    limit: int,
    before: Place | None = None,
    archived: bool = False,
    folder_id: str | None = None,
) -> tuple[Chat, ...]:
    """The next chats, newest first; the first page begins with those that are pinned."""
    wanted: list[ColumnElement[bool]] = [
        CHATS.c.user_id == user_id,
        CHATS.c.archived.is_(archived),
        CHATS.c.temporary.is_(False),
    ]
    if folder_id is not None:
        wanted.append(CHATS.c.folder_id == folder_id)
    ordered = select(CHATS).where(*wanted).order_by(CHATS.c.updated.desc(), CHATS.c.id.desc())
    rest = ordered.where(CHATS.c.pinned.is_(False)).limit(limit)
    if before is not None:
        after = tuple_(CHATS.c.updated, CHATS.c.id) < tuple_(before.updated, before.id)
        return _chats(connection, rest.where(after))
    pinned = ordered.where(CHATS.c.pinned.is_(True)).limit(MOST_PINNED)
    return (*_chats(connection, pinned), *_chats(connection, rest))


def ids(connection: Connection, user_id: str, *, temporary: bool | None = None) -> tuple[str, ...]:
    """Of all chats of a user's, oldest first; of those that are temporary, or not, if asked."""
    found = select(CHATS.c.id).where(CHATS.c.user_id == user_id)
    if temporary is not None:
        found = found.where(CHATS.c.temporary.is_(temporary))
    return tuple(connection.scalars(found.order_by(CHATS.c.created, CHATS.c.id)))


def add(connection: Connection, *chats: Chat) -> None:
    """Keep new chats."""
    if chats:
        connection.execute(insert(CHATS), [asdict(chat) for chat in chats])


def change(connection: Connection, user_id: str, chat_id: str, **values: Any) -> Chat | None:
    """Set columns of a chat; it as it is now, None where there is none."""
    if values:
        connection.execute(update(CHATS).where(*_own(user_id, chat_id)).values(**values))
    return get(connection, user_id, chat_id)


def touch(
    connection: Connection,
    user_id: str,
    chat_id: str,
    *,
    at: int,
    **values: Any,
) -> Chat | None:
    """Something was said in a chat: it moves to the top. `values`: other columns to set."""
    return change(connection, user_id, chat_id, updated=at, **values)


def remove(connection: Connection, user_id: str, *chat_ids: str) -> int:
    """Delete chats with all that was said in them; how many there were."""
    gone = delete(CHATS).where(CHATS.c.user_id == user_id, CHATS.c.id.in_(chat_ids))
    return connection.execute(gone).rowcount


def stale(connection: Connection, before: int) -> tuple[Chat, ...]:
    """Temporary chats, of all users, in which nothing happened since `before`."""
    left = select(CHATS).where(CHATS.c.temporary.is_(True), CHATS.c.updated < before)
    return _chats(connection, left)


def _own(user_id: str, chat_id: str) -> Sequence[ColumnElement[bool]]:
    return CHATS.c.id == chat_id, CHATS.c.user_id == user_id


def _chats(connection: Connection, query: Any) -> tuple[Chat, ...]:
    return tuple(Chat(**row) for row in connection.execute(query).mappings())
