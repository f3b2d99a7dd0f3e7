"""The walk of a request: a model's name, a lease, a connection to its child, an answer.

Every dialect takes this walk; what differs between them is only what they send and how the answer
is put together. A client that leaves cancels the walk wherever it is: waiting, loading, streaming.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.connection import Connection, Headers
from paddock.engine.instance import Instance
from paddock.engine.pool import ConnectionPool
from paddock.errors import InstanceUnloaded, PaddockError, Unheard, UpstreamLost
from paddock.gateway.assembled import Assembled
from paddock.gateway.endings import Endings
from paddock.gateway.leasing import Leasing
from paddock.gateway.naming import Target
from paddock.gateway.peer import PeerModel
from paddock.gateway.peers import Peers
from paddock.gateway.problems import Upstream
from paddock.gateway.relay import NOT_PASSED_ON_OF_PEERS, Relay, Relayed
from paddock.gateway.translated import Translated, Translator
from paddock.gateway.tunnel import Tunnel
from paddock.library.model import NOT_SAID, LoadOptions, Model
from paddock.library.variant import joined
from paddock.observe.record import Record
from paddock.scheduler.lease import Lease

if TYPE_CHECKING:
    from paddock.gateway.assemble import Assembler
    from paddock.gateway.recording import Recorder
    from paddock.gateway.routes import Call

T = TypeVar("T")

DEATH_SECONDS = 1.0
"""After a lost connection, how long to wait to learn whether the child died, and of what."""

PASSED_ON = frozenset({b"accept", b"content-type", b"user-agent"})
"""Client headers the child gets to see. Keys, cookies and addresses are none of its business."""


Prepare = Callable[[Instance], Awaitable["Ask"]]
Recover = Callable[[Instance, Upstream], Awaitable["Ask | None"]]


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Ask:
    """What to ask of a child. Not to be changed."""

    method: str
    target: str
    """Path and query, encoded."""
    body: bytes = b""
    headers: Headers = ()
    streams: bool = False
    """The client asked for a stream of events: it can be told that its model is loading."""
    endings: Endings = ()
    """How the child ends a stream of events, where that is known."""
    assembler: Assembler | None = None
    """Puts the streamed answer together for a client that wants it whole."""
    holds: bool = True
    """It keeps a slot, and its model in memory, for as long as it lasts."""
    translator: Translator | None = None
    """Puts the answer into the client's dialect, where that is not the child's."""
    prepare: Prepare | None = None
    """Finishes a request that is translated once its model runs: the `Ask` to send."""
    recover: Recover | None = None
    """Another way to ask what a child refused; None: there is none, the refusal is the answer."""
    options: LoadOptions = NOT_SAID
    """How the model is to be loaded."""
    keep_alive: float | None = None
    """Seconds for which the model stays in memory after this request, `inf` for ever; None: as
    before."""
    default_keep_alive: float | None = None
    """The same, where nobody has said it of the instance before."""
    told: Headers = ()
    """Response headers of a translated answer, beside the usual ones."""


def passed_headers(request: web.BaseRequest) -> Headers:
    """The client's headers that a child may see."""
    return tuple((k, v) for k, v in request.raw_headers if k.lower() in PASSED_ON)


