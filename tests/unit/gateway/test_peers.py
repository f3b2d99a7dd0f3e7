"""What peers say of their models, and what a reload does to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.scripted import Upstream, reply, says

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.errors import PeerLost, UpstreamLost
from paddock.events import ConfigChanged, EventBus
from paddock.gateway.peer import Peer
from paddock.gateway.peers import Peers

NOBODY = "http://127.0.0.1:9"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Upstream]:
    upstream = Upstream(says([reply(b"{}")]))
    async with upstream.listening():
        yield upstream


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


def current(**peers: Any) -> Current:
    return Current(Config.model_validate({"peers": peers}))


def lists(*entries: Any) -> Any:
    return says([reply(json.dumps({"object": "list", "data": list(entries)}).encode())])


async def told(server: Upstream, **entry: Any) -> Peer:
    """A peer at `server`, asked once."""
    proxy = f"http://127.0.0.1:{server.port}"
    peers = Peers(current(p={"proxy": proxy, **entry}), EventBus())
    peer = peers.all["p"]
    await peer.ask()
    await peers.aclose()
    return peer


# --- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "known"),
    [
        ([], {}),
        ([{"id": "a"}], {"a": ("", 0)}),
        ([{"id": "a", "status": {"value": "loaded"}}], {"a": ("loaded", 0)}),
        ([{"id": "a", "status": {"value": "evil\n"}}], {"a": ("", 0)}),
        ([{"id": "a", "status": {"value": ["loaded"]}}], {"a": ("", 0)}),
        ([{"id": "a", "status": "loaded"}], {"a": ("", 0)}),
        ([{"id": "a", "context_length": 4096}], {"a": ("", 4096)}),
        ([{"id": "a", "context_length": -1}], {"a": ("", 0)}),
        ([{"id": "a", "context_length": "4096"}], {"a": ("", 0)}),
        ([{"id": "a"}, {"id": "a"}, {"id": "b/c"}], {"a": ("", 0), "b/c": ("", 0)}),
        ([1, None, "x", [], {}, {"id": 1}, {"id": ""}, {"id": None}, {"id": []}], {}),
        ([{"id": "x" * 257}, {"id": "tab\there"}, {"id": "nul\0"}, {"id": "ok"}], {"ok": ("", 0)}),
    ],
)
async def test_a_peers_list_is_read_with_care(
    server: Upstream, entries: list[Any], known: dict[str, tuple[str, int]]
) -> None:
    server.handle = lists(*entries)

    peer = await told(server)

    assert {n: (m.status, m.context_length) for n, m in peer.models.items()} == known
    assert (peer.reachable, peer.error) == (True, "")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(b"no json"), "not valid JSON"),
        (reply(b"[]"), "must be a JSON object"),
        (reply(b"{}"), "no list of models"),
        (reply(b'{"data": {}}'), "no list of models"),
        (reply(b"{}", status="401 Unauthorized"), "answered 401"),
        (reply(b"", status="404 Not Found"), "answered 404"),
    ],
)
async def test_a_peer_without_a_list_is_there_all_the_same(
    server: Upstream, answer: bytes, error: str
) -> None:
    server.handle = says([answer])

    peer = await told(server)

    assert peer.reachable is True
    assert error in peer.error
    assert not peer.models


async def test_a_peer_that_is_not_http_is_not_reachable(server: Upstream) -> None:
    server.handle = says([b"what?\r\n\r\n"])

    peer = await told(server)

    assert peer.reachable is False
    assert peer.error == "the peer's answer is not HTTP"


async def test_the_owners_list_stands_whatever_the_peer_says(server: Upstream) -> None:
    server.handle = lists({"id": "a", "status": {"value": "loading"}}, {"id": "c"})

    peer = await told(server, models=["a", "b"])

    assert {n: m.status for n, m in peer.models.items()} == {"a": "loading", "b": ""}


async def test_what_was_known_stays_when_a_peer_goes(server: Upstream) -> None:
    server.handle = lists({"id": "a"})
    peer = await told(server)
    server.handle = says([b"\0"])

    await peer.ask()

    assert peer.reachable is False
    assert set(peer.models) == {"a"}


@pytest.mark.parametrize("key", ["secret", None])
async def test_a_peer_is_asked_with_its_key_and_where_we_are(
    server: Upstream, key: str | None
) -> None:
    await told(server, **({"apiKey": key} if key else {}))

    head = server.requests[-1].decode()
    assert head.startswith("GET /v1/models HTTP/1.1\r\n")
    assert "X-Paddock-Via: " in head
    assert ("Authorization: Bearer secret\r\n" in head) == bool(key)
    assert ("x-api-key: secret\r\n" in head) == bool(key)


async def test_a_peer_is_asked_from_the_start_and_found_by_its_names(
    server: Upstream, bus: EventBus
) -> None:
    server.handle = lists({"id": "a"}, {"id": "org/b"})
    peers = Peers(current(p={"proxy": f"http://127.0.0.1:{server.port}"}), bus)
    assert (early := peers.find("p/anything")) is not None
    assert (early.id, peers.find("anything")) == ("anything", None)

    peers.start()
    async with asyncio.timeout(10):
        while peers.find("a") is None:
            await asyncio.sleep(0.01)

    assert [model.name for model in peers.models()] == ["p/a", "p/org/b"]
    assert peers.find("P/ORG/B:latest") is peers.find("org/b") is not None
    assert peers.find("p/anything") is None
    await peers.aclose()
    await peers.aclose()


def test_a_name_of_two_peers_is_nobodys(bus: EventBus) -> None:
    peers = Peers(
        current(
            p={"proxy": NOBODY, "models": ["a", "b"]}, q={"proxy": NOBODY, "models": ["a", "c"]}
        ),
        bus,
    )

    assert peers.find("a") is None
    assert [(m.peer.id, m.id) for name in ("b", "c", "p/a", "q/a") if (m := peers.find(name))] == [
        ("p", "b"),
        ("q", "c"),
        ("p", "a"),
        ("q", "a"),
    ]


# --- serving --------------------------------------------------------------------------------------


def test_requests_are_counted_and_their_end_tells_how_the_peer_is(bus: EventBus) -> None:
    peer = Peers(current(p={"proxy": NOBODY, "models": ["a"]}), bus).all["p"]

    with peer.serving("a"), peer.serving("a"):
        assert peer.in_flight["a"] == 2
    assert not peer.in_flight
    assert peer.reachable is True

    with pytest.raises(PeerLost, match="peer p: the peer broke") as raised, peer.serving("a"):
        raise UpstreamLost("the engine broke")
    assert "peers.p.proxy" in raised.value.hint
    assert (peer.reachable, peer.error) == (False, "the peer broke")
    assert not peer.in_flight


def test_a_request_that_ends_otherwise_says_nothing_of_the_peer(bus: EventBus) -> None:
    peer = Peers(current(p={"proxy": NOBODY, "models": ["a"]}), bus).all["p"]

    with pytest.raises(asyncio.CancelledError), peer.serving("a"):
        raise asyncio.CancelledError
    assert peer.reachable is None
    assert not peer.in_flight


# --- reloads --------------------------------------------------------------------------------------


async def test_a_reload_keeps_what_did_not_change(bus: EventBus) -> None:
    now = current(
        same={"proxy": NOBODY, "models": ["a"]},
        other={"proxy": NOBODY, "models": ["b"]},
        gone={"proxy": NOBODY, "models": ["c"]},
    )
    peers = Peers(now, bus)
    before = dict(peers.all)

    now.config = current(
        same={"proxy": NOBODY, "models": ["a"]},
        other={"proxy": NOBODY, "models": ["bb"]},
        new={"proxy": NOBODY, "models": ["d"]},
    ).config
    bus.publish(ConfigChanged())

    assert peers.all["same"] is before["same"]
    assert peers.all["other"] is not before["other"]
    assert [bool(peers.find(name)) for name in ("a", "b", "bb", "c", "d")] == [
        *(True, False, True, False, True)
    ]


async def test_a_reload_asks_a_new_peer(server: Upstream, bus: EventBus) -> None:
    server.handle = lists({"id": "a"})
    now = current()
    peers = Peers(now, bus)
    peers.start()

    now.config = current(p={"proxy": f"http://127.0.0.1:{server.port}"}).config
    bus.publish(ConfigChanged())

    async with asyncio.timeout(10):
        while peers.find("a") is None:
            await asyncio.sleep(0.01)
    await peers.aclose()


async def test_a_peer_that_left_the_configuration_ends_what_it_serves(
    server: Upstream, bus: EventBus
) -> None:
    now = current(p={"proxy": f"http://127.0.0.1:{server.port}", "models": ["a"]})
    peers = Peers(now, bus)
    peer = peers.all["p"]

    with peer.serving("a"):
        now.config = current().config
        bus.publish(ConfigChanged())
        fetched = await peer.pool.fetch("GET", "/x", timeout=10)
        assert fetched.status == 200

    with pytest.raises(UpstreamLost):
        await peer.pool.connect()
