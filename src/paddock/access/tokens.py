"""Secrets that we give out: cookies, keys, invites. Only their digests are kept."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

KEY_BEGINS: Final = "pk-"
"""How the keys of accounts begin, so that people and scanners of secrets know one."""

_BYTES: Final = 32


def new_token() -> str:
    """43 characters that go into a URL as they are: 256 bits that nobody can guess."""
    return secrets.token_urlsafe(_BYTES)


def new_key() -> str:
    """A key for programs."""
    return KEY_BEGINS + new_token()


def digest_of(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hex. It is as random as it is long, so no salt helps."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
