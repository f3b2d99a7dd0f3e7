"""Under which names this machine may be called, and which web pages may call it.

A hostile page can point its own name at 127.0.0.1 (DNS rebinding) and then read our answers as its
own. It cannot choose the name in the Host header, so only names that are ours are served, on every
door and every address.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from paddock.errors import Forbidden, InvalidRequest

Address = IPv4Address | IPv6Address

_HOST = re.compile(r"(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"https?://(?P<host>[^/?#@\\]+)")


NETWORK_DOMAINS = (".local", ".internal")
"""Names that only the network here gives. Containers know their host by one, as in
`host.docker.internal`; but whoever runs a network can give them to a page of his own, too."""

APP_SCHEMES = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})
"""Of pages that a program on this machine brings along. No website can be of such an origin; but it
can be of `null`, which a browser says for files."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A parsed `host[:port]`. A name is in lower case without its last dot."""

    host: str | Address
    port: int | None = None


def parse_authority(text: str) -> Authority | None:
    """`text` as a Host header writes it, strictly; None when it is not that."""
    match = _HOST.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port <= 65535:
        return None
    return _authority(match["host"], port)


def _authority(host: str, port: int | None) -> Authority | None:
    if host.startswith("["):
        address = parse_address(host[1:-1])
        return Authority(address, port) if address else None
    name = host.lower().removesuffix(".")
    return Authority(parse_address(name) or name, port) if name else None


def parse_address(text: str) -> Address | None:
    """An IP address as a socket names it: a zone is dropped, a mapped IPv4 address is taken out."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class HostRules:
    """The names and addresses by which one machine may be called.

    `hostname` is the machine's own name, `allowed` the owner's `allowedHosts`: names, addresses, or
    `*.` and a domain, which stands for every name below it. With `network_names`, programs, but not
    browsers, may call it by any name of `NETWORK_DOMAINS`.
    """

    def __init__(
        self, hostname: str, allowed: Iterable[str] = (), *, network_names: bool = False
    ) -> None:
        own = hostname.lower().removesuffix(".")
        self._label = own.partition(".")[0]
        entries = [entry.lower().removesuffix(".") for entry in allowed]
        self._domains = tuple(entry[1:] for entry in entries if entry.startswith("*."))
        self._addresses = frozenset(filter(None, map(parse_address, entries)))
        named = {own, self._label, f"{self._label}.local"} if self._label else set()
        self._names = {"localhost", *named, *entries}
        self.has_network_names = network_names

    def check(
        self, hosts: Sequence[str], local_address: str, *, by_browser: bool = True
    ) -> Authority:
        """The authority a request was sent to: `hosts` holds the values of its Host headers.

        `local_address` is the address of ours that the connection came in on, `by_browser` that a
        page may have had the request sent. Raises InvalidRequest
        for no header, two, or a malformed one, and Forbidden for a name that is not ours.
        """
        if len(hosts) != 1:
            raise InvalidRequest("a request needs exactly one Host header", param="Host")
        authority = parse_authority(hosts[0])
        if authority is None:
            raise InvalidRequest("the Host header is malformed", param="Host")
        if not self._is_ours(authority.host, local_address) and (
            by_browser or not self._is_network_name(authority.host)
        ):
            raise Forbidden(
                f"this machine is not called {authority.host}",
                hint=f"if it is, add it to the config: `allowedHosts: [{authority.host}]`",
            )
        return authority

    def _is_ours(self, host: str | Address, local_address: str) -> bool:
        if not isinstance(host, str):
            own = host.is_loopback or host == parse_address(local_address)
            return own or host in self._addresses
        if host in self._names or host.endswith((".localhost", *self._domains)):
            return True  # every name below `localhost` is this machine, whoever is asked
        return self._is_tailnet_name(host)

    def _is_network_name(self, host: str | Address) -> bool:
        known = self.has_network_names and isinstance(host, str)
        return known and str(host).endswith(NETWORK_DOMAINS)

    def _is_tailnet_name(self, host: str) -> bool:
        """`<this machine>.<tailnet>.ts.net`: Tailscale gives such names, nobody else can."""
        label, _, rest = host.partition(".")
        tailnet = rest.removesuffix(".ts.net")
        own = bool(label) and label == self._label
        return own and tailnet != rest and "." not in tailnet


def cross_origin(
    origins: Sequence[str],
    host: Authority,
    allowed: Iterable[str],
    is_allowed: Callable[[str], bool] | None = None,
) -> str:
    """The origin to name in CORS headers, or "" when the request is no page of another origin.

    `origins` holds the values of the Origin headers, `host` what `HostRules.check` returned,
    `allowed` the owner's `allowedOrigins`; `is_allowed` is asked about others, in lower case.
    Raises Forbidden for a page that may not call us.
    """
    if not origins:
        return ""
    origin = origins[0].lower()
    if len(origins) == 1:
        if origin in {entry.lower() for entry in allowed}:
            return origins[0]
        match = _ORIGIN.fullmatch(origin)
        if match and parse_authority(match["host"]) == host:
            return ""
        if is_allowed is not None and is_allowed(origin):
            return origins[0]
    raise page_refused()


def is_local_page(origin: str) -> bool:
    """Whether an origin, in lower case, is a page of this machine: of a server, or of a program."""
    scheme, separator, place = origin.partition("://")
    if not separator:
        return False
    if scheme in APP_SCHEMES:
        return True
    authority = parse_authority(place) if scheme in {"http", "https"} else None
    if authority is None:
        return False
    host = authority.host
    if isinstance(host, str):
        return host == "localhost"
    return host.is_loopback or host.is_unspecified


def looks_like_browser(headers: Mapping[str, str]) -> bool:
    """Whether a page may have had a request sent: browsers say in which languages they are read,
    and no page can take that away."""
    return bool(_OF_BROWSERS & {name.lower() for name in headers}) or headers.get(
        "User-Agent", ""
    ).startswith("Mozilla/")


_OF_BROWSERS = frozenset({"accept-language", "origin", "referer", "sec-fetch-site", "cookie"})


def is_from_other_page(fetch_site: str) -> bool:
    """Whether `Sec-Fetch-Site` says that a page of another origin made a browser ask.

    Browsers say so to https and to this machine only; everybody else says nothing.
    """
    return fetch_site in {"cross-site", "same-site"}


def page_refused() -> Forbidden:
    """The error for a web page that may not call us."""
    return Forbidden(
        "this web page may not call Paddock",
        hint="the owner can add its origin, as in `allowedOrigins: [https://chat.example.lan]`",
    )


def machine_name() -> str:
    """The name of this machine, as it calls itself."""
    return socket.gethostname()
