"""Who may come in at a door: its names, the web pages that may call it, and its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from aiohttp import web
from multidict import istr

from paddock.access.credentials import key_from
from paddock.access.hosts import (
    Authority,
    HostRules,
    cross_origin,
    is_from_other_page,
    looks_like_browser,
    page_refused,
)
from paddock.access.keys import KeyRing

# Names that are ready to be looked up: a plain text would be folded anew each time.
HOST = istr("Host")
ORIGIN = istr("Origin")
FETCH_SITE = istr("Sec-Fetch-Site")


class Gate:
    """Checks where a request came by and who sends it."""

    def __init__(
        self,
        hosts: HostRules,
        origins: Iterable[str],
        keys: KeyRing,
        is_page_allowed: Callable[[str], bool] | None = None,
    ) -> None:
        """`origins` are those of pages that may call; `is_page_allowed` is asked about others."""
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

    def client_of(self, request: web.BaseRequest) -> str:
        """The caller's public name: its key's, or its address at a door without keys.

        Raises Unauthenticated.
        """
        if self._keys.open:
            return request.remote or ""
        return self._keys.client(key_from(request.headers))


def _check_fetch(headers: Mapping[str, str]) -> None:
    """A page can ask without an Origin, for a picture or a frame, and so load models: it may not.

    Following a link is the user's doing. Raises Forbidden.
    """
    if is_from_other_page(headers.get(FETCH_SITE, "")):
        asked = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
        if asked != ("navigate", "document"):
            raise page_refused()
