"""The keys of accounts and of the house: made, listed, taken back, and in force at the doors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection

from paddock.access.grants import Grant, Grants
from paddock.access.tokens import digest_of, new_key
from paddock.chat import forms
from paddock.chat.limits import CLIENT, Limits
from paddock.errors import InvalidRequest, PaddockError, UnknownId
from paddock.storage import keys
from paddock.storage.chat_store import Store
from paddock.storage.ids import new_id, now_ms
from paddock.storage.keys import Key, Living
from paddock.storage.users import Role, User
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 60.0
"""When keys were used is written at most this often."""
MOST: Final = 100
"""Keys of one account."""
DOORS: Final = ("openai", "ollama")
PREFIX: Final = 9
"""Characters of a secret that are shown for ever."""


class Keyring:
    """The keys of everybody. Loop thread only; `open` it, and `aclose` it."""

    def __init__(self, *, store: Store, grants: Grants, limits: Limits) -> None:
        self._store = store
        self._grants = grants
        self._limits = limits
        self._reading = asyncio.Lock()
        self._written: dict[str, int] = {}
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Put the keys in force. Raises StorageError."""
        await self.refresh()
        self._writing = spawn(self._write_now_and_then(), name="write when keys were used")

    async def aclose(self) -> None:
        """Write when keys were used last. Idempotent."""
        if self._writing is not None:
            await cancel_and_wait([self._writing])
            self._writing = None
            await self._write()

    async def refresh(self) -> None:
        """A key or an account has changed: what holds now is in force when this returns."""
        async with self._reading:
            living = await self._store.read(keys.everything)
            grants = ((one.digest, self._grant(one)) for one in living)
            self._grants.replace({digest: grant for digest, grant in grants if grant})

    async def add(self, owner: User | None, told: Mapping[str, Any]) -> tuple[Key, str]:
        """A new key of a user's or, None, of the house's, and its secret. Raises InvalidRequest."""
        secret = new_key()
        key = _wanted(owner, told, secret)

        def write(connection: Connection) -> None:
            if keys.count(connection, key.user_id) >= MOST:
                raise InvalidRequest(f"there are {MOST} keys already", hint="remove old ones")
            keys.add(connection, key, digest_of(secret))

        await self._store.write(write)
        await self.refresh()
        return key, secret

    async def of(self, user_id: str | None) -> list[Key]:
        """The keys of a user's, or the house's."""
        return list(map(self._now, await self._store.read(lambda c: keys.of(c, user_id))))

    async def all(self) -> list[tuple[Key, User | None]]:
        """All keys, and whose they are; None: the house's."""
        living = await self._store.read(keys.everything)
        return [(self._now(one.key), one.owner) for one in living]

    async def remove(self, user_id: str | None, key_id: str) -> None:
        """Take a key back. Raises UnknownId."""
        if not await self._store.write(lambda c: keys.remove(c, user_id, key_id)):
            raise UnknownId("there is no such key")
        await self.refresh()

    def _now(self, key: Key) -> Key:
        """A key, with when it was used last, written or not."""
        return replace(key, last_used=self._grants.used.get(key.id, key.last_used))

    # --- in force

    def _grant(self, one: Living) -> Grant | None:
        key, owner = one.key, one.owner
        if key.user_id is not None and (owner is None or owner.role is Role.PENDING):
            return None
        name = f"{CLIENT}{owner.login}/{key.name}" if owner else f"house:{key.name}"
        models = _both(key.models, owner.limits.get("models") if owner else None)
        is_admins = owner is None or owner.role is Role.ADMIN
        return Grant(
            client=name,
            key_id=key.id,
            doors=None if key.doors is None else frozenset(key.doors),
            models=models,
            expires=key.expires,
            manages=is_admins and models is None,
            limit=partial(self._limits.check, owner) if owner and owner.limits else None,
        )

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        used = dict(self._grants.used)
        new = {key: time for key, time in used.items() if self._written.get(key) != time}
        if not new:
            return
        try:
            await self._store.write(lambda c: keys.used(c, new))
        except PaddockError as error:
            log.warning("when keys were used is not kept: %s", error.message)
            return
        self._written = used


def _both(one: list[str] | None, other: list[str] | None) -> frozenset[str] | None:
    """What both allow; None allows all."""
    if one is None or other is None:
        return None if one is other else frozenset(one or other or ())
    return frozenset(one) & frozenset(other)


def _wanted(owner: User | None, told: Mapping[str, Any], secret: str) -> Key:
    name = " ".join(forms.text(told, "name").split())
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise InvalidRequest("a key's name has 1 to 100 printable characters", param="name")
    doors, models = told.get("doors"), told.get("models")
    now, expires = now_ms(), told.get("expires")
    if expires is not None and (type(expires) is not int or not now < expires < 1 << 53):
        raise InvalidRequest("expires must be a time that is yet to come, in ms", param="expires")
    return Key(
        id=new_id(),
        user_id=owner.id if owner else None,
        name=name,
        prefix=secret[:PREFIX],
        created=now,
        doors=None if doors is None else _doors(doors),
        models=None if models is None else forms.words(models, "models"),
        expires=expires,
    )


def _doors(value: Any) -> list[str]:
    doors = forms.words(value, "doors")
    if not set(doors) <= set(DOORS):
        raise InvalidRequest(f"doors are {' and '.join(DOORS)}", param="doors")
    return doors
