"""Passwords: which ones may be chosen, and how they are kept (argon2id) and compared."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from paddock.errors import InvalidRequest

FEWEST: Final = 8
"""Characters."""
MOST_BYTES: Final = 1024
AT_ONCE: Final = 2
"""Hashes that are made at one time: each takes a core, and memory."""

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=32 << 10, parallelism=1)


def check_password(password: str, login: str, field: str = "password") -> None:
    """Raises InvalidRequest for one that may not be chosen for this login."""
    if len(password) < FEWEST:
        raise InvalidRequest(f"a password has at least {FEWEST} characters", param=field)
    if len(_bytes(password)) > MOST_BYTES:
        raise InvalidRequest(f"a password has at most {MOST_BYTES} bytes", param=field)
    if password.strip().lower() == login:
        raise InvalidRequest("the login is no password", param=field)


class Passwords:
    """Makes and compares hashes in threads, few at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(_hashed, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the password of this hash. None, for nobody's, takes as long to say no."""
        async with self._turns:
            return await asyncio.to_thread(_matches, kept, password)


def _hashed(password: str) -> str:
    return _HASHER.hash(_bytes(password))


def _matches(kept: str | None, password: str) -> bool:
    given = _bytes(password)
    try:
        return _HASHER.verify(kept or _nobodys(), given[: MOST_BYTES + 1]) and kept is not None
    except (Argon2Error, InvalidHashError):
        return False


@lru_cache(1)
def _nobodys() -> str:
    """The hash of a password that nobody has."""
    return _hashed("nobody's")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
