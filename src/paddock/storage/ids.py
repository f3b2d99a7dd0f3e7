"""Ids and times as the chat's tables keep them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_id() -> str:
    """16 characters that go into a URL as they are; nobody can guess one.

    None has a `-`: on a command line, one at the beginning would make it a flag.
    """
    return secrets.token_urlsafe(12).replace("-", "_")


def now_ms() -> int:
    """Milliseconds since 1970, UTC."""
    return int(datetime.now(UTC).timestamp() * 1000)
