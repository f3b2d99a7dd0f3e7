"""All other servers whose models are offered here too, and the names of those models.

A peer is asked for its models when the daemon starts and every `refresh` seconds; what it said last
stays when it cannot be reached. Every request to one says in `VIA` where it has been: peers that
point at each other do not pass it round for ever.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.connection import Headers
from paddock.errors import InvalidRequest, PeerLoop
from paddock.events import ConfigChanged, Event, EventBus
from paddock.gateway.peer import VIA, Peer, PeerModel, is_name
from paddock.library.naming import lookup_key
from paddock.tasks import cancel_and_wait, spawn

MOST_HOPS = 8
LONGEST_HOP = 64

RETRY_SECONDS = 5.0
"""One that could not be reached is asked again after this time."""

PASSED_ON = frozenset({b"anthropic-version", b"anthropic-beta"})
"""Client headers that a dialect needs and that tell nothing of the client."""


class Peers:
    """All peers, and the names of their models. `start` it once and `aclose` it."""

    def __init__(self, current: Current, bus: EventBus) -> None:
        self._current = current
        self._here = secrets.token_hex(8)
        self._peers: dict[str, Peer] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._full: dict[str, PeerModel] = {}
        self._bare: dict[str, PeerModel | None] = {}
        self._started = False
        self._take_over()
        bus.listen(self._hear)

    @property
    def all(self) -> Mapping[str, Peer]:
        """The peers, by id."""
        return self._peers

    def find(self, name: str) -> PeerModel | None:
        """The peer's model that `peer/model` names, or `model` when just one peer has it."""
        if not self._peers:
            return None
        key = lookup_key(name)
        return self._full.get(key) or self._bare.get(key) or self._unknown(name)

    def _unknown(self, name: str) -> PeerModel | None:
        """A model of a peer that has not told what it has: the peer will know."""
        peer_id, slash, model = name.partition("/")
        peer = self._peers.get(peer_id) if slash and is_name(model) else None
        return PeerModel(peer, model) if peer and not peer.is_known else None

    def models(self) -> Iterator[PeerModel]:
        """All models of all peers."""
        for peer in self._peers.values():
            yield from peer.models.values()

    def start(self) -> None:
        """Begin to ask the peers, in the background."""
        self._started = True
        self._ask_all()

    async def aclose(self) -> None:
        """Stop asking and close every connection. Idempotent."""
        self._started = False
        await cancel_and_wait(self._asking.values())
        for peer in self._peers.values():
            peer.pool.close()

    def headers(self, request: web.BaseRequest) -> Headers:
        """What a request of a client's carries to a peer besides its own.

        Raises PeerLoop, and InvalidRequest for a malformed `VIA`.
        """
        hops = request.headers.getall(VIA, ())
        passed = tuple((k, v) for k, v in request.raw_headers if k.lower() in PASSED_ON)
        if not hops:
            return passed
        before = [hop.strip() for line in hops for hop in line.split(",")]
        if not all(map(_is_hop, before)):
            raise InvalidRequest(f"the {VIA} header is malformed", param=VIA)
        if self._here in before or len(before) > MOST_HOPS:
            raise PeerLoop(
                "the request came back here by way of a peer",
                hint="two servers name each other under `peers` for the same model",
            )
        return (*passed, *((VIA.encode(), hop.encode()) for hop in before))

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConfigChanged):
            self._take_over()
            if self._started:
                self._ask_all()

    def _take_over(self) -> None:
        """Make the peers what the configuration says; those that did not change stay."""
        wanted = self._current.config.peers
        before = self._peers
        kept = {i: p for i, p in before.items() if wanted.get(i) == p.entry}
        self._peers = {i: kept.get(i) or Peer(i, e, self._here) for i, e in wanted.items()}
        for peer_id in before.keys() - kept.keys():
            before[peer_id].retire()
            if task := self._asking.pop(peer_id, None):
                task.cancel()
        self._index()

    def _ask_all(self) -> None:
        for peer in self._peers.values():
            if peer.id not in self._asking:
                self._asking[peer.id] = spawn(self._keep_asking(peer), name=f"peer {peer.id}")

    async def _keep_asking(self, peer: Peer) -> None:
        while True:
            known = peer.models
            await peer.ask()
            if peer.models is not known:
                self._index()
            await _pause(peer)

    def _index(self) -> None:
        """Names to models: whole ones, and bare ones that only one peer has."""
        self._full = {lookup_key(model.name): model for model in self.models()}
        self._bare = {}
        for model in self.models():
            key = lookup_key(model.id)
            self._bare[key] = model if key not in self._bare else None


def _is_hop(hop: str) -> bool:
    return 0 < len(hop) <= LONGEST_HOP and hop.isascii() and hop.isalnum()


async def _pause(peer: Peer) -> None:
    """Until it is time to ask again; a request that could not reach it makes it time."""
    if peer.lost.is_set():
        await asyncio.sleep(RETRY_SECONDS)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(peer.lost.wait(), peer.entry.refresh)
