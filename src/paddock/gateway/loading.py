"""What a client that streams is told while it waits for its model, in its own dialect.

Chats carry it as reasoning, which clients show and keep out of the answer. Anthropic's
Messages may send `ping` events at any time. In every other stream it is a comment: clients skip it,
people at a terminal read it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Protocol

from paddock.gateway import sse
from paddock.gateway.problems import is_anthropic
from paddock.units import format_duration


@dataclass(frozen=True, slots=True)
class Wait:
    """What a request waits for. Two that are equal need not be told twice."""

    model: str
    state: str
    """`loading`, or `queued`: for room, or for a slot of the model."""
    position: int
    """Place among the requests for the model, from 1."""
    reason: str = ""
    """Why it waits, in words."""
    progress: float | None = None
    """How much of the load is done, 0..1 in hundredths; None when the engine does not tell."""

    @property
    def subject(self) -> str:
        """What goes on, with the model's name."""
        doing = "loading" if self.state == "loading" else "waiting for"
        return f"{doing} {self.model}"

    @property
    def detail(self) -> str:
        """How far it is; may be empty."""
        place = f"position {self.position}"
        if self.state != "loading":
            return f"{place}: {self.reason}" if self.reason else place
        parts = [] if self.progress is None else [f"{self.progress:.0%}".replace("%", " %")]
        return ", ".join(parts + [place] * (self.position > 1))

    def __str__(self) -> str:
        """All of it on one line."""
        gap = " " if self.progress is not None else ", "
        return gap.join(filter(None, (self.subject, self.detail)))


class Dialect(Protocol):
    """How one dialect puts it. Each method gives a whole frame of an event stream."""

    def news(self, wait: Wait) -> bytes:
        """Something has changed."""
        ...

    def alive(self, wait: Wait) -> bytes:
        """Nothing has changed, but the stream lives."""
        ...

    def ready(self, model: str, seconds: float) -> bytes:
        """The wait is over."""
        ...


class Comments:
    """For every stream."""

    def news(self, wait: Wait) -> bytes:
        return _comment(str(wait))

    alive = news

    def ready(self, model: str, seconds: float) -> bytes:
        return _comment(_ready(model, seconds))


class Pings:
    """For Anthropic's Messages."""

    def news(self, wait: Wait) -> bytes:
        return self._ping(asdict(wait))

    alive = news

    def ready(self, model: str, seconds: float) -> bytes:
        return self._ping({"model": model, "state": "ready", "seconds": round(seconds, 2)})

    def _ping(self, told: dict[str, object]) -> bytes:
        return sse.event(json.dumps({"type": "ping", "paddock": told}).encode(), "ping")


class Reasoning:
    """For chat completions: lines of `reasoning_content`. Names no role: the answer's chunks do."""

    def __init__(self, request: str, model: str) -> None:
        self._chunk = {
            "id": f"chatcmpl-{request}",
            "object": "chat.completion.chunk",
            "created": int(datetime.now(UTC).timestamp()),
            "model": model,
        }
        self._subject = ""

    def news(self, wait: Wait) -> bytes:
        """A line; one that goes on with the last one's subject does not repeat it."""
        known = wait.subject == self._subject and wait.detail
        self._subject = wait.subject
        return self._line(wait.detail if known else str(wait))

    def alive(self, wait: Wait) -> bytes:
        return _comment(str(wait))

    def ready(self, model: str, seconds: float) -> bytes:
        return self._line(_ready(model, seconds) + "\n")

    def _line(self, text: str) -> bytes:
        delta = {"reasoning_content": f"{text}\n"}
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return sse.event(json.dumps({**self._chunk, "choices": [choice]}).encode())


class Lines:
    """For Ollama's chats and prompts: thoughts, which clients show and keep out of the answer."""

    def __init__(self, path: str, model: str) -> None:
        self._is_chat = path == "/api/chat"
        self._model = model
        self._subject = ""

    def news(self, wait: Wait) -> bytes:
        """A line; one that goes on with the last one's subject does not repeat it."""
        known = wait.subject == self._subject and wait.detail
        self._subject = wait.subject
        return self._line(f"{wait.detail if known else wait}\n")

    def alive(self, wait: Wait) -> bytes:  # noqa: ARG002 - nothing of it is new
        """A line that says nothing: one without an object would be no line of Ollama's."""
        return self._line("")

    def ready(self, model: str, seconds: float) -> bytes:
        return self._line(_ready(model, seconds) + "\n\n")

    def _line(self, text: str) -> bytes:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        thought = {"thinking": text} if text else {}
        told: dict[str, object] = {"model": self._model, "created_at": now}
        if self._is_chat:
            told["message"] = {"role": "assistant", "content": "", **thought}
        else:
            told |= {"response": "", **thought}
        return json.dumps({**told, "done": False}).encode() + b"\n"


def dialect_of(path: str, request: str, model: str) -> Dialect:
    """The dialect that the client of this request speaks."""
    if path in {"/api/chat", "/api/generate"}:
        return Lines(path, model)
    if path.endswith("/chat/completions"):
        return Reasoning(request, model)
    return Pings() if is_anthropic(path) else Comments()


def _ready(model: str, seconds: float) -> str:
    return f"{model} is ready after {format_duration(seconds)}"


def _comment(text: str) -> bytes:
    """Names may hold anything; a line end in a comment would begin something else."""
    return sse.comment(" ".join(text.encode("utf-8", "replace").decode().splitlines()))
