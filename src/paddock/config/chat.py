"""The `chat` section: the web chat and its accounts.

What is written here holds; what is not, an admin may set in the chat itself (`chat/settings.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from paddock.config.masking import MASK, sounds_secret
from paddock.config.section import Bytes, Section, resolved

SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg")
"""How the URL of a database begins."""


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("expected a file or a URL, but it is empty")
    return value


def _file_or_url(text: str, info: ValidationInfo) -> str:
    scheme, colon, _ = text.partition("://")
    if not colon:
        places = info.context or {}
        return str(resolved(text, places.get("folder", ""), places.get("home") or Path.home()))
    if scheme.lower() not in SCHEMES:
        raise ValueError("expected a file, or the URL of a PostgreSQL: postgresql://user@host/name")
    return text


Database = Annotated[
    str,
    BeforeValidator(_not_empty, json_schema_input_type=str),
    AfterValidator(_file_or_url),
    Field(examples=["postgresql://paddock@db.lan/chat"]),
]
"""An SQLite file, as for any other file, or the URL of a PostgreSQL."""


class Uploads(Section):
    """Files that people attach."""

    largest: Annotated[Bytes, Field(ge=1024, le=1 << 30)] = 20 << 20
    """Bytes of one file at most, as a number or as text like `20MB`."""
    total: Bytes = 2 << 30
    """Bytes that one person's files may have together; 0 = as many as the disk takes."""


class Chat(Section):
    """The web chat."""

    database: Database | None = None
    """Where accounts and chats are kept: an SQLite file, or the URL of a PostgreSQL. Default:
    `chat/chat.db` in `stateDir`."""
    title: Annotated[str, Field(min_length=1, max_length=60)] = "Paddock"
    """The name on the page."""
    sign_up: Literal["closed", "approval", "open"] = "closed"
    """Who may make an account without an invite: nobody; anybody, but an admin lets them in;
    anybody."""
    session_days: Annotated[int, Field(ge=1, le=365)] = 30
    """Days after which a device that was not used has to sign in again."""
    default_model: Annotated[str, Field(max_length=300)] = ""
    """The model of new chats of those who chose none. Default: one in memory, else the first."""
    uploads: Uploads = Uploads()
    """Files that people attach."""
    break_glass: bool = False
    """Let admins read others' chats for half an hour, with a reason: it is written down, and the
    one whose chats they are is told. Can only be set in the file."""

    @property
    def shown_database(self) -> str | None:
        """`database` as it may be shown: without a password."""
        text = self.database
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text and text.replace(secret, MASK)
        return text

    @property
    def secrets(self) -> frozenset[str]:
        """What of `database` only its owner may know, as it is written there and as it is meant."""
        if self.database is None or "://" not in self.database:
            return frozenset()
        try:
            parts = urlsplit(self.database)
            password = parts.password or ""
        except ValueError:  # no URL after all: all of it may be secret
            return frozenset({self.database})
        named = (pair.partition("=") for pair in parts.query.split("&"))
        words = {password, *(word for name, _, word in named if sounds_secret(name))} - {""}
        return frozenset(words | {unquote(word) for word in words})
