"""Where something listens: the host and port of a child or a peer, and how to speak to it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from paddock.errors import ArgumentRefused

DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"[A-Za-z0-9._:-]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens. Made by hand for a child of ours, by `parse_url` for the rest."""

    host: str
    """A name or an address; IPv6 without brackets."""
    port: int
    tls: bool = False
    base_path: str = ""
    """In front of every path that is asked for: `/api`, encoded, without a slash at its end."""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.tls else "http"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them; without the port that the scheme implies."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine can be there."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.base_path}"


def parse_url(url: str) -> Address:
    """The address that an http or https URL names. Raises ArgumentRefused with what is wrong."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError as error:  # UnicodeError too
        raise _refused(url, f"cannot be read: {error}") from None
    if problem := _problem(url, parts, host):
        raise _refused(url, problem)
    tls = parts.scheme == "https"
    return Address(host, port or DEFAULT_PORTS[parts.scheme], tls, parts.path.rstrip("/"))


def _problem(url: str, parts: SplitResult, host: str) -> str:
    if parts.scheme not in DEFAULT_PORTS:
        return "is not an http or https URL"
    if not host or parts.port == 0:
        return "names no host, or no port that there is"
    if not _HOST.fullmatch(host):
        return "has a host that is no name and no address"
    if not url.isprintable() or not parts.path.isascii() or " " in parts.path:
        return "has characters that a path cannot hold; write them as %XX"
    if parts.username is not None:
        return "holds a name or a password; a key has its own place"
    if parts.query or parts.fragment:
        return "goes on after its path, as no address of a server does"
    return ""


def _refused(url: str, problem: str) -> ArgumentRefused:
    # What is before an @ may be a password, and what is behind the path a key.
    shown = re.sub(r"[?#].*", "?…", url.rpartition("@")[2], flags=re.DOTALL)
    return ArgumentRefused(
        f"the address {shown!r} {problem}", hint="write it as http://HOST:PORT/PATH"
    )
