from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict

from paddock.access.grants import Grants
from paddock.access.hosts import HostRules
from paddock.access.keys import KeyRing
from paddock.config.schema import Config
from paddock.daemon import listeners
from paddock.errors import Forbidden, InvalidRequest, Unauthenticated
from paddock.gateway.gate import Gate

PAGE = "https://chat.example.lan"


def gate(*keys: str) -> Gate:
    return Gate(HostRules("nas", ["nas.example.lan"]), [PAGE], KeyRing(keys))


def asked(*headers: tuple[str, str], local: str = "127.0.0.1") -> Any:
    """As much of a request as a gate looks at."""
    return SimpleNamespace(
        headers=CIMultiDict(headers),
        remote="192.0.2.7",
        protocol=SimpleNamespace(local_address=local),
    )


def test_who_is_no_page_names_no_origin() -> None:
    assert gate().check_place(asked(("Host", "localhost"))) == ""


def test_an_allowed_page_is_named() -> None:
    assert gate().check_place(asked(("Host", "nas"), ("Origin", PAGE))) == PAGE


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example"])
def test_a_name_that_is_not_ours_is_refused_every_time(host: str) -> None:
    one = gate()
    for _ in range(3):
        with pytest.raises(Forbidden):
            one.check_place(asked(("Host", host)))


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost")])
def test_exactly_one_host_is_needed(hosts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        gate().check_place(asked(*(("Host", host) for host in hosts)))


def test_an_address_is_ours_where_the_connection_came_in() -> None:
    one = gate()

    assert one.check_place(asked(("Host", "192.0.2.1"), local="192.0.2.1")) == ""
    with pytest.raises(Forbidden):
        one.check_place(asked(("Host", "192.0.2.1"), local="192.0.2.2"))


@pytest.mark.parametrize("origins", [("null",), ("https://evil.example",), (PAGE, PAGE)])
def test_another_page_is_refused(origins: tuple[str, ...]) -> None:
    with pytest.raises(Forbidden):
        gate().check_place(asked(("Host", "nas"), *(("Origin", one) for one in origins)))


def test_without_keys_a_client_is_its_address() -> None:
    assert gate().caller_of(asked()) == ("192.0.2.7", None)


def test_with_keys_a_client_is_a_name_that_does_not_tell_its_key() -> None:
    one = gate("first-key", "second-key")

    names = {one.caller_of(asked(("x-api-key", key))).client for key in ("first-key", "second-key")}

    assert len(names) == 2
    assert all(name.startswith("key:") and "first" not in name for name in names)
    with pytest.raises(Unauthenticated):
        one.caller_of(asked())


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [("no-cors", "image"), ("navigate", "iframe"), ("websocket", "websocket"), ("", "")],
)
def test_another_page_may_not_ask_without_saying_who_it_is(site: str, mode: str, dest: str) -> None:
    fetch = (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest))
    with pytest.raises(Forbidden):
        gate().check_place(asked(("Host", "localhost"), *fetch))


@pytest.mark.parametrize(
    ("site", "mode", "dest"),
    [
        ("cross-site", "navigate", "document"),
        ("same-origin", "no-cors", "image"),
        ("none", "navigate", "document"),
    ],
)
def test_links_addresses_and_our_own_pages_are_served(site: str, mode: str, dest: str) -> None:
    fetch = (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest))

    assert gate().check_place(asked(("Host", "localhost"), *fetch)) == ""


def ollama_gate() -> Gate:
    return listeners.gate(
        Config.model_validate({"ollama": {"origins": ["https://*.b.lan", "http://c.lan:1"]}}),
        "ollama",
        Grants(),
    )


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "file://", "https://x.B.lan", "http://c.lan:1"]
)
def test_ollamas_door_lets_in_pages_of_this_machine_and_the_owners(origin: str) -> None:
    asking = asked(("Host", "127.0.0.1:11434"), ("Origin", origin))
    assert ollama_gate().check_place(asking) == origin


@pytest.mark.parametrize("origin", ["null", "https://b.lan", "http://x.b.lan", "http://c.lan:11"])
def test_ollamas_door_refuses_other_pages(origin: str) -> None:
    with pytest.raises(Forbidden):
        ollama_gate().check_place(asked(("Host", "127.0.0.1:11434"), ("Origin", origin)))


def test_a_star_lets_every_page_in_but_none_that_took_our_name() -> None:
    config = Config.model_validate({"ollama": {"origins": ["*"]}})
    open_gate = listeners.gate(config, "ollama", Grants())
    page = ("Origin", "https://evil.example")
    assert open_gate.check_place(asked(("Host", "localhost"), page)) == "https://evil.example"
    with pytest.raises(Forbidden):
        open_gate.check_place(asked(("Host", "evil.example"), ("Origin", "http://evil.example")))


def test_a_container_finds_its_host_and_a_page_does_not() -> None:
    host = ("Host", "host.docker.internal:11434")
    assert ollama_gate().check_place(asked(host, ("User-Agent", "curl/8"))) == ""
    for mark in (("Accept-Language", "de"), ("Origin", "http://host.docker.internal:11434")):
        with pytest.raises(Forbidden):
            ollama_gate().check_place(asked(host, mark))
