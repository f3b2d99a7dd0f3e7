"""Messages: the tree of what was said in a chat. A branch is the way from its root to a leaf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from paddock.storage.chat_tables import MESSAGES

DEEPEST: Final = 10_000
"""Messages of one branch that are looked at: a broken import may lead in a circle."""

Role = Literal["user", "assistant"]
State = Literal["done", "writing", "stopped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Times are milliseconds since 1970."""

    id: str
    user_id: str
    chat_id: str
    parent_id: str | None
    """What it answers, or goes on from; None: it begins the chat."""
    role: Role
    content: str
    created: int
    reasoning: str = ""
    model: str | None = None
    files: tuple[str, ...] = ()
    """Ids."""
    state: State = "done"
    error: dict[str, Any] | None = None
    """message, hint."""
    meta: dict[str, Any] = field(default_factory=dict)
    """How long it took, and how many tokens."""


def get(connection: Connection, user_id: str, chat_id: str, message_id: str) -> Message | None:
    """One message of a chat of this user's."""
    own = select(MESSAGES).where(MESSAGES.c.id == message_id, *_own(user_id, chat_id))
    return next(iter(_messages(connection, own)), None)


def of(connection: Connection, user_id: str, chat_id: str) -> tuple[Message, ...]:
    """All messages of a chat, those that were said first before the others."""
    own = select(MESSAGES).where(*_own(user_id, chat_id))
    return _messages(connection, own.order_by(MESSAGES.c.created, MESSAGES.c.id))


def branch(
    connection: Connection, user_id: str, chat_id: str, message_id: str
) -> tuple[Message, ...]:
    """The way from the root to a message, which is the last one; empty where there is none."""
    here = (
        select(MESSAGES.c.id, MESSAGES.c.parent_id, literal(0).label("depth"))
        .where(MESSAGES.c.id == message_id, *_own(user_id, chat_id))
        .cte("branch", recursive=True)
    )
    above = select(MESSAGES.c.id, MESSAGES.c.parent_id, here.c.depth + 1).where(
        MESSAGES.c.id == here.c.parent_id, here.c.depth < DEEPEST, *_own(user_id, chat_id)
    )
    way = here.union_all(above)
    found = select(MESSAGES).join(way, way.c.id == MESSAGES.c.id).order_by(way.c.depth.desc())
    return _messages(connection, found)


def with_all_after(
    connection: Connection, user_id: str, chat_id: str, message_id: str
) -> tuple[str, ...]:
    """The ids of a message and of all that follows it, in every branch."""
    here = (
        select(MESSAGES.c.id)
        .where(MESSAGES.c.id == message_id, *_own(user_id, chat_id))
        .cte("after", recursive=True)
    )
    below = select(MESSAGES.c.id).where(MESSAGES.c.parent_id == here.c.id, *_own(user_id, chat_id))
    return tuple(connection.scalars(select(here.union(below).c.id)))


def leaf(connection: Connection, user_id: str, chat_id: str, under: str | None) -> str | None:
    """The end of the newest branch that goes by `under`, which may be it; None: of the chat."""
    at = under
    for _ in range(DEEPEST):
        newest = (
            select(MESSAGES.c.id)
            .where(_answers(at), *_own(user_id, chat_id))
            .order_by(MESSAGES.c.created.desc(), MESSAGES.c.id.desc())
            .limit(1)
        )
        child = connection.scalar(newest)
        if child is None:
            break
        at = child
    return at


def count(connection: Connection, user_id: str, chat_id: str) -> int:
    """How many messages a chat has, in all branches."""
    own = select(func.count()).select_from(MESSAGES).where(*_own(user_id, chat_id))
    return connection.scalar(own) or 0


def add(connection: Connection, *messages: Message) -> None:
    """Keep new messages."""
    if messages:
        connection.execute(insert(MESSAGES), [_row(message) for message in messages])


def change(
    connection: Connection, user_id: str, chat_id: str, message_id: str, **values: Any
) -> bool:
    """Set columns of a message; whether there is one."""
    own = update(MESSAGES).where(MESSAGES.c.id == message_id, *_own(user_id, chat_id))
    return connection.execute(own.values(**values)).rowcount > 0


def remove(connection: Connection, user_id: str, chat_id: str, ids: Sequence[str]) -> int:
    """Delete messages; how many there were."""
    own = delete(MESSAGES).where(MESSAGES.c.id.in_(ids), *_own(user_id, chat_id))
    return connection.execute(own).rowcount if ids else 0


def interrupt_all(connection: Connection) -> int:
    """Messages, of all users, that were being written when the daemon ended are written no more."""
    left = update(MESSAGES).where(MESSAGES.c.state == "writing").values(state="interrupted")
    return connection.execute(left).rowcount


def _own(user_id: str, chat_id: str) -> tuple[ColumnElement[bool], ...]:
    return MESSAGES.c.chat_id == chat_id, MESSAGES.c.user_id == user_id


def _answers(parent: str | None) -> ColumnElement[bool]:
    return MESSAGES.c.parent_id.is_(None) if parent is None else MESSAGES.c.parent_id == parent


def _row(message: Message) -> dict[str, Any]:
    return {**asdict(message), "files": list(message.files)}


def _messages(connection: Connection, query: Select[Any]) -> tuple[Message, ...]:
    rows: Iterable[Any] = connection.execute(query).mappings()
    return tuple(Message(**{**row, "files": tuple(row["files"])}) for row in rows)
