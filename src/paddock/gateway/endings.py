"""How llama-server ends the stream of each route. A stream that just ends was broken off.

Client libraries take a stream's silent end for success, so what did not end in one of these ways
must be told as an error. The marks cannot be part of generated text: in a JSON string every quote
and every line end is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Endings = tuple[bytes, ...]
"""Texts of which one is in the last event of every stream that was not broken off."""

_ERRORS = (b'data: {"error"', b"event: error\n")
_OPENAI = (b"data: [DONE]", *_ERRORS)
_NATIVE = (b'"stop":true', *_ERRORS)
_RESPONSES = (b"event: response.completed\n", *_ERRORS)
_MESSAGES = (b"event: message_stop\n", *_ERRORS)

ENDINGS: Final[Mapping[str, Endings]] = MappingProxyType(
    {
        "/v1/chat/completions": _OPENAI,
        "/chat/completions": _OPENAI,
        "/v1/completions": _OPENAI,
        "/completions": _NATIVE,
        "/completion": _NATIVE,
        "/infill": _NATIVE,
        "/v1/responses": _RESPONSES,
        "/responses": _RESPONSES,
        "/v1/messages": _MESSAGES,
        "/messages": _MESSAGES,
    }
)
"""By the child's route."""
