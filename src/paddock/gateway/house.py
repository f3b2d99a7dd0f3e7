"""Requests to models that the house makes itself, for somebody whose connection is not held by it.

They take the walk of every request: name, owner's changes, journal, lease, child. What differs is
who hears the answer: not a client's socket but a `Hearer`, by plain calls on the loop's thread.
Nothing of what is said is captured, for it is nobody's but the user's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Protocol

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.engine.pool import ConnectionPool, Fetched
from paddock.errors import InvalidRequest, NotReady, UpstreamLost
from paddock.gateway import inquiry
from paddock.gateway.assembled import Assembled
from paddock.gateway.assembler import Assembler, read_event
from paddock.gateway.body import LARGE
from paddock.gateway.dialogue import (
    CHAT,
    JSON,
    OF_OPENAI,
    PEER_STREAM,
    STREAM,
    TOO_LONG,
    Form,
    Templating,
    written,
)
from paddock.gateway.forward import Ask, explained, send_on
from paddock.gateway.generation import ChatReader, End, Piece, Reader
from paddock.gateway.leasing import Leasing
from paddock.gateway.loading import Wait
from paddock.gateway.naming import Names, Target
from paddock.gateway.openai import runs_llama_cpp, told_to
from paddock.gateway.peer import PeerModel
from paddock.gateway.problems import Upstream, engine_refusal
from paddock.gateway.sse import SseEvent
from paddock.library.library import Library
from paddock.library.model import Model, Trait
from paddock.library.variant import context_of
from paddock.observe.answer import KEPT_BYTES, Answer
from paddock.observe.journal import Journal
from paddock.observe.record import Asked
from paddock.scheduler.lease import Lease

_PROGRESS: Final = b'"prompt_progress"'
_GOES_ON: Final = {"add_generation_prompt": False, "continue_final_message": True}


class Hearer(Protocol):
    """Hears of one request, in this order. Calls must not wait, and must not raise."""

    def waits(self, wait: Wait) -> None:
        """It waits for its model; told again whenever that is looked at."""

    def begins(self, model: str, context: int, queued: float, loading: float) -> None:
        """Its model is there, with so many tokens of context (0: unknown), after these seconds."""

    def reads(self, done: int, total: int) -> None:
        """So many tokens of the prompt are worked through."""

    def says(self, piece: Piece) -> None:
        """The answer goes on."""


@dataclass(frozen=True, slots=True)
class HouseAsk:
    """One chat to be answered."""

    model: str
    """A name, as a client would use it."""
    body: dict[str, Any]
    """The chat in OpenAI's form, without `model` and without what says how it is streamed."""
    client: str
    """Who it is for: `user:LOGIN`."""
    id: str
    """The request's id."""
    goes_on: bool = False
    """The last message is the assistant's, and is to be gone on with."""
    waits: bool = True
    """False: only where the model runs and has a slot free this instant."""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of what a name leads to, before it runs."""

    name: str
    asked_as: str
    """What to ask for to get this one, where the name is a selector's."""
    sees: bool
    """It takes pictures; of a peer's model nobody knows, so it is let try."""
    context: int
    """Tokens that a request may use; 0 = unknown."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How long a prompt is."""

    tokens: int
    context: int


