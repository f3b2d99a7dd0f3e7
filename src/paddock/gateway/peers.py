"""Other servers whose models are offered here too: what they have, and whether they answer.

A peer is asked for its models when the daemon starts and every `refresh` seconds; what it said last
stays when it cannot be reached. Every request to one carries `X-Paddock-Via`, the names of the
daemons it came by, so that peers that point at each other do not pass it round for ever.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from paddock.config.current import Current
from paddock.config.model_entry import Filters
from paddock.config.peers import Peer as PeerEntry
from paddock.engine.address import parse_url
from paddock.engine.connection import Headers
from paddock.engine.pool import ConnectionPool, Fetched
from paddock.errors import InvalidRequest, PaddockError, PeerLoop, PeerLost, UpstreamLost
from paddock.events import ConfigChanged, Event, EventBus
from paddock.gateway.body import parse_json_async
from paddock.library.naming import lookup_key
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

VIA = "X-Paddock-Via"
MOST_HOPS = 8

ASK_SECONDS = 15.0
"""A peer that says nothing of its models for so long is not reachable."""
RETRY_SECONDS = 5.0
"""One that could not be reached is asked again after this time, or sooner if its owner wants."""
LIST_BYTES = 4 << 20
MOST_MODELS = 5000
LONGEST_NAME = 256
STATUS_WORDS = ("loaded", "loading", "unloaded", "sleeping")

PASSED_ON = frozenset({b"anthropic-version", b"anthropic-beta"})
"""Client headers that a dialect needs and that tell nothing of the client."""


@dataclass(frozen=True, slots=True)
class PeerModel:
    """A model of a peer."""

    peer: Peer
    id: str
    """Its name there."""
    status: str = ""
    """What the peer says of it: `loaded`, `unloaded`, …; empty when it says nothing."""
    context_length: int = 0
    """In tokens; 0 = not told."""

    @property
    def name(self) -> str:
        """Its name here."""
        return f"{self.peer.id}/{self.id}"

    @property
    def filters(self) -> Filters:
        """What the owner changes in requests for it."""
        return self.peer.entry.filters


class Peer:
    """One other server, and the connections to it."""

    def __init__(self, peer_id: str, entry: PeerEntry, here: str) -> None:
        """`here` is the name of this daemon in `VIA`. Raises ArgumentRefused for no real URL."""
        self.id = peer_id
        self.entry = entry
        self.models: dict[str, PeerModel] = {name: PeerModel(self, name) for name in entry.models}
        """By their names there."""
        self.reachable: bool | None = None
        """Whether it answered when it was last asked anything; None: it was not asked yet."""
        self.error = ""
        """Why it is not reachable, or why its models are not known."""
        self.asked_at: datetime | None = None
        self.lost = asyncio.Event()
        """Set while it is not reachable."""
        self.in_flight: Counter[str] = Counter()
        """Our requests that run there now, by model."""
        self._retired = False
        key = entry.api_key.get_secret_value() if entry.api_key else ""
        own = ((b"x-api-key", key.encode()),) if key else ()
        via = (VIA.encode(), here.encode())
        self.pool = ConnectionPool(parse_url(entry.proxy), key, entry.timeouts, headers=(*own, via))

    @property
    def is_known(self) -> bool:
        """Whether its models are known, by the owner's word or its own."""
        return bool(self.entry.models or self.models)

    @contextmanager
    def serving(self, model: str) -> Iterator[None]:
        """A request to it: counted, and its end tells how the peer is.

        Raises PeerLost instead of UpstreamLost.
        """
        self.in_flight[model] += 1
        try:
            yield
            self.is_well()
        except UpstreamLost as error:
            self.is_lost(error.message)
            raise PeerLost(
                f"peer {self.id}: {error.message}",
                hint=error.hint or f"is it running, and is peers.{self.id}.proxy right?",
            ) from error
        finally:
            self._served(model)

    def _served(self, model: str) -> None:
        self.in_flight[model] -= 1
        if self.in_flight[model] <= 0:
            del self.in_flight[model]
        if self._retired and not self.in_flight:
            self.pool.close()

    def is_well(self) -> None:
        """It answered."""
        self.reachable, self.error, self.asked_at = True, "", datetime.now(UTC)
        self.lost.clear()

    def is_lost(self, reason: str) -> None:
        """It did not answer."""
        if self.reachable is not False:
            log.warning("peer %s cannot be reached: %s", self.id, reason)
        self.reachable, self.error, self.asked_at = False, reason, datetime.now(UTC)
        self.lost.set()

    async def ask(self) -> None:
        """Ask it for its models, and so whether it is there. Never raises for what is wrong."""
        try:
            answer = await self.pool.fetch(
                "GET", "/v1/models", timeout=ASK_SECONDS, limit=LIST_BYTES
            )
        except UpstreamLost as error:
            self.is_lost(error.message)
        except TimeoutError:
            self.is_lost(f"it did not answer within {ASK_SECONDS:g} s")
        else:
            self.is_well()
            await self._take_in(answer)

    async def _take_in(self, answer: Fetched) -> None:
        if answer.status != 200:
            self.error = f"GET /v1/models answered {answer.status}"
            return
        try:
            listed = _listed(await parse_json_async(answer.body))
        except PaddockError as error:
            self.error = f"GET /v1/models: {error.message}"
            return
        offered = {name: _peer_model(self, name, told) for name, told in listed.items()}
        wanted = self.entry.models
        self.models = {n: offered.get(n, PeerModel(self, n)) for n in wanted} or offered

    def retire(self) -> None:
        """Close its connections once the requests that run there have ended. Idempotent."""
        self._retired = True
        if not self.in_flight:
            self.pool.close()


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
        peer = self._peers.get(peer_id) if slash and model else None
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
        """What a request of a client's carries to a peer besides its own. Raises PeerLoop."""
        hops = request.headers.getall(VIA, ())
        passed = tuple((k, v) for k, v in request.raw_headers if k.lower() in PASSED_ON)
        if not hops:
            return passed
        before = [hop.strip() for line in hops for hop in line.split(",")]
        if self._here in before or len(before) > MOST_HOPS:
            raise PeerLoop(
                "the request came back here by way of a peer",
                hint="two servers name each other under `peers` for the same model",
            )
        return (*passed, *((VIA.encode(), hop.encode("latin-1")) for hop in before))

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


async def _pause(peer: Peer) -> None:
    """Until it is time to ask again; a request that could not reach it makes it time."""
    if peer.lost.is_set():
        await asyncio.sleep(min(peer.entry.refresh, RETRY_SECONDS))
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(peer.lost.wait(), peer.entry.refresh)


def _listed(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries of a list of models, by their names. Raises InvalidRequest for none."""
    data = answer.get("data")
    if not isinstance(data, list):
        raise InvalidRequest("the answer is no list of models")
    entries = (entry for entry in data[:MOST_MODELS] if isinstance(entry, dict))
    return {entry["id"]: entry for entry in entries if _is_name(entry.get("id"))}


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _peer_model(peer: Peer, name: str, told: dict[str, Any]) -> PeerModel:
    status = told.get("status")
    value = status.get("value") if isinstance(status, dict) else None
    context = told.get("context_length")
    return PeerModel(
        peer,
        name,
        status=value if value in STATUS_WORDS else "",
        context_length=context if isinstance(context, int) and context > 0 else 0,
    )
