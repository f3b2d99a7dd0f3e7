"""Asks an engine for a stream where the client wants a whole answer, and puts that together.

llama-server notices that the client of a whole answer has left only when nothing else happens in
it for a second; the client of a stream it misses at the next token. `DIALECTS` says for each route
what to ask for and who assembles it; an answer that cannot be rebuilt exactly is asked for as the
client did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from paddock.gateway.assemble_messages import MessagesAssembler
from paddock.gateway.assemble_native import NativeAssembler
from paddock.gateway.assemble_openai import ChatChoice, OpenAIAssembler, TextChoice
from paddock.gateway.assemble_responses import ResponsesAssembler
from paddock.gateway.assembler import Assembler

__all__ = ["DIALECTS", "Assembler", "Assembly", "Dialect", "plan"]

PING_SECONDS = 5
"""A silent stream is pinged this often: a write is how the engine learns that we left."""

SHORT = 16
"""Tokens. An answer cut inside a tag, such as `<think>`, is that text when it is whole and nothing
in a stream. So one that may be all tag is asked for directly; it ends soon by itself."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """`body` is what to send instead of the client's, `assembler` takes the events that come."""

    body: dict[str, Any]
    assembler: Assembler


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to ask one route for a stream."""

    assembler: Callable[[dict[str, Any]], Assembler]
    """Made for each request, from its body."""
    asked: Mapping[str, Any]
    """Fields that replace the client's."""
    has_tags: bool = False
    """The engine takes thoughts and calls out of the text: see `SHORT`."""


def plan(route: str, body: dict[str, Any]) -> Assembly | None:
    """How to ask `route` of an engine for a stream, or None: send `body` as it is.

    None for routes without streams, for a client that streams itself, and for answers that a
    stream does not hold exactly. `body` is not changed.
    """
    dialect = DIALECTS.get(route)
    if dialect is None or not _is_rebuildable(body) or (dialect.has_tags and _is_short(body)):
        return None
    return Assembly({**body, **dialect.asked}, dialect.assembler(body))


def _is_rebuildable(body: dict[str, Any]) -> bool:
    if _asks(body, "stream") or body.get("reasoning_format") == "deepseek-legacy":
        return False
    if any(_asks(body, field) for field in _DIRECT_FIELDS & body.keys()):
        return False
    return not _is_continued(body) and _is_one_prompt(body.get("prompt")) and _count(body) >= 1


def _is_continued(body: dict[str, Any]) -> bool:
    """The model goes on writing a last message of its own.

    The text so far is in a whole answer, but not in the stream of newer engines.
    """
    said = body.get("messages", body.get("input"))
    last = said[-1] if isinstance(said, list) and said else None
    return isinstance(last, dict) and (
        last.get("role") == "assistant" or last.get("type") in _OWN_ITEMS
    )


def _asks(body: dict[str, Any], field: str) -> bool:
    """The engine refuses some of what Python takes for false."""
    value = body.get(field)
    return value is not None and value is not False


def _is_short(body: dict[str, Any]) -> bool:
    limits = (body.get(field) for field in _LENGTH_FIELDS)
    return any(type(limit) is int and 0 <= limit <= SHORT for limit in limits)


def _is_one_prompt(prompt: Any) -> bool:
    """A list is one prompt when it has a token in it: then its texts are parts of that prompt."""
    if not isinstance(prompt, list):
        return True
    return len(prompt) == 1 or any(type(part) is int for part in prompt)


def _count(body: dict[str, Any]) -> int:
    """The completions asked for; 0 when that is no number and the engine should say so."""
    asked = [body[field] for field in ("n_cmpl", "n") if body.get(field) is not None]
    if not asked:
        return 1
    return asked[0] if type(asked[0]) is int else 0


_OWN_ITEMS = frozenset({"function_call", "reasoning"})
"""Items of a response's input that, like its assistant messages, the model wrote."""
_LENGTH_FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "n_predict")
_DIRECT_FIELDS = frozenset(
    {
        "continue_final_message",  # a stream leaves out the text that is continued
        "echo",
        "logprobs",  # a token without text of its own loses its entry
        "n_probs",
        "response_fields",  # may leave out what tells the end
        "return_tokens",  # a stream skips tokens that are part of a character
        "top_logprobs",
        "verbose",
    }
)

_STREAM = {"stream": True, "sse_ping_interval": PING_SECONDS}
_PROGRESS = _STREAM | {"return_progress": True}
_USAGE = _PROGRESS | {"stream_options": {"include_usage": True}}

_CHAT = Dialect(lambda _: OpenAIAssembler(ChatChoice, "chat.completion"), _USAGE, True)
_TEXT = Dialect(lambda _: OpenAIAssembler(TextChoice, "text_completion"), _USAGE)
_NATIVE = Dialect(lambda body: NativeAssembler(_count(body)), _PROGRESS)
_RESPONSES = Dialect(lambda _: ResponsesAssembler(), _PROGRESS, True)
_MESSAGES = Dialect(lambda body: MessagesAssembler(str(body.get("model", ""))), _STREAM, True)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "/v1/chat/completions": _CHAT,
        "/chat/completions": _CHAT,
        "/v1/completions": _TEXT,
        "/completions": _NATIVE,
        "/completion": _NATIVE,
        "/infill": _NATIVE,
        "/v1/responses": _RESPONSES,
        "/responses": _RESPONSES,
        "/v1/messages": _MESSAGES,
    }
)
"""Every route of llama-server with a stream."""
