"""Where we may go: origins read strictly, and addresses told public or not.

One reader for every address from a configuration, a name, a redirect or a challenge, and no second
opinion: what it accepts is written in the one way that every program reads alike. What browsers
repair is refused: other spellings of numbers, user names, backslashes, letters that are not ASCII.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network
from typing import Final, NamedTuple
from urllib.parse import urljoin

from yarl import URL

from paddock.errors import AddressRefused

PORTS: Final = {"http": 80, "https": 443}
MOST_BYTES: Final = 16 << 10
"""Of an address; signed ones have a few kilobytes."""

_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LIKE_A_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

_NAT64: Final = IPv6Network("64:ff9b::/96")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NEVER: Final = tuple(
    IPv6Network(network)
    for network in (
        "::/96",  # an IPv4 address in the last four bytes, since long out of use
        "::ffff:0:0:0/96",  # the same, translated
        "64:ff9b:1::/48",  # NAT64 of one site
        "2001::/32",  # Teredo: another address is inside
        "2002::/16",  # 6to4: likewise
        "fec0::/10",  # site-local
    )
)
_RELAYS: Final = IPv4Address("192.88.99.0")
"""192.88.99.0/24, where 6to4 packets were sent."""


class Origin(NamedTuple):
    """Scheme, host and port: what credentials belong to."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Lower case; an IPv6 address without brackets."""
    port: int

    def __str__(self) -> str:
        """`https://host`, with the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if PORTS[self.scheme] == self.port else f":{self.port}"
        )


def read(text: str) -> tuple[URL, Origin]:
    """An address as it is sent, byte for byte, and its origin. Raises AddressRefused.

    A fragment is left out.
    """
    plain = text.partition("#")[0]
    if len(plain) > MOST_BYTES or not _VISIBLE.fullmatch(plain) or "\\" in plain:
        raise _refused(text, "it holds characters that no address has, or is too long")
    scheme, mark, rest = plain.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in PORTS:
        raise _refused(text, "only https:// and http:// are spoken")
    place = re.split(r"[/?]", rest, maxsplit=1)[0]
    origin = _origin(scheme, place, text)
    try:
        url = URL(f"{origin}{rest[len(place) :]}", encoded=True)
        same = (url.scheme, url.raw_host, url.port) == origin
    except ValueError:
        raise _refused(text, "it cannot be read") from None
    if not same:
        raise _refused(text, "it can be read in two ways")
    return url, origin


def joined(before: str, target: str) -> str:
    """The address that `target` means at `before`, as in a redirect. Raises AddressRefused."""
    if not _VISIBLE.fullmatch(target):
        raise _refused(target, "it holds characters that no address has")
    try:
        return urljoin(before, target)
    except ValueError:
        raise _refused(target, "it cannot be read") from None


def origin_of(text: str) -> Origin:
    """The origin of an address. Raises AddressRefused."""
    return read(text)[1]


def _origin(scheme: str, place: str, text: str) -> Origin:
    if "@" in place:
        raise _refused(text, "it holds a user name")
    host, port = _split(place, text)
    if not port:
        return Origin(scheme, host, PORTS[scheme])
    number = port[1:]
    if not re.fullmatch(r"[1-9][0-9]{0,4}", number) or int(number) > 65535:
        raise _refused(text, "its port is none")
    return Origin(scheme, host, int(number))


def _split(place: str, text: str) -> tuple[str, str]:
    """The host, checked and lower case, and the port with its colon, or nothing."""
    if place.startswith("["):
        inside, bracket, port = place[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _refused(text, "its host is none")
        try:
            return str(IPv6Address(_without_zone(inside, text))), port
        except AddressValueError:
            raise _refused(text, "its host is none") from None
    host, colon, number = place.partition(":")
    return _host(host, text), colon + number


def _without_zone(inside: str, text: str) -> str:
    if "%" in inside:
        raise _refused(text, "its host names a network card")
    return inside


def _host(host: str, text: str) -> str:
    labels = host.split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(text, "its host is none")
    if _LIKE_A_NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise _refused(text, "its host is a number that programs read differently") from None
    return host.lower()


def is_literal(host: str) -> bool:
    """Whether an origin's host is an address and no name."""
    return ":" in host or _LIKE_A_NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def is_public(address: str) -> bool:
    """Whether anybody on the Internet could have this IP address.

    An IPv6 address that stands for an IPv4 one is judged by that one, or refused with its kind.
    """
    plain = address.partition("%")[0]
    try:
        return (
            _is_public_6(IPv6Address(plain)) if ":" in plain else _is_public_4(IPv4Address(plain))
        )
    except AddressValueError:
        return False


def _is_public_4(address: IPv4Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and int(address) >> 8 != int(_RELAYS) >> 8
    )


def _is_public_6(address: IPv6Address) -> bool:
    if address in _MAPPED or address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in network for network in _NEVER):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def shown(text: str) -> str:
    """As much of an address as people may see: no query, which may be a signature, no user name."""
    plain = re.split(r"[?#]", text, maxsplit=1)[0]
    scheme, mark, rest = plain.partition("://")
    place, slash, path = rest.partition("/")
    cleaned = scheme + mark + place.rpartition("@")[2] + slash + path
    return "".join(c if c.isprintable() else "�" for c in cleaned[:200])


def _refused(text: str, why: str) -> AddressRefused:
    return AddressRefused(
        f"the address {shown(text)!r} is not used: {why}",
        hint="write it like https://host:port/path",
    )
