"""One other server: what it has, whether it answers, and the connections to it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from paddock.config.model_entry import Filters
from paddock.config.peers import Peer as PeerEntry
from paddock.engine.address import parse_url
from paddock.engine.pool import ConnectionPool, Fetched
from paddock.errors import InvalidRequest, PaddockError, PeerLost, UpstreamLost
from paddock.gateway.body import parse_json_async

log = logging.getLogger(__name__)

VIA = "X-Paddock-Via"
"""Names the daemons that a request came by, so that it does not go round for ever."""

ASK_SECONDS = 15.0
"""A peer that says nothing of its models for so long is not reachable."""
LIST_BYTES = 4 << 20
MOST_MODELS = 5000
LONGEST_NAME = 256
MOST_TOKENS = 1 << 40
STATUS_WORDS = ("loaded", "loading", "unloaded", "sleeping")


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
            reason = _reason(error)
            self.is_lost(reason)
            raise PeerLost(
                f"peer {self.id}: {reason}",
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
        if self.reachable is False:
            log.info("peer %s is there again", self.id)
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
            self.is_lost(_reason(error))
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


def _reason(error: UpstreamLost) -> str:
    """Why it was lost. A connection calls whatever it leads to an engine."""
    return error.message.replace("the engine", "the peer")


def _listed(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries of a list of models, by their names. Raises InvalidRequest for none."""
    data = answer.get("data")
    if not isinstance(data, list):
        raise InvalidRequest("the answer is no list of models")
    entries = (entry for entry in data[:MOST_MODELS] if isinstance(entry, dict))
    return {entry["id"]: entry for entry in entries if is_name(entry.get("id"))}


def is_name(name: object) -> TypeGuard[str]:
    """Whether a peer's model may be called so."""
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable()


def _peer_model(peer: Peer, name: str, told: dict[str, Any]) -> PeerModel:
    status = told.get("status")
    value = status.get("value") if isinstance(status, dict) else None
    context = told.get("context_length")
    return PeerModel(
        peer,
        name,
        status=value if value in STATUS_WORDS else "",
        context_length=context if type(context) is int and 0 < context <= MOST_TOKENS else 0,
    )
