"""What admins did to others: added to, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select

from paddock.storage.chat_tables import AUDIT
from paddock.storage.ids import new_id, now_ms


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing done."""

    id: str
    time: int
    """Milliseconds since 1970, UTC."""
    actor: str
    """The login of who did it."""
    action: str
    """One of our words, such as `break_glass`."""
    subject: str
    """The login of who it was done to, or what else it was about."""
    detail: Mapping[str, Any]


def note(
    connection: Connection,
    actor: str,
    action: str,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> Deed:
    """Write down what is done now."""
    deed = Deed(new_id(), now_ms(), actor, action, subject[:254], dict(detail or {}))
    connection.execute(
        insert(AUDIT).values(
            id=deed.id,
            time=deed.time,
            actor=deed.actor,
            action=deed.action,
            subject=deed.subject,
            detail=dict(deed.detail),
        )
    )
    return deed


def page(connection: Connection, limit: int, before: str = "") -> list[Deed]:
    """The newest deeds, or those that came before the one with the id `before`."""
    asked = select(AUDIT).order_by(AUDIT.c.time.desc(), AUDIT.c.id.desc()).limit(limit)
    last = connection.execute(select(AUDIT.c.time).where(AUDIT.c.id == before)).scalar()
    if last is not None:
        older = and_(AUDIT.c.time == last, AUDIT.c.id < before)
        asked = asked.where(or_(AUDIT.c.time < last, older))
    return [Deed(**row) for row in connection.execute(asked).mappings()]


def about(connection: Connection, login: str, action: str, since: int, limit: int) -> list[Deed]:
    """What was done to an account of this login since it was made; the newest first."""
    rows = connection.execute(
        select(AUDIT)
        .where(AUDIT.c.subject == login, AUDIT.c.action == action, AUDIT.c.time >= since)
        .order_by(AUDIT.c.time.desc(), AUDIT.c.id.desc())
        .limit(limit)
    )
    return [Deed(**row) for row in rows.mappings()]
