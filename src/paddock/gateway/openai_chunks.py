"""Tells an answer as `/v1/chat/completions` does, in llama-server's shapes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from paddock.errors import PaddockError
from paddock.gateway import problems
from paddock.gateway.body import dump_json
from paddock.gateway.generation import End, Piece, ToolCall, Writer

EVENT_STREAM = b"text/event-stream"
DONE = b"data: [DONE]\n\n"


class OpenAIChunks(Writer):
    """Writes chunks, or one completion."""

    def __init__(self, model: str, path: str, *, streams: bool, tells_usage: bool = False) -> None:
        """`tells_usage`: the stream ends with a chunk about tokens."""
        self.streams = streams
        self.content_type = EVENT_STREAM if streams else Writer.content_type
        self._path = path
        self._tells_usage = tells_usage
        self._about = {
            "created": int(datetime.now(UTC).timestamp()),
            "id": f"chatcmpl-{secrets.token_urlsafe(24)}",
            "model": model,
            "object": "chat.completion.chunk" if streams else "chat.completion",
        }
        self._calls = 0
        """Calls told so far."""
        self._has_begun = False
        self._pieces: list[Piece] = []

    def add(self, piece: Piece) -> bytes:
        """A chunk for what the piece says."""
        if not self.streams:
            self._pieces.append(piece)
            return b""
        return self._beginning() + self._chunk([_choice("delta", self._delta(piece), None, piece)])

    def end(self, end: End) -> bytes:
        """How it ended and what it took; of an answer that is told whole, all of it."""
        if not self.streams:
            return dump_json({"choices": [self._whole(end)], **self._about, **_took(end)})
        last = {} if self._tells_usage else _timings(end)
        out = self._beginning() + self._chunk([_choice("delta", {}, end.reason)], last)
        if self._tells_usage:
            out += self._chunk([], _took(end))
        return out + DONE

    def failure(self, error: PaddockError) -> bytes:
        """The event with which a broken stream ends. No `[DONE]` follows it."""
        return problems.stream_frame(error, self._path)

    def _beginning(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._chunk([_choice("delta", {"role": "assistant", "content": None}, None)])

    def _delta(self, piece: Piece) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if piece.thinking:
            delta["reasoning_content"] = piece.thinking
        if piece.text:
            delta["content"] = piece.text
        if piece.calls:
            calls = enumerate(_called(piece.calls), self._calls)
            delta["tool_calls"] = [{"index": index, **call} for index, call in calls]
            self._calls += len(piece.calls)
        return delta

    def _chunk(self, choices: list[Any], more: Mapping[str, Any] | None = None) -> bytes:
        return b"data: %b\n\n" % dump_json({"choices": choices, **self._about, **(more or {})})

    def _whole(self, end: End) -> dict[str, Any]:
        pieces = self._pieces
        text = "".join(piece.text for piece in pieces)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thinking := "".join(piece.thinking for piece in pieces):
            message["reasoning_content"] = thinking
        calls = [call for piece in pieces for call in piece.calls]
        if calls:
            message["tool_calls"] = list(_called(calls))
        logprobs = tuple(entry for piece in pieces for entry in piece.logprobs)
        return _choice("message", message, end.reason, Piece(logprobs=logprobs))


def _called(calls: list[ToolCall] | tuple[ToolCall, ...]) -> Iterator[dict[str, Any]]:
    for call in calls:
        function = {"name": call.name, "arguments": call.arguments}
        yield {
            "type": "function",
            "function": function,
            "id": call.id or f"call_{secrets.token_hex(8)}",
        }


def _choice(
    field: str, said: dict[str, Any], reason: str | None, piece: Piece | None = None
) -> dict[str, Any]:
    choice = {"finish_reason": reason, "index": 0, field: said}
    if piece is not None and piece.logprobs:
        choice["logprobs"] = {"content": list(piece.logprobs)}
    return choice


def _took(end: End) -> dict[str, Any]:
    usage = {
        "completion_tokens": end.tokens,
        "prompt_tokens": end.prompt_tokens,
        "total_tokens": end.prompt_tokens + end.tokens,
        "prompt_tokens_details": {"cached_tokens": end.cached_tokens},
    }
    return {"usage": usage} | _timings(end)


def _timings(end: End) -> dict[str, Any]:
    return {} if end.timings is None else {"timings": end.timings}
