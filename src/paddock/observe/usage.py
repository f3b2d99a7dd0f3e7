"""What an answer tells of its tokens and its speed, in whatever dialect it is.

Only the beginning and the end of an answer are looked at: OpenAI, Anthropic and Responses tell
their `usage` there, llama.cpp its `timings`, vLLM its `metrics`. They are found by their names: in
JSON, generated text cannot hold `"usage":`, since the quotes in a string are escaped. What the
engine does not tell is not guessed.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NOT_TOLD = -1

UNPACKED_BYTES = 1 << 20
"""A packed answer is unpacked so far, and no further."""

_OBJECT = re.compile(rb'"(usage|timings|metrics)"\s*:\s*(?=\{)')
_NATIVE = re.compile(rb'"(tokens_evaluated|tokens_predicted)"\s*:\s*(\d{1,12})\b')
_DECODER = json.JSONDecoder()
_SHORTEST_MS = 1e-3
"""Between two tokens; what is told to be shorter is no measurement, and has no finite speed."""
_OBJECT_BYTES = 16 << 10
"""An object that tells of tokens is smaller than this."""


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Usage:
    """Tokens and speeds of one answer. A speed is tokens per second, 0 where it is not known."""

    input_tokens: int = 0
    """Prompt tokens that were worked through; those from the cache are not among them."""
    output_tokens: int = 0
    cached_tokens: int = NOT_TOLD
    draft_tokens: int = NOT_TOLD
    accepted_tokens: int = NOT_TOLD
    prompt_speed: float = 0.0
    generation_speed: float = 0.0
    prompt_ms: float | None = None
    """How long the engine worked on the prompt, where it tells."""


def usage_in(head: bytes, tail: bytes = b"", encoding: bytes = b"") -> Usage:
    """What the first and the last bytes of an answer tell. Never raises.

    `encoding` is the answer's Content-Encoding; of a packed answer `head` must be the beginning.
    """
    text = _unpacked(head, encoding) + b"\n" + (b"" if encoding else tail)
    told: dict[str, dict[str, Any]] = {"usage": {}, "timings": {}, "metrics": {}}
    for name, value in _objects(text):
        told[name] |= {key: item for key, item in value.items() if item is not None}
    counts = dict(_native_counts(text)) | told["usage"]
    fields = _of_usage(counts) | _of_vllm(told["metrics"]) | _of_timings(told["timings"])
    return Usage(**fields)


def _unpacked(data: bytes, encoding: bytes) -> bytes:
    kind = encoding.strip().lower()
    if kind not in {b"gzip", b"x-gzip", b"deflate"}:
        return b"" if kind and kind != b"identity" else data
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # with a header of either kind, without
        try:
            return zlib.decompressobj(window).decompress(data, UNPACKED_BYTES)
        except zlib.error:
            continue
    return b""


def _objects(text: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a telling name, in order."""
    for found in _OBJECT.finditer(text):
        piece = text[found.end() : found.end() + _OBJECT_BYTES].decode("utf-8", "replace")
        try:
            value, _ = _DECODER.raw_decode(piece)
        except (ValueError, RecursionError):
            continue  # cut off, or no JSON after all
        yield found[1].decode(), value


def _native_counts(text: bytes) -> Iterator[tuple[str, int]]:
    for found in _NATIVE.finditer(text):
        yield found[1].decode(), int(found[2])


def _of_usage(told: Mapping[str, Any]) -> dict[str, Any]:
    prompt = _count(told, "prompt_tokens", "tokens_evaluated")
    if prompt is not None or "input_tokens_details" in told:  # then the cached ones are in it
        total = prompt if prompt is not None else _count(told, "input_tokens") or 0
        cached = _cached_of_total(told)
        worked = max(0, total - (cached or 0))
    else:
        worked = _count(told, "input_tokens") or 0
        cached = _count(told, "cache_read_input_tokens")
    output = _count(told, "completion_tokens", "output_tokens", "tokens_predicted")
    return {
        "input_tokens": worked,
        "output_tokens": output or 0,
        "cached_tokens": NOT_TOLD if cached is None else cached,
    }


def _cached_of_total(told: Mapping[str, Any]) -> int | None:
    details = told.get("prompt_tokens_details", told.get("input_tokens_details"))
    return _count(details, "cached_tokens") if isinstance(details, dict) else None


def _of_timings(told: Mapping[str, Any]) -> dict[str, Any]:
    counts = {
        "input_tokens": _count(told, "prompt_n"),
        "output_tokens": _count(told, "predicted_n"),
        "cached_tokens": _count(told, "cache_n"),
        "draft_tokens": _count(told, "draft_n"),
        "accepted_tokens": _count(told, "draft_n_accepted"),
    }
    numbers = {
        "prompt_speed": _number(told, "prompt_per_second"),
        "generation_speed": _number(told, "predicted_per_second"),
        "prompt_ms": _number(told, "prompt_ms"),
    }
    return {name: value for name, value in (counts | numbers).items() if value is not None}


def _of_vllm(told: Mapping[str, Any]) -> dict[str, Any]:
    between = _number(told, "mean_itl_ms") or 0.0
    first = _number(told, "time_to_first_token_ms")
    speed = {"generation_speed": 1000 / between} if between > _SHORTEST_MS else {}
    return speed | ({"prompt_ms": first} if first is not None else {})


def _count(told: Mapping[str, Any], *names: str) -> int | None:
    """The first of these fields that holds a count."""
    for name in names:
        value = told.get(name)
        if type(value) is int and 0 <= value < 1 << 48:
            return value
    return None


def _number(told: Mapping[str, Any], name: str) -> float | None:
    value = told.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        return None
    return float(value)
