"""Accounts: who there is, what they set, and what they may use."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What an account may do. `PENDING`: nothing, until an admin lets it in."""

    ADMIN = "admin"
    USER = "user"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class User:
    """An account. Times are milliseconds since 1970."""

    id: str
    login: str
    name: str
    role: Role
    created: int
    last_seen: int
    must_change: bool = False
    """Its password was set by an admin, and is to be changed first."""
    settings: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    """models, tokens_per_day, parallel, quiet, preset; what is missing is not limited."""
