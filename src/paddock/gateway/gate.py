"""Who may come in at a door: its names, the web pages that may call it, and its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from aiohttp import web
from multidict import istr

from paddock.access.credentials import key_from
from paddock.access.grants import Grant, Grants
from paddock.access.hosts import (
    Authority,
    HostRules,
    cross_origin,
    is_from_other_page,
    looks_like_browser,
    page_refused,
)
from paddock.access.keys import KeyRing
from paddock.errors import AccessError, InvalidRequest, Unauthenticated

# Names that are ready to be looked up: a plain text would be folded anew each time.
HOST = istr("Host")
ORIGIN = istr("Origin")
FETCH_SITE = istr("Sec-Fetch-Site")


class Caller(NamedTuple):
    """Who asks at a door."""

    client: str
    """A key's public name, or the address at a door without keys."""
    grant: Grant | None = None
    """What an account's key is good for; None: it is none, and nothing is kept from it here."""


class Gate:
    """Checks where a request came by and who sends it."""

    def __init__(
        self,
        hosts: HostRules,
        origins: Iterable[str],
        keys: KeyRing,
        is_page_allowed: Callable[[str], bool] | None = None,
        *,
        grants: Grants | None = None,
        door: str = "",
    ) -> None:
        """`origins` are those of pages that may call; `is_page_allowed` is asked about others.

        `grants`: the keys of accounts, which count too, as far as they are for this `door`.
        """
        self._grants = grants or Grants()
        self._door = door
        self._origins = tuple(origins)
        self._is_page_allowed = is_page_allowed
        self._keys = keys
        self._hosts = hosts
        self._check_host = lru_cache(256)(hosts.check)
        """The same few names come with every request; a refusal is not kept."""

    def check_place(self, request: web.BaseRequest) -> str:
        """The web page's origin to name in the answer, empty when no page of another origin asks.

        Raises InvalidRequest for a Host that is none, Forbidden for one that is not ours and for a
        page that may not call us.
        """
        headers = request.headers
        address = getattr(request.protocol, "local_address", "")
        by_browser = not self._hosts.has_network_names or looks_like_browser(headers)
        hosts = tuple(headers.getall(HOST, ()))
        authority: Authority = self._check_host(hosts, address, by_browser=by_browser)
        if ORIGIN in headers:
            origins = headers.getall(ORIGIN)
            return cross_origin(origins, authority, self._origins, self._is_page_allowed)
        if FETCH_SITE in headers:
            _check_fetch(headers)
        return ""

    def caller_of(self, request: web.BaseRequest) -> Caller:
        """Who asks. At a door without keys only a key of an account is looked at.

        Raises Unauthenticated, Forbidden for a key that is not for this door, and KeysNotRead.
        """
        if self._keys.open:
            grant = self._grant(_readable_key(request))
            return Caller(grant.client, grant) if grant else Caller(request.remote or "")
        key = key_from(request.headers)
        try:
            return Caller(self._keys.client(key))
        except Unauthenticated:
            self._grants.check_read(key)
            if grant := self._grant(key):
                return Caller(grant.client, grant)
            raise

    def _grant(self, key: str | None) -> Grant | None:
        grant = self._grants.find(key) if key else None
        if grant is not None:
            grant.check_door(self._door)
        return grant


def _readable_key(request: web.BaseRequest) -> str | None:
    """The key, where one is sent as keys are: an open door does not mind what else is there."""
    try:
        return key_from(request.headers)
    except (AccessError, InvalidRequest):
        return None


def _check_fetch(headers: Mapping[str, str]) -> None:
    """A page can ask without an Origin, for a picture or a frame, and so load models: it may not.

    Following a link is the user's doing. Raises Forbidden.
    """
    if is_from_other_page(headers.get(FETCH_SITE, "")):
        asked = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
        if asked != ("navigate", "document"):
            raise page_refused()
