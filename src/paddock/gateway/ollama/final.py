"""What Ollama's answers tell of themselves: when each line was made, and what it all took."""

from __future__ import annotations

import time
from typing import Any

from paddock.gateway.generation import End

MS = 1_000_000
"""Nanoseconds."""


class Clock:
    """The times of one request, in nanoseconds."""

    __slots__ = ("_began", "_loaded")

    def __init__(self) -> None:
        self._began = time.monotonic_ns()
        self._loaded = 0

    def got_model(self) -> None:
        """The model is there. What came before counts as its load, as Ollama counts it."""
        self._loaded = time.monotonic_ns()

    @property
    def total(self) -> int:
        """From the request to now."""
        return max(1, time.monotonic_ns() - self._began)

    @property
    def load(self) -> int:
        """From the request to its model; never 0, which Ollama's clients take for missing."""
        return max(1, self._loaded - self._began)


def created_at() -> str:
    """Now, in UTC, as RFC 3339 with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09d}Z"


def done_reason(end: End) -> str:
    """Why the model stopped, in Ollama's words: calls of tools are no reason of their own."""
    return "length" if end.reason == "length" else "stop"


def statistics(clock: Clock, end: End) -> dict[str, Any]:
    """The numbers of a last line. All are always there: some clients fail without them."""
    total, load = clock.total, clock.load
    prompt, answer = int(end.prompt_ms * MS), int(end.ms * MS)
    if end.timings is None:  # nobody told: all that was no load
        answer = max(0, total - load)
    return {
        "total_duration": total,
        "load_duration": load,
        "prompt_eval_count": end.prompt_tokens,
        "prompt_eval_duration": prompt,
        "eval_count": end.tokens,
        "eval_duration": answer,
    }
