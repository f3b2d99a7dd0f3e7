"""Where the daemon is: `--host`, `PADDOCK_HOST`, `OLLAMA_HOST`, else this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from paddock.errors import PaddockError

DEFAULT_PORT = 8090
OLLAMA_PORT = 11434

_SCHEME_PORTS = {"http": 80, "https": 443}
_CONNECTABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what a server binds, we call


@dataclass(frozen=True, slots=True)
class Address:
    """A daemon's base address."""

    host: str
    port: int
    secure: bool = False
    prefix: str = ""
    """Path before every endpoint, without a last slash; for a daemon behind a proxy."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.prefix}"


class BadAddress(PaddockError):
    """What names the daemon is not an address."""


def find_address(option: str | None, env: Mapping[str, str]) -> Address:
    """The address to call. Raises BadAddress, naming where the wrong one came from."""
    if option:
        return parse(option, "--host", DEFAULT_PORT)
    if given := env.get("PADDOCK_HOST"):
        return parse(given, "PADDOCK_HOST", DEFAULT_PORT)
    if given := env.get("OLLAMA_HOST"):
        return parse(given, "OLLAMA_HOST", OLLAMA_PORT)
    return Address("127.0.0.1", DEFAULT_PORT)


def parse(text: str, source: str, default_port: int) -> Address:
    """`nas`, `nas:8090`, `:8090`, `[::1]:8090`, `::1`, `http://nas` or `https://nas/paddock`."""
    plain = text.strip().strip("\"'")
    scheme, found, rest = plain.partition("://")
    if not found:
        scheme, rest = "http", plain
        if rest.count(":") > 1 and not rest.startswith("["):
            rest = f"[{rest}]"
    try:
        url = urlsplit(f"{scheme}://{rest}")
        port = url.port
    except ValueError:
        raise _bad(text, source) from None
    if url.scheme not in _SCHEME_PORTS or url.username or any(c.isspace() for c in rest):
        raise _bad(text, source)
    host = url.hostname or "127.0.0.1"
    fallback = _SCHEME_PORTS[url.scheme] if found else default_port
    return Address(
        _CONNECTABLE.get(host, host),
        fallback if port is None else port,
        url.scheme == "https",
        url.path.rstrip("/"),
    )


def _bad(text: str, source: str) -> BadAddress:
    return BadAddress(
        f"{source} is not an address: {text!r}",
        hint="write it like nas:8090 or https://nas.example.ts.net",
    )