class House:
    """Makes the house's requests. Loop thread only."""

    def __init__(
        self,
        *,
        names: Names,
        leasing: Leasing,
        journal: Journal,
        current: Current,
        library: Library,
    ) -> None:
        self._names = names
        self._leasing = leasing
        self._journal = journal
        self._current = current
        self._library = library

    def known(self, name: str) -> Known:
        """What is known of the model that a name leads to now. Raises UnknownModel."""
        target = self._names.resolve(name)
        model = target.model
        asked_as = target.name if target.selector else name
        if isinstance(model, PeerModel):
            return Known(model.name, asked_as, True, model.context_length)
        default = self._current.config.context_length
        own = context_of(model, default) or model.settings.capabilities.context
        return Known(model.id, asked_as, sees(model), target.options.context or own)

    def seeing(self) -> tuple[str, ...]:
        """The models here that take pictures."""
        return tuple(model.id for model in self._library.catalog.models.values() if sees(model))

    async def ask(self, asked: HouseAsk, hearer: Hearer) -> End:
        """How the answer ended; what it says is for `hearer`.

        Raises UnknownModel, what the scheduler and the engine raise, Upstream for what the child
        refuses, InvalidRequest when the prompt is too long, NotReady when it may not wait and would
        have to, and RequestCancelled when an admin ended it. Cancelling gives the place in the
        queue back, or closes the child's connection, which ends the generation.
        """
        target = self._names.resolve(asked.model)
        body, template = await self._told(target, asked)
        ear = _Ear(hearer)
        with self._journal.record(_asked(target, asked), ear.report) as record:
            if isinstance(target.model, PeerModel):
                record.granted(0.0, 0.0)
                hearer.begins(target.model.name, target.model.context_length, 0.0, 0.0)
                return await _ask_peer(target.model, body, ear, asked)
            with await self._lease(asked, target, target.model, hearer) as lease:
                record.granted(lease.queued, lease.loading)
                instance = lease.instance
                instance.asked_as = target.model.id
                hearer.begins(target.model.id, instance.context, lease.queued, lease.loading)
                return await _ask_child(instance, body, template, ear, asked)

    async def measure(self, asked: HouseAsk) -> Measure | None:
        """The length of a prompt as the model's child counts it; None where none can be asked now.

        Raises UnknownModel and TemplateError.
        """
        target = self._names.resolve(asked.model)
        if isinstance(target.model, PeerModel):
            return None
        lease = self._leasing.lease_now(asked.client, target.model, target.options)
        if lease is None:
            return None
        lease.release()  # counting takes none of the model's slots
        body, template = await self._told(target, asked)
        instance = lease.instance
        try:
            text = await _prompt(instance, body, template)
            tokens = await inquiry.tokens(instance, text)
        except (UpstreamLost, Upstream):
            return None
        pictures = inquiry.IMAGE_TOKENS * inquiry.media_count(body["messages"])
        return Measure(len(tokens) + pictures, instance.context)

    async def _lease(
        self, asked: HouseAsk, target: Target, model: Model, hearer: Hearer
    ) -> Lease[Instance]:
        if asked.waits:
            return await self._leasing.lease_for(
                asked.client, asked.id, model, hearer.waits, target.options
            )
        lease = self._leasing.lease_now(asked.client, model, target.options)
        if lease is None:
            raise NotReady(
                f"{model.id} is not loaded, or busy", hint="ask again once it is ready and free"
            )
        return lease

    async def _told(
        self, target: Target, asked: HouseAsk
    ) -> tuple[dict[str, Any], Templating | None]:
        """The chat as the model may see it, and what writes its prompt if not its GGUF."""
        model = target.model
        body = {"model": asked.model, **asked.body}
        told = told_to(target, CHAT, body, screened=runs_llama_cpp(model))
        if isinstance(model, PeerModel) or not (model.recipe and model.recipe.template):
            return told, None
        return told, await asyncio.to_thread(_templating, model, self._current)


def sees(model: Model) -> bool:
    """Whether a model of this house takes pictures, as its header or its owner says."""
    return Trait.VISION in model.traits or "image" in model.settings.capabilities.inputs


# --- asking --------------------------------------------------------------------------------------


async def _ask_peer(model: PeerModel, body: dict[str, Any], ear: _Ear, asked: HouseAsk) -> End:
    known = {name: value for name, value in body.items() if name in OF_OPENAI} | PEER_STREAM
    if (body.get("chat_template_kwargs") or {}).get("enable_thinking") is False:
        known["reasoning_effort"] = "none"
    if asked.goes_on:  # llama.cpp's servers say such a beginning again
        ear.skip = str(body["messages"][-1]["content"])
    ask = Ask("POST", CHAT, await written(known, LARGE + 1), JSON)
    with model.peer.serving(model.id):
        return await _heard(model.peer.pool, ask, ear)


async def _ask_child(
    instance: Instance,
    body: dict[str, Any],
    template: Templating | None,
    ear: _Ear,
    asked: HouseAsk,
) -> End:
    pool = instance.pool
    if pool is None:
        raise UpstreamLost(f"{instance.model.id} is no longer running")
    try:
        path, form, ear.reader = await _form(instance, body, template, goes_on=asked.goes_on)
        return await _heard(pool, Ask("POST", path, await written(form, LARGE + 1), JSON), ear)
    except Upstream as refusal:
        if refusal.error.get("type") == TOO_LONG:
            raise _too_long(refusal, instance.context) from refusal
        raise
    except UpstreamLost as error:
        raise await explained(instance, error) from error


