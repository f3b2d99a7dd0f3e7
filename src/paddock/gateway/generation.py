"""One answer of a model in no dialect: readers make it of a child's events, writers tell it.

A `Generation` joins the two: any reader with any writer. So a chat can be asked of the child as a
chat or as a completion of a rendered prompt, and the client sees no difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from paddock.errors import InvalidRequest, PaddockError, UpstreamLost
from paddock.gateway.assembler import MISSHAPEN, read_event
from paddock.gateway.body import parse_json
from paddock.gateway.sse import SseEvent
from paddock.gateway.translated import Translator


class ToolCall(NamedTuple):
    """A call that the model wants made, whole."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""
    id: str = ""
    """Empty: the engine gave none."""


class Piece(NamedTuple):
    """What one event of the child adds."""

    text: str = ""
    thinking: str = ""
    calls: tuple[ToolCall, ...] = ()
    logprobs: tuple[Mapping[str, Any], ...] = ()
    """Per token, as llama-server tells them: `token`, `logprob`, `bytes`, `top_logprobs`."""


class End(NamedTuple):
    """How an answer ended, and what it took."""

    reason: str
    """`stop`, `length` or `tool_calls`."""
    prompt_tokens: int = 0
    """Those from the cache included."""
    cached_tokens: int = 0
    prompt_ms: float = 0.0
    tokens: int = 0
    ms: float = 0.0
    """What the tokens of the answer took."""
    timings: Mapping[str, Any] | None = None
    """As llama-server told them; None: another engine."""


class Splitter(Protocol):
    """Takes thoughts and calls out of a text that comes in pieces."""

    def feed(self, text: str) -> Piece:
        """What the next part of the text turns out to be; what may go on is held back."""
        ...

    def finish(self) -> Piece:
        """The text is over: the rest."""
        ...


class Reader(ABC):
    """Reads one answer of a child."""

    end: End | None = None
    """Set once the answer is whole."""

    def feed(self, event: SseEvent) -> list[Piece]:
        """What the next event adds. Raises as `assembler.read_event`."""
        value = read_event(event)
        try:
            return list(self._take(value))
        except MISSHAPEN as error:
            raise UpstreamLost("the engine sent an event of another form than expected") from error

    def answer(self, body: bytes) -> list[Piece]:
        """What the child's whole answer holds, where no stream was asked for."""
        try:
            return list(self._take_whole(parse_json(body)))
        except (InvalidRequest, *MISSHAPEN) as error:
            raise UpstreamLost("the engine sent an answer of another form than expected") from error

    @abstractmethod
    def _take(self, value: dict[str, Any]) -> Iterator[Piece]:
        """Read the next event's object."""

    @abstractmethod
    def _take_whole(self, value: dict[str, Any]) -> Iterator[Piece]:
        """Read a whole answer."""


class Writer(ABC):
    """Tells one answer in one dialect. Without `streams` only `end` says something: all of it."""

    content_type: bytes = b"application/json; charset=utf-8"
    streams: bool = False

    @abstractmethod
    def add(self, piece: Piece) -> bytes:
        """Take a piece that says something."""

    @abstractmethod
    def end(self, end: End) -> bytes:
        """The answer is over."""

    @abstractmethod
    def failure(self, error: PaddockError) -> bytes:
        """How a stream that has begun tells of an error."""


Settle = Callable[[], Awaitable[None]]


class Generation(Translator):
    """One answer, read by `reader` and told by `writer`."""

    def __init__(self, reader: Reader, writer: Writer, settle: Settle | None = None) -> None:
        """`settle`: what to wait for between the last event and the end of the answer."""
        self.content_type = writer.content_type
        self.streams = writer.streams
        self._reader = reader
        self._writer = writer
        self._settle = settle

    def feed(self, event: SseEvent) -> bytes:
        """Take the next event of the child's stream."""
        return self._told(self._reader.feed(event))

    def answer(self, body: bytes) -> bytes:
        """Take the child's whole answer."""
        return self._told(self._reader.answer(body))

    @property
    def is_whole(self) -> bool:
        """All of the child's answer has come."""
        return self._reader.end is not None

    async def settle(self) -> None:
        """Wait for what the end of the answer needs."""
        if self._settle is not None and self.is_whole:
            await self._settle()

    def finish(self) -> bytes:
        """The end of the answer. Raises UpstreamLost when the child's was not whole."""
        if self._reader.end is None:
            raise UpstreamLost("the engine ended its stream before its answer was whole")
        return self._writer.end(self._reader.end)

    def failure(self, error: PaddockError) -> bytes:
        """How a stream that has begun tells its client of an error."""
        return self._writer.failure(error)

    def _told(self, pieces: Sequence[Piece]) -> bytes:
        if len(pieces) == 1:  # as nearly always
            return self._writer.add(pieces[0])
        return b"".join(map(self._writer.add, pieces))


# --- readers -------------------------------------------------------------------------------------


