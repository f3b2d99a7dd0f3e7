"""How an answer gets on: its phases, its speed, and what is told of them."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

from paddock.gateway.generation import End, Piece
from paddock.gateway.loading import Wait

PROMPT_SECONDS: Final = 0.25
WORDS_SECONDS: Final = 0.5
"""How often progress is told, at most."""

Progress = dict[str, Any]
"""`phase`, and what belongs to it."""


class Pace:
    """Follows one answer. Each method gives the progress to tell, if there is any."""

    def __init__(self) -> None:
        self.progress: Progress | None = None
        """What was told last; None once the answer is over."""
        self._began = self._asked = monotonic()
        self._first: float | None = None
        self._thinking: float | None = None
        """When thoughts began; None: there are none, or no more."""
        self._told_at = float("-inf")
        self._wait: Wait | None = None
        self._tokens = 0
        self._meta: dict[str, Any] = {}

    def waits(self, wait: Wait) -> Progress | None:
        """It waits; the same wait is told once."""
        if wait == self._wait:
            return None
        self._wait = wait
        told: Progress = {"phase": wait.state, "position": wait.position, "reason": wait.reason}
        if wait.progress is not None:
            told["progress"] = wait.progress
        return self._told({**told, "seconds": round(monotonic() - self._asked, 1)})

    def begins(self, context: int, queued: float, loading: float) -> Progress:
        """Its model is there."""
        self._began = monotonic()
        self._meta = {"queued_ms": _ms(queued), "loading_ms": _ms(loading)}
        self._meta |= {"context": context} if context else {}
        return self._told({"phase": "prompt"})

    def reads(self, done: int, total: int) -> Progress | None:
        """The prompt is worked through."""
        if done < total and self._is_early(PROMPT_SECONDS):
            return None
        return self._told({"phase": "prompt", "done": done, "total": total})

    def says(self, piece: Piece) -> Progress | None:
        """The answer goes on: a piece is a token, nearly always."""
        now = monotonic()
        self._tokens += 1
        if self._first is None:
            self._first = now
        if piece.thinking and self._thinking is None and "reasoning_ms" not in self._meta:
            self._thinking = now
        if piece.text and self._thinking is not None:
            self._end_thoughts(now)
        phase = "writing" if self._thinking is None else "thinking"
        if phase == self._phase and self._is_early(WORDS_SECONDS):
            return None
        return self._told({"phase": phase, "tokens": self._tokens, **self._speed()})

    def meta(self, end: End | None) -> dict[str, Any]:
        """What is kept of it. `end`: None where it was cut short."""
        self.progress = None
        if self._thinking is not None:
            self._end_thoughts(monotonic())
        first = self._first
        told = self._meta | ({"first_token_ms": _ms(first - self._began)} if first else {})
        if end is None:
            return told | ({"tokens": self._tokens} | self._speed(long=True))
        told |= {"finish": end.reason, "tokens": end.tokens or self._tokens}
        if end.prompt_tokens:
            used = end.prompt_tokens + end.tokens
            told |= {"prompt_tokens": end.prompt_tokens, "context_used": used}
        fresh = end.prompt_tokens - end.cached_tokens
        return (
            told
            | _rate("tokens_per_second", end.tokens, end.ms / 1000)
            | _rate("prompt_per_second", fresh, end.prompt_ms / 1000)
        )

    def _speed(self, *, long: bool = False) -> dict[str, float]:
        name = "tokens_per_second" if long else "per_second"
        since = self._first if self._first is not None else monotonic()
        return _rate(name, self._tokens - 1, monotonic() - since)

    def _end_thoughts(self, now: float) -> None:
        if self._thinking is not None:
            self._meta["reasoning_ms"] = _ms(now - self._thinking)
            self._thinking = None

    @property
    def _phase(self) -> str:
        return self.progress["phase"] if self.progress else ""

    def _is_early(self, seconds: float) -> bool:
        return monotonic() - self._told_at < seconds

    def _told(self, progress: Progress) -> Progress:
        self._told_at = monotonic()
        self.progress = progress
        return progress


def _rate(name: str, count: int, seconds: float) -> dict[str, float]:
    return {name: round(count / seconds, 2)} if count > 0 and seconds > 0 else {}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
