"""Presets: a model with a system prompt and parameters, a user's own or the house's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from paddock.storage.chat_tables import PRESETS


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset. Times are milliseconds since 1970."""

    id: str
    user_id: str | None
    """None: it is the house's, and everybody may use it."""
    name: str
    created: int
    updated: int
    model: str = ""
    """Empty: any."""
    system: str = ""
    params: dict[str, Any] = field(default_factory=dict)


def get(connection: Connection, user_id: str, preset_id: str) -> Preset | None:
    """One preset that this user may use: their own, or the house's."""
    own = select(PRESETS).where(PRESETS.c.id == preset_id, _usable(user_id))
    row = connection.execute(own).mappings().first()
    return Preset(**row) if row else None


def of(connection: Connection, user_id: str) -> tuple[Preset, ...]:
    """All that a user may use, the house's first, by name."""
    usable = select(PRESETS).where(_usable(user_id))
    rows = connection.execute(
        usable.order_by(PRESETS.c.user_id.is_not(None), PRESETS.c.name, PRESETS.c.id)
    )
    return tuple(Preset(**row) for row in rows.mappings())


def count(connection: Connection, owner: str | None) -> int:
    """How many a user has, or the house."""
    own = select(func.count()).select_from(PRESETS).where(_belongs(owner))
    return connection.scalar(own) or 0


def add(connection: Connection, preset: Preset) -> None:
    """Keep a new preset."""
    connection.execute(insert(PRESETS).values(asdict(preset)))


def change(connection: Connection, owner: str | None, preset_id: str, **values: Any) -> bool:
    """Set columns of a preset of this owner's; whether there is one."""
    own = update(PRESETS).where(PRESETS.c.id == preset_id, _belongs(owner))
    return connection.execute(own.values(**values)).rowcount > 0


def remove(connection: Connection, owner: str | None, preset_id: str) -> bool:
    """Delete a preset of this owner's; whether there was one."""
    own = delete(PRESETS).where(PRESETS.c.id == preset_id, _belongs(owner))
    return connection.execute(own).rowcount > 0


def _usable(user_id: str) -> ColumnElement[bool]:
    return or_(PRESETS.c.user_id == user_id, PRESETS.c.user_id.is_(None))


def _belongs(owner: str | None) -> ColumnElement[bool]:
    return PRESETS.c.user_id.is_(None) if owner is None else PRESETS.c.user_id == owner