class ChatReader(Reader):
    """`/v1/chat/completions`, of llama-server and of other servers with this route."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._reason = ""
        self._usage: Mapping[str, Any] = {}
        self._timings: Mapping[str, Any] | None = None

    def feed(self, event: SseEvent) -> list[Piece]:
        """What the next event adds. Raises as `assembler.read_event`."""
        if event.data != b"[DONE]":
            return super().feed(event)
        if self._reason:
            self.end = _end(self._reason, self._timings, self._usage)
        return []

    def _take(self, value: dict[str, Any]) -> Iterator[Piece]:
        self._usage = value.get("usage") or self._usage
        self._timings = value.get("timings") or self._timings
        for choice in value.get("choices") or ():
            if choice.get("index", 0) == 0:
                yield from self._pieces(choice, choice.get("delta") or {})

    def _take_whole(self, value: dict[str, Any]) -> Iterator[Piece]:
        choice = value["choices"][0]
        yield from self._pieces(choice, choice["message"])
        self.end = _end(self._reason or "stop", value.get("timings"), value.get("usage") or {})

    def _pieces(self, choice: dict[str, Any], said: dict[str, Any]) -> Iterator[Piece]:
        calls = list(self._called(said.get("tool_calls") or ()))
        if reason := choice.get("finish_reason"):
            self._reason = str(reason)
            calls += [call.whole() for call in self._calls.values()]
            self._calls.clear()
        piece = Piece(
            said.get("content") or "",
            said.get("reasoning_content") or said.get("reasoning") or "",
            tuple(calls),
            tuple((choice.get("logprobs") or {}).get("content") or ()),
        )
        if any(piece):
            yield piece

    def _called(self, deltas: Sequence[dict[str, Any]]) -> Iterator[ToolCall]:
        """Calls that are whole, because another one begins after them."""
        for number, delta in enumerate(deltas):
            index = delta.get("index", number)
            if index not in self._calls:
                yield from (call.whole() for call in self._calls.values())
                self._calls = {index: _Call()}
            self._calls[index].add(delta)


class _Call:
    """A call whose arguments come in pieces."""

    def __init__(self) -> None:
        self._id = self._name = ""
        self._arguments: list[str] = []

    def add(self, delta: dict[str, Any]) -> None:
        function = delta.get("function") or {}
        self._id = delta.get("id") or self._id
        self._name = function.get("name") or self._name
        self._arguments.append(function.get("arguments") or "")

    def whole(self) -> ToolCall:
        return ToolCall(self._name, "".join(self._arguments), self._id)


class TextReader(Reader):
    """`/completion` and `/infill`. `splitter` takes thoughts and calls out of the text."""

    def __init__(self, splitter: Splitter | None = None) -> None:
        self._splitter = splitter
        self._has_called = False

    def _take(self, value: dict[str, Any]) -> Iterator[Piece]:
        if not value:
            return
        text = value["content"]
        logprobs = tuple(map(_as_chat_has_it, value.get("completion_probabilities") or ()))
        if self._splitter is None:
            piece = Piece(text, logprobs=logprobs)
        else:
            piece = self._splitter.feed(text)._replace(logprobs=logprobs)
        yield from self._said(piece)
        if value["stop"] is True:
            if self._splitter is not None:
                yield from self._said(self._splitter.finish())
            self.end = self._ended(value)

    _take_whole = _take

    def _said(self, piece: Piece) -> Iterator[Piece]:
        self._has_called = self._has_called or bool(piece.calls)
        if any(piece):
            yield piece

    def _ended(self, value: dict[str, Any]) -> End:
        reason = "length" if value.get("stop_type") == "limit" else "stop"
        counts = {
            "prompt_tokens": value.get("tokens_evaluated"),
            "completion_tokens": value.get("tokens_predicted"),
        }
        return _end("tool_calls" if self._has_called else reason, value.get("timings"), counts)


def _as_chat_has_it(entry: dict[str, Any]) -> dict[str, Any]:
    """One token's probabilities: `/completion` may call them by other names."""
    return entry if "top_logprobs" in entry else {**entry, "top_logprobs": []}


def _end(reason: str, timings: Mapping[str, Any] | None, usage: Mapping[str, Any]) -> End:
    told = timings or {}
    cached = _number(told.get("cache_n"))
    return End(
        reason,
        int(cached + _number(told["prompt_n"])) if "prompt_n" in told else _count(usage, "prompt"),
        int(cached),
        _number(told.get("prompt_ms")),
        int(_number(told["predicted_n"])) if "predicted_n" in told else _count(usage, "completion"),
        _number(told.get("predicted_ms")),
        timings,
    )


def _count(usage: Mapping[str, Any], what: str) -> int:
    return int(_number(usage.get(f"{what}_tokens")))


def _number(value: Any) -> float:
    """A number that an engine told; 0 for what is none, or no sane one."""
    return value if type(value) in {int, float} and 0 <= value < 1 << 53 else 0
