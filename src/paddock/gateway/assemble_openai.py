"""`/v1/chat/completions` and `/v1/completions`: chunks of choices, usage, and `[DONE]`."""

from __future__ import annotations

from typing import Any, Protocol

from paddock.gateway.assembler import Assembler
from paddock.gateway.sse import SseEvent


class Choice(Protocol):
    """One of the answers to a request, growing."""

    def add(self, piece: dict[str, Any]) -> None:
        """Take one entry of a chunk's `choices`."""
        ...

    def whole(self) -> dict[str, Any]:
        """The entry of the answer's `choices`."""
        ...


class OpenAIAssembler(Assembler):
    """`choice` is the kind of choice, `kind` the answer's `object`."""

    def __init__(self, choice: type[Choice], kind: str) -> None:
        super().__init__()
        self._new_choice = choice
        self._kind = kind
        self._choices: dict[int, Choice] = {}
        self._ended = -1
        """The choice that ended last: a usage chunk is about that one and names none."""
        self._envelope: dict[str, Any] = {}
        """The chunk that everything outside the choices is taken from."""

    def feed(self, event: SseEvent) -> None:
        """Take the next event; see `Assembler.feed`."""
        if event.data == b"[DONE]":
            self._done = bool(self._choices)
        else:
            super().feed(event)

    def _take(self, value: dict[str, Any]) -> None:
        for piece in value.get("choices", ()):
            index = piece["index"]
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = self._new_choice()
            choice.add(piece)
            if piece.get("finish_reason") is not None:
                self._ended = index
                if index == 0:
                    self._envelope = value
        # A direct answer to several choices has only the usage and the timings of the first.
        if "usage" in value and (self._ended == 0 or "usage" not in self._envelope):
            self._envelope = value

    def _whole(self) -> dict[str, Any]:
        choices = [self._choices[index].whole() for index in sorted(self._choices)]
        return (
            {"choices": choices}
            | {key: value for key, value in self._envelope.items() if key not in _OF_A_CHUNK}
            | {"object": self._kind}
        )


_OF_A_CHUNK = frozenset({"choices", "prompt_progress"})


class TextChoice:
    """A choice of `/v1/completions`."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._last: dict[str, Any] = {}

    def add(self, piece: dict[str, Any]) -> None:
        """Take one entry of a chunk's `choices`."""
        self._text.append(piece["text"])
        self._last = piece

    def whole(self) -> dict[str, Any]:
        """The entry of the answer's `choices`."""
        return self._last | {"text": "".join(self._text)}


class ChatChoice:
    """A choice of `/v1/chat/completions`."""

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _ToolCall] = {}
        self._index = 0
        self._finish_reason: str | None = None

    def add(self, piece: dict[str, Any]) -> None:
        """Take one entry of a chunk's `choices`."""
        delta = piece["delta"]
        if text := delta.get("content"):
            self._content.append(text)
        if text := delta.get("reasoning_content"):
            self._reasoning.append(text)
        for call in delta.get("tool_calls") or ():
            self._calls.setdefault(call["index"], _ToolCall()).add(call)
        self._index = piece["index"]
        self._finish_reason = piece.get("finish_reason")

    def whole(self) -> dict[str, Any]:
        """The entry of the answer's `choices`."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._content)}
        if self._reasoning:
            message["reasoning_content"] = "".join(self._reasoning)
        if self._calls:
            message["tool_calls"] = [self._calls[i].whole() for i in sorted(self._calls)]
        return {"finish_reason": self._finish_reason, "index": self._index, "message": message}


class _ToolCall:
    """Its first piece has everything, the later ones only more of the arguments."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {"type": "function"}
        self._name = ""
        self._arguments: list[str] = []

    def add(self, piece: dict[str, Any]) -> None:
        self._told |= {key: piece[key] for key in ("type", "id") if key in piece}
        function = piece.get("function", {})
        self._name = function.get("name") or self._name
        self._arguments.append(function.get("arguments") or "")

    def whole(self) -> dict[str, Any]:
        function = {"name": self._name, "arguments": "".join(self._arguments)}
        return {"type": self._told["type"], "function": function} | self._told
