"""Asks the daemon what only the owner of its machine may ask: who can read a file of its."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from paddock.cli.client import Client, Refused, connect

HEADER: Final = "X-Paddock-Owner"
FILE: Final = "owner.token"

USERS: Final = "/api/paddock/users"
KEYS: Final = "/api/paddock/keys"

_MOST_BYTES: Final = 200
_AS_ITS_USER: Final = "run this on its machine, as the user that the daemon runs as"


class Owner:
    """Talks to a daemon as its owner."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer. Raises Refused where this is not the owner, and as the client does."""
        try:
            return self._client.ask(method, path, body, self._headers)
        except Refused as error:
            if self._headers or not error.owner_file:
                raise
            self._headers = {HEADER: self._token(unquote(error.owner_file), error)}
        return self._client.ask(method, path, body, self._headers)

    def _token(self, file: str, error: Refused) -> str:
        path = Path(file)
        # What another program on this machine names is not read, and nothing leaves the machine.
        if path.name != FILE or not _is_here(self._client.address.host):
            raise error
        try:
            with path.open() as opened:
                return opened.read(_MOST_BYTES).strip()
        except (OSError, ValueError) as reason:
            raise Refused(f"{file} cannot be read", hint=_AS_ITS_USER) from reason


def owner(host: str | None) -> Owner:
    """The daemon that `--host` or the environment names."""
    return Owner(connect(host))


def user_path(login: str, *more: str) -> str:
    """The path of an account."""
    return "/".join((USERS, quote(login, safe=""), *more))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
