"""What the lines of `/api/chat` and of `/api/generate` have in common."""

from __future__ import annotations

import secrets
import string
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from paddock.errors import InvalidRequest, PaddockError
from paddock.gateway import problems
from paddock.gateway.body import dump_json, parse_json
from paddock.gateway.generation import End, Piece, ToolCall, Writer
from paddock.gateway.ollama.final import Clock, created_at, done_reason, statistics

NDJSON: Final = b"application/x-ndjson"
JSON: Final = b"application/json; charset=utf-8"

_LETTERS: Final = string.ascii_lowercase + string.digits


class Told(NamedTuple):
    """What is told in the lines of one answer beside the model's words."""

    model: str
    """As the client wrote it."""
    path: str
    clock: Clock
    thinking: bool = True
    """False: thoughts are left out, because the client wants none."""
    probabilities: int | None = None
    """Other tokens told with each token; None: nothing is told of probabilities."""


class Lines(Writer):
    """Writes one line per piece, or everything in one object at the end."""

    def __init__(self, told: Told, *, streams: bool) -> None:
        self.told = told
        self.streams = streams
        self.content_type = NDJSON if streams else JSON
        self.truncated = 0
        """What was left out of the prompt, for the last line."""
        self.context: list[int] | None = None
        """Tokens of prompt and answer, where they are told."""
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._logprobs: list[Mapping[str, Any]] = []

    keeps_text = False
    """Of a stream, too."""

    @property
    def text(self) -> str:
        """All that was said so far, where it is kept."""
        return "".join(self._text)

    def add(self, piece: Piece) -> bytes:
        """A line for what the piece says; nothing when the client does not want to hear it."""
        if piece.thinking and not self.told.thinking:
            piece = piece._replace(thinking="")
        if self.told.probabilities is None and piece.logprobs:
            piece = piece._replace(logprobs=())
        if self.keeps_text or not self.streams:
            self._text.append(piece.text)
        if self.streams:
            return self._line(piece) if any(piece) else b""
        self._thinking.append(piece.thinking)
        self._calls += piece.calls
        self._logprobs += piece.logprobs
        return b""

    def end(self, end: End) -> bytes:
        """The last line; of an answer that is told whole, all of it."""
        said = Piece()
        if not self.streams:
            calls, logprobs = tuple(self._calls), tuple(self._logprobs)
            said = Piece(self.text, "".join(self._thinking), calls, logprobs)
        line = self._object(said) | {"done": True, "done_reason": done_reason(end)}
        if self.context is not None:
            line["context"] = self.context
        line |= statistics(self.told.clock, end)
        if self.truncated:
            line["truncated"] = self.truncated
        return dump_json(line) + b"\n" * self.streams

    def failure(self, error: PaddockError) -> bytes:
        """The line with which a broken stream ends."""
        return dump_json(problems.body_of(error, self.told.path)) + b"\n"

    def _line(self, piece: Piece) -> bytes:
        return dump_json(self._object(piece)) + b"\n"

    def _object(self, piece: Piece) -> dict[str, Any]:
        line: dict[str, Any] = {"model": self.told.model, "created_at": created_at()}
        line |= self._said(piece)
        line["done"] = False
        if piece.logprobs:
            line["logprobs"] = list(_logprobs(piece.logprobs, self.told.probabilities or 0))
        return line

    @abstractmethod
    def _said(self, piece: Piece) -> dict[str, Any]:
        """How this route tells what the model said."""


def called(calls: Iterable[ToolCall], first: int) -> list[dict[str, Any]]:
    """Calls of tools, as Ollama tells them; `first` is the number of the first one."""
    return [
        {
            "id": call.id or f"call_{''.join(secrets.choice(_LETTERS) for _ in range(8))}",
            "function": {"index": index, "name": call.name, "arguments": _object_of(call)},
        }
        for index, call in enumerate(calls, first)
    ]


def _object_of(call: ToolCall) -> dict[str, Any]:
    """A call's arguments. Clients depend on an object: what the model broke off is an empty one,
    and so is what is no JSON to them, as NaN or half of a character.
    """
    try:
        return parse_json(call.arguments.encode() or b"{}")
    except (InvalidRequest, UnicodeEncodeError):
        return {}


def _logprobs(entries: Iterable[Mapping[str, Any]], others: int) -> Iterable[dict[str, Any]]:
    for entry in entries:
        told = _token(entry)
        if others:
            told["top_logprobs"] = [_token(other) for other in entry["top_logprobs"][:others]]
        yield told


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in ("token", "logprob", "bytes")}
