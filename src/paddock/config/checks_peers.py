"""What is wrong with the entries of `peers`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from paddock.config.checks_models import url_problem
from paddock.config.faults import Fault
from paddock.config.schema import Config

_DEFAULT_PORTS = {"http": 80, "https": 443}


def _addresses(config: Config) -> Iterator[Fault]:
    for id_, peer in config.peers.items():
        place = ("peers", id_, "proxy")
        if problem := url_problem(peer.proxy):
            suggestion = (
                "write the key as `apiKey`"
                if "password" in problem
                else "like `proxy: https://nas.example.lan:8090`"
            )
            yield Fault(place, problem, suggestion)
        elif door := _own_door(peer.proxy, config):
            yield Fault(
                place,
                f"this is our own door {door}: requests would go round and round",
                "name another server",
                reads=(("listen", door),),
            )


def _own_door(proxy: str, config: Config) -> str:
    """The door that a URL leads to, when it is one of ours as far as can be told; else ""."""
    url = urlsplit(proxy)
    port = url.port or _DEFAULT_PORTS[url.scheme]
    for name in type(config.listen).model_fields:
        door = getattr(config.listen, name)
        if door and door.port == port and _is_here(url.hostname or "", door.host, config):
            return name
    return ""


def _is_here(host: str, door: str, config: Config) -> bool:
    return host in {door.lower(), *map(str.lower, config.allowed_hosts)} or _is_local(host)


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".") == "localhost"
    return address.is_loopback or address.is_unspecified


def _keys(config: Config) -> Iterator[Fault]:
    for id_, peer in config.peers.items():
        key = peer.api_key.get_secret_value() if peer.api_key else ""
        if not key.isascii() or not key.isprintable() or " " in key:
            message = "a key must be printable ASCII without spaces"
            yield Fault(("peers", id_, "apiKey"), message, "copy it again")


CHECKS: tuple[Callable[[Config], Iterator[Fault]], ...] = (_addresses, _keys)
