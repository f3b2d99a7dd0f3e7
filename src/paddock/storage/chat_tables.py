"""The tables of the chat: accounts, chats, files, settings. The same on SQLite and PostgreSQL.

Times are milliseconds since 1970, UTC. Every row that belongs to somebody has `user_id`, and every
question that takes an id carries it. What searches the texts differs by database and is made in
the migrations.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    types,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID_LENGTH: Final = 32

_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL cannot keep, and halves of surrogate pairs, which are no characters."""


class String(types.TypeDecorator[str]):
    """A text as every database can keep it: what cannot be kept becomes U+FFFD."""

    impl = types.String
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Any) -> str | None:
        """The text on its way to the database."""
        return value if value is None else _UNKEPT.sub("\ufffd", value)


class Text(String):
    """The same, of any length."""

    impl = types.Text
    cache_ok = True


def _id() -> Column[str]:
    return Column("id", String(ID_LENGTH), primary_key=True)


def _owner(*, nullable: bool = False) -> Column[str]:
    """Whose row it is; it goes with the account."""
    return Column(
        "user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=nullable, index=True
    )


USERS: Final = Table(
    "users",
    METADATA,
    _id(),
    Column("login", String(254), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password", String(300), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("role", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
)
"""`login` in lower case; `password` an argon2id hash; `role`: admin, user, pending."""

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    _id(),
    _owner(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("device", String(300), nullable=False),
    Column("address", String(64), nullable=False),
)
"""`digest`: SHA-256 of the cookie in hex; the cookie itself is not kept."""

KEYS: Final = Table(
    "keys",
    METADATA,
    _id(),
    _owner(nullable=True),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("prefix", String(16), nullable=False),
    Column("doors", JSON),
    Column("models", JSON),
    Column("created", BigInteger, nullable=False),
    Column("last_used", BigInteger),
    Column("expires", BigInteger),
)
"""No `user_id`: a key of the house's. `doors` and `models`: lists; NULL is all of them."""

INVITES: Final = Table(
    "invites",
    METADATA,
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("note", String(200), nullable=False),
    Column("created_by", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used_by", ForeignKey("users.id", ondelete="SET NULL")),
    Column("used_at", BigInteger),
)

USAGE: Final = Table(
    "usage",
    METADATA,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
)
"""`day`: YYYY-MM-DD of the daemon's clock; `tokens`: read and written."""

PRESETS: Final = Table(
    "presets",
    METADATA,
    _id(),
    _owner(nullable=True),
    Column("name", String(200), nullable=False),
    Column("model", String(300), nullable=False),
    Column("system", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
"""No `user_id`: for the whole house."""

FOLDERS: Final = Table(
    "folders",
    METADATA,
    _id(),
    _owner(),
    Column("name", String(200), nullable=False),
    Column("position", Integer, nullable=False),
)

CHATS: Final = Table(
    "chats",
    METADATA,
    _id(),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("title", Text, nullable=False),
    Column("title_by", String(16), nullable=False),
    Column("folder_id", ForeignKey("folders.id", ondelete="SET NULL"), index=True),
    Column("pinned", Boolean, nullable=False),
    Column("archived", Boolean, nullable=False),
    Column("temporary", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("current", String(ID_LENGTH)),
    Column("model", String(300)),
    Column("settings", JSON, nullable=False),
    Index(None, "user_id", "archived", "updated", "id"),
)
"""`title_by`: words (the first ones), model, user. `current`: the last message of the branch that
is shown. `model`: the one that answered last."""

MESSAGES: Final = Table(
    "messages",
    METADATA,
    _id(),
    _owner(),
    Column("chat_id", ForeignKey("chats.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("parent_id", String(ID_LENGTH)),
    Column("role", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("reasoning", Text, nullable=False),
    Column("model", String(300)),
    Column("files", JSON, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", JSON),
    Column("meta", JSON, nullable=False),
)
"""`files`: ids. `state`: done, writing, stopped, failed, interrupted."""

FILES: Final = Table(
    "files",
    METADATA,
    _id(),
    _owner(),
    Column("name", String(300), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("text", Text),
    Column("created", BigInteger, nullable=False),
)
"""`kind`: image, text, pdf. `text`: what a model is told of it; the bytes are a file beside."""

SETTINGS: Final = Table(
    "settings",
    METADATA,
    Column("key", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
)

AUDIT: Final = Table(
    "audit",
    METADATA,
    _id(),
    Column("time", BigInteger, nullable=False, index=True),
    Column("actor", String(254), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(254), nullable=False),
    Column("detail", JSON, nullable=False),
)
"""What admins did to others. `actor` and `subject`: logins, which outlive their accounts."""
