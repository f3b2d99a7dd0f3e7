"""Accounts and keys from the shell: for whoever can read the owner's token on this machine.

These endpoints are at the OpenAI door, where the commands call. They do not ask for a key, but for
the token: who may read that file could read and change the database, too.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from paddock.access.hosts import parse_address
from paddock.access.tokens import digest_of, new_token
from paddock.chat import forms, inviting
from paddock.chat.accounts import Accounts, wanted
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.key_ring import Keyring
from paddock.chat.members import changes, role_of, temporary_password
from paddock.chat.owner_paths import KEYS, USERS
from paddock.chat.paths import Paths
from paddock.chat.people import key as shown_key
from paddock.chat.people import member
from paddock.errors import Forbidden, InvalidRequest, StorageError, UnknownId
from paddock.gateway import problems
from paddock.gateway.routes import Call
from paddock.storage.chat_store import Store
from paddock.storage.keys import Key
from paddock.storage.users import Role, User

FILE: Final = "owner.token"
HEADER: Final = "X-Paddock-Owner"
FILE_HEADER: Final = "X-Paddock-Owner-File"
"""Names the file to who asks from this machine without the token."""
OWNER: Final = "the owner"
"""In the audit: who can use the shell has no account."""


async def new_owner_token(state_dir: Path) -> str:
    """The owner's token of this run, kept in a file that only we can read. Raises StorageError."""
    file = state_dir / FILE
    try:
        return await asyncio.to_thread(_written, file)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error


def _written(file: Path) -> str:
    token = new_token()
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(token + "\n")
    return token


class Owning:
    """The endpoints of the commands `paddock user` and `paddock key`."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Accounts,
        keys: Keyring,
        token: str,
        file: Path,
        chat_url: Callable[[], str],
    ) -> None:
        """`token` is kept in `file`; `chat_url`: where the chat's door is, for links."""
        self._store = store
        self._accounts = accounts
        self._keys = keys
        self._token = digest_of(token)
        self._file = file
        self._chat_url = chat_url
        self._paths = Paths(self._routes())

    async def answer(self, call: Call) -> web.StreamResponse:
        """Answer who has the token. Raises Forbidden for everybody else."""
        given = call.request.headers.get(HEADER, "")
        if not hmac.compare_digest(digest_of(given), self._token):
            return _refused(call, self._file)
        route, ids = self._paths.find(call.request.method, call.request.rel_url.raw_path)
        return await route.endpoint(ChatCall(call, ids, None, call.request.rel_url.query))

    def _routes(self) -> Iterable[ChatRoute]:
        one = f"{USERS}/{{user}}"
        table = (
            ("GET", USERS, self.everybody),
            ("POST", USERS, self.add),
            ("POST", f"{USERS}/invite", self.invite),
            ("PATCH", one, self.change),
            ("DELETE", one, self.remove),
            ("POST", f"{one}/password", self.set_password),
            ("GET", KEYS, self.keys),
            ("POST", KEYS, self.add_key),
            ("DELETE", f"{KEYS}/{{key}}", self.remove_key),
        )
        return [ChatRoute(method, path, Who.ANYONE, answer) for method, path, answer in table]

    # --- accounts

    async def everybody(self, chat: ChatCall) -> web.StreamResponse:  # noqa: ARG002
        """All accounts."""
        return answered({"users": [member(user) for user in await self._accounts.everybody()]})

    async def add(self, chat: ChatCall) -> web.StreamResponse:
        """A new account, with the password that is sent or a temporary one, which is told."""
        told = await chat.json(forms.SMALL)
        password, is_temporary = _password(told)
        asked = wanted(forms.text(told, "login"), forms.text(told, "name", ""), password)
        role = role_of(told.get("role", Role.USER))
        user = await self._accounts.add(asked, role, must_change=is_temporary)
        return answered({"user": member(user)} | _temporary(password, is_temporary))

    async def invite(self, chat: ChatCall) -> web.StreamResponse:
        """A new invite, in the name of the first admin."""
        told = await chat.json(forms.SMALL)
        everybody = await self._accounts.everybody()
        admin = next((user for user in everybody if user.role is Role.ADMIN), None)
        if admin is None:
            raise InvalidRequest(
                "there is no admin yet",
                hint="open the chat and set it up, or `paddock user add LOGIN --role admin`",
            )
        made = await inviting.make(self._store, told, admin.id, OWNER)
        return answered(made.told(forms.text(told, "origin", "") or self._chat_url()))

    async def change(self, chat: ChatCall) -> web.StreamResponse:
        """Another role, name, or other limits."""
        user = await self._accounts.find_login(chat.ids["user"])
        values = changes(await chat.json(), user)
        return answered({"user": member(await self._accounts.change(user.id, OWNER, **values))})

    async def remove(self, chat: ChatCall) -> web.StreamResponse:
        """Remove an account and all of it."""
        user = await self._accounts.find_login(chat.ids["user"])
        await self._accounts.remove(user.id, OWNER)
        return answered({"user": member(user)})

    async def set_password(self, chat: ChatCall) -> web.StreamResponse:
        """Another password: the one that is sent, or a temporary one, which is told."""
        user = await self._accounts.find_login(chat.ids["user"])
        password, is_temporary = _password(await chat.json(forms.SMALL))
        changed = await self._accounts.set_password(
            user, password, field="password", by=OWNER, must_change=is_temporary
        )
        return answered({"user": member(changed)} | _temporary(password, is_temporary))

    # --- keys

    async def keys(self, chat: ChatCall) -> web.StreamResponse:  # noqa: ARG002
        """All keys; `user` is null for those of the house."""
        return answered({"keys": [_key(key, owner) for key, owner in await self._keys.all()]})

    async def add_key(self, chat: ChatCall) -> web.StreamResponse:
        """A new key of a user's or, without one, of the house; its secret is told this once."""
        told = await chat.json(forms.SMALL)
        login = forms.text(told, "user", "")
        owner = await self._accounts.find_login(login) if login else None
        key, secret = await self._keys.add(owner, told)
        return answered({"key": _key(key, owner), "secret": secret})

    async def remove_key(self, chat: ChatCall) -> web.StreamResponse:
        """Take a key back, whosever it is."""
        for key, owner in await self._keys.all():
            if key.id == chat.ids["key"]:
                await self._keys.remove(key.user_id, key.id)
                return answered({"key": _key(key, owner)})
        raise UnknownId("there is no such key", hint="`paddock key list` shows their ids")


def _refused(call: Call, file: Path) -> web.Response:
    error = Forbidden(
        "only the owner of this machine may do that",
        hint="run it on the daemon's machine, as the user that the daemon runs as",
    )
    response = problems.response(error, call.request.path)
    address = parse_address(call.request.remote or "")
    if address is not None and address.is_loopback:
        response.headers[FILE_HEADER] = quote(str(file))
    return response


def _password(told: dict[str, Any]) -> tuple[str, bool]:
    """The password that was sent; else a temporary one, and that it is."""
    if "password" in told:
        return forms.text(told, "password"), False
    return temporary_password(), True


def _temporary(password: str, is_temporary: bool) -> dict[str, str]:
    return {"password": password} if is_temporary else {}


def _key(key: Key, owner: User | None) -> dict[str, Any]:
    return shown_key(key) | {"user": owner.login if owner else None}
