"""The setup token: who has it makes the first account, an admin's. Only the owner can read it."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from pathlib import Path
from typing import Final

from paddock.access.tokens import digest_of, new_token
from paddock.errors import PaddockError, StorageError
from paddock.gateway import problems
from paddock.storage import users
from paddock.storage.chat_store import Store

FILE: Final = "setup.token"


class SetUpAlready(PaddockError):
    """There is an admin."""


problems.SHAPES[SetUpAlready] = problems.Shape(409, "invalid_request_error", "set_up_already")


class Setup:
    """Whether the house has an admin yet, and the token for the first one."""

    def __init__(self, *, store: Store, state_dir: Path) -> None:
        self._store = store
        self._file = state_dir / "chat" / FILE
        self._token: str | None = None
        self._is_done = False

    async def token(self) -> str | None:
        """The token to tell the owner; None: there is an admin. Raises StorageError."""
        if await self.is_wanted() and self._token is None:
            self._token = await asyncio.to_thread(_kept_or_new, self._file)
        return self._token

    async def is_wanted(self) -> bool:
        """Whether there is no admin. Once there is one, there always is."""
        if not self._is_done:
            admins = await self._store.read(users.count_admins)
            if admins:
                await self.done()
        return not self._is_done

    async def matches(self, given: str) -> bool:
        """Whether this is the token."""
        token = await self.token()
        return token is not None and hmac.compare_digest(digest_of(token), digest_of(given))

    async def done(self) -> None:
        """There is an admin: the token is worth nothing, and goes."""
        self._is_done, self._token = True, None
        with suppress(OSError):
            await asyncio.to_thread(self._file.unlink, missing_ok=True)


async def setup_token(store: Store, state_dir: Path) -> str | None:
    """The token with which the first admin signs up, kept in a file that only we can read; None
    where there is an admin. Raises StorageError."""
    return await Setup(store=store, state_dir=state_dir).token()


def _kept_or_new(file: Path) -> str:
    """What the file holds; a new token, where it holds none."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if kept := file.read_text().strip():
                return kept
        token = new_token()
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(token + "\n")
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror}", hint="give stateDir to the daemon's user"
        ) from error
    return token