async def _heard(pool: ConnectionPool, ask: Ask, ear: _Ear) -> End:
    """Send a request and hear its answer out."""
    try:
        answer: Fetched | None = await send_on(pool, ask, Assembled(ear).run)
    except UpstreamLost:
        if ear.reader.end is None:
            raise
        answer = None  # all that was lost is the end of the framing
    if answer is not None and ear.reader.end is None:
        if answer.status != 200:
            raise engine_refusal(answer.status, answer.body)
        ear.take_whole(answer.body)
    if ear.reader.end is None:
        raise UpstreamLost("the engine ended its stream before its answer was whole")
    return ear.reader.end


async def _form(
    instance: Instance, body: dict[str, Any], template: Templating | None, *, goes_on: bool
) -> Form:
    if template is not None and await template.rules(instance):
        path, form, reader = await template.form(instance, body)
        return path, form | STREAM, reader
    own = _GOES_ON if goes_on else {}
    return CHAT, body | own | STREAM, ChatReader()


async def _prompt(instance: Instance, body: dict[str, Any], template: Templating | None) -> str:
    if template is not None and await template.rules(instance):
        return await template.prompt(instance, body)
    return await inquiry.written_out(instance, body)


def _templating(model: Model, current: Current) -> Templating | None:
    from paddock.gateway.ollama.templating import (  # noqa: PLC0415 - few models bring one
        templating_of,
    )

    return templating_of(model, current.config.ollama.go_template)


def _asked(target: Target, asked: HouseAsk) -> Asked:
    model = target.model
    return Asked(
        model=model.name if isinstance(model, PeerModel) else model.id,
        path=CHAT,
        requested=target.selector or target.name,
        request_id=asked.id,
        client=asked.client,
        metadata=asked.metadata,
    )


def _too_long(refusal: Upstream, context: int) -> InvalidRequest:
    tokens = refusal.error.get("n_prompt_tokens")
    has = f"{tokens:,} tokens" if type(tokens) is int else "more tokens"
    fits = f"{context:,}" if context else "fewer"
    return InvalidRequest(
        f"the chat is too long for the model: it has {has}, and the model runs with {fits}",
        hint="begin a new chat, or take a model with a larger context",
    )


class _Ear(Assembler):
    """Hears an answer of a child as it comes, and knows what the journal wants to know of it."""

    def __init__(self, hearer: Hearer) -> None:
        super().__init__()
        self.reader: Reader = ChatReader()
        self.skip = ""
        """What the answer may begin with that was said before."""
        self._hearer = hearer
        self._first_at: float | None = None
        self._sent = 0
        self._before = self._last = b""

    def feed(self, event: SseEvent) -> None:
        """Take the next event. Raises as `Reader.feed`."""
        self._sent += len(event.data)
        self._before, self._last = self._last, event.data[-KEPT_BYTES:]
        if _PROGRESS in event.data:
            self._read_progress(event)
        for piece in self.reader.feed(event):
            self._say(piece)

    def take_whole(self, body: bytes) -> None:
        """Take an answer that is no stream. Raises as `Reader.answer`."""
        self._sent, self._last = len(body), body[-KEPT_BYTES:]
        for piece in self.reader.answer(body):
            self._say(piece)

    def finish(self) -> None:
        """The stream is over; whether the answer is whole, `reader.end` tells."""

    def report(self) -> Answer:
        """What was answered so far."""
        if not self._sent:
            return Answer()
        return Answer(
            status=200,
            content_type="text/event-stream",
            events=True,
            first_at=self._first_at,
            sent=self._sent,
            tail=self._before + b"\n" + self._last,
        )

    def _say(self, piece: Piece) -> None:
        if self._first_at is None:
            self._first_at = perf_counter()
        if self.skip:
            piece = piece._replace(text=self._unsaid(piece.text))
        if piece.text or piece.thinking:
            self._hearer.says(piece)

    def _unsaid(self, text: str) -> str:
        """`text` without what it says again; once it says something else, all of it counts."""
        same = min(len(text), len(self.skip))
        if text[:same] != self.skip[:same]:
            self.skip = ""
            return text
        self.skip = self.skip[same:]
        return text[same:]

    def _read_progress(self, event: SseEvent) -> None:
        told = read_event(event).get("prompt_progress")
        if isinstance(told, dict):
            done, total = told.get("processed"), told.get("total")
            if type(done) is int and type(total) is int:
                self._hearer.reads(done, total)

    def _take(self, value: dict[str, Any]) -> None:
        """`feed` does without."""

    def _whole(self) -> None:
        """`finish` does without."""