class Forwarder:
    """Carries requests to models."""

    def __init__(
        self, leasing: Leasing, peers: Peers, current: Current, recorder: Recorder
    ) -> None:
        self._leasing = leasing
        self._peers = peers
        self._current = current
        self._recorder = recorder

    async def forward(self, call: Call, target: Target, ask: Ask) -> web.StreamResponse:
        """Ask `target` and answer the client.

        Raises what the scheduler, the engine and peers raise, as long as nothing was written;
        afterwards the error is told in the stream. Cancelling gives back the lease and stops the
        generation.
        """
        relay = Relay(
            call.request,
            _told_headers(call),
            stall_timeout=self._current.config.stall_timeout,
            endings=ask.endings,
        )
        return await self._carry(call, target, ask, relay)

    async def tunnel(self, call: Call, target: Target, ask: Ask) -> web.StreamResponse:
        """Open a WebSocket to `target` for the client and return when either side ends it.

        Errors are as `forward` has them.
        """
        relay = Tunnel(
            call.request, _told_headers(call), stall_timeout=self._current.config.stall_timeout
        )
        return await self._carry(call, target, ask, relay)

    async def translate(self, call: Call, target: Target, ask: Ask) -> web.StreamResponse:
        """Ask `target` and answer the client in the dialect of `ask.translator`.

        Errors are as `forward` has them, and Upstream when the child refuses the request.
        """
        if ask.translator is None:
            raise ValueError("there is nothing to translate with")
        relay = Translated(
            call.request,
            _told_headers(call),
            ask.translator,
            stall_timeout=self._current.config.stall_timeout,
        )
        return await self._carry(call, target, ask, relay)

    async def borrow(
        self,
        call: Call,
        model: Model,
        ask: Ask,
        work: Callable[[Instance], Awaitable[T]],
    ) -> T:
        """Do `work` with the instance of a model, which is loaded for it, under a lease.

        Of `ask`, only what it says about loading counts. Raises what the scheduler and `work`
        raise.
        """
        call.check_model(model.id)
        with await self._leasing.lease(call, model, None, ask.options) as lease:
            lease.keep_alive(ask.keep_alive, default=ask.default_keep_alive)
            lease.instance.asked_as = model.id
            try:
                return await work(lease.instance)
            except UpstreamLost as error:
                raise await explained(lease.instance, error) from error

    async def _carry(
        self, call: Call, target: Target, ask: Ask, relay: Relay
    ) -> web.StreamResponse:
        call.check_model(target.id)
        try:
            with self._recorder.begin(call, target, ask, relay) as record:
                if isinstance(target.model, PeerModel):
                    record.granted(0.0, 0.0)
                    return await self._ask_peer(call, target.model, ask, relay)
                asked = joined(ask.options, target.options)
                return await self._ask_here(call, target.model, ask, relay, record, asked)
        except PaddockError as error:
            if not relay.started:
                raise
            relay.fail(error)
            return relay.relayed()

    async def _ask_here(
        self,
        call: Call,
        model: Model,
        ask: Ask,
        relay: Relay,
        record: Record,
        asked: LoadOptions,
    ) -> web.StreamResponse:
        streams_to = relay if ask.streams else None
        with await self._leasing.lease(call, model, streams_to, asked) as lease:
            record.granted(lease.queued, lease.loading)
            relay.added = (*relay.added, _timing(lease))
            lease.instance.asked_as = model.id
            if ask.translator is not None:
                lease.keep_alive(ask.keep_alive, default=ask.default_keep_alive)
            if not ask.holds:
                lease.release()
            return await self._exchange(lease.instance, ask, relay)

    async def _ask_peer(self, call: Call, model: PeerModel, ask: Ask, relay: Relay) -> Relayed:
        headers = (*ask.headers, *self._peers.headers(call.request))
        relay.hidden = NOT_PASSED_ON_OF_PEERS
        with model.peer.serving(model.id):
            return await _relay(model.peer.pool, replace(ask, headers=headers), relay)

    # --- an exchange

    async def _exchange(self, instance: Instance, ask: Ask, relay: Relay) -> web.StreamResponse:
        pool = instance.pool
        if pool is None:
            raise UpstreamLost(f"{instance.model.id} is no longer running")
        try:
            if ask.assembler is not None:
                return await _assemble(pool, ask, ask.assembler, relay)
            if isinstance(relay, Translated):
                return await _translate(instance, pool, ask, relay)
            return await _relay(pool, ask, relay)
        except UpstreamLost as error:
            raise await explained(instance, error) from error


async def _relay(pool: ConnectionPool, ask: Ask, relay: Relay) -> Relayed:
    return await send_on(pool, ask, relay.run)


async def _translate(
    instance: Instance, pool: ConnectionPool, ask: Ask, relay: Translated
) -> Relayed:
    if ask.prepare is not None:
        ask = await ask.prepare(instance)
    added = relay.added
    while True:
        if ask.translator is not None:
            relay.translator = ask.translator
        relay.added = (*added, *ask.told)
        try:
            return await _relay(pool, ask, relay)
        except Upstream as refusal:
            if ask.recover is None or relay.has_begun:
                raise
            other = await ask.recover(instance, refusal)
            if other is None:
                raise
            ask = other


async def _assemble(pool: ConnectionPool, ask: Ask, assembler: Assembler, relay: Relay) -> Relayed:
    answer = await send_on(pool, ask, Assembled(assembler).run)
    return relay.whole(answer.status, answer.headers, answer.body)


Exchange = Callable[[Connection, bytes, bytes], Awaitable[T]]


async def send_on(pool: ConnectionPool, ask: Ask, exchange: Exchange[T]) -> T:
    """Send `ask`: do `exchange` on a kept connection or, when none is fresh, on a new one."""
    head = pool.head(ask.method, ask.target, ask.headers, length=len(ask.body))
    kept = pool.take()
    if kept is not None:
        with suppress(Unheard):
            return await exchange(kept, head, ask.body)
    return await exchange(await pool.connect(), head, ask.body)


async def explained(instance: Instance, error: UpstreamLost) -> UpstreamLost:
    """Why a connection was lost: the child's death, if that was it."""
    done, _ = await asyncio.wait((instance.exited,), timeout=DEATH_SECONDS)
    if not done:
        return error
    failure = instance.exited.result()
    if failure is None:
        return InstanceUnloaded(f"{instance.model.id} was unloaded before its answer ended")
    return UpstreamLost(f"{instance.model.id} died: {failure.message}", hint=failure.hint)


def _told_headers(call: Call) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in call.headers.items())


def _timing(lease: Lease[Instance]) -> tuple[bytes, bytes]:
    """How long the request waited for room and for its model, in milliseconds."""
    waits = b"queue;dur=%.1f, load;dur=%.1f" % (lease.queued * 1000, lease.loading * 1000)
    return (b"Server-Timing", waits)
