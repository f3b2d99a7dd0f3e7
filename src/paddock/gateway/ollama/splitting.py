"""Takes thoughts and calls out of a model's text, with the readers for each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from paddock.gateway.generation import Piece, ToolCall
from paddock.gateway.ollama import thinking_text, tool_text
from paddock.gateway.ollama.thinking_text import ThinkingReader, is_opened
from paddock.gateway.ollama.tool_text import ToolReader

if TYPE_CHECKING:  # when it runs: imported for the first template
    from paddock.gotemplate import Template


class Splitting:
    """Splits one answer: first its thoughts, then the calls in the rest."""

    def __init__(self, thoughts: ThinkingReader | None, calls: ToolReader | None) -> None:
        self._thoughts = thoughts
        self._calls = calls

    def feed(self, text: str) -> Piece:
        """What the next part of the text turns out to be."""
        thinking = ""
        if self._thoughts is not None:
            thinking, text = self._thoughts.feed(text)
        if self._calls is None or not text:
            return Piece(text, thinking)
        heard = self._calls.feed(text)
        return Piece(heard.text, thinking, tuple(map(_call, heard.calls)))

    def finish(self) -> Piece:
        """The text is over: the rest."""
        thinking = text = ""
        if self._thoughts is not None:
            thinking, text = self._thoughts.finish()
        if self._calls is None:
            return Piece(text, thinking)
        before = self._calls.feed(text)
        last = self._calls.finish()
        calls = tuple(map(_call, (*before.calls, *last.calls)))
        return Piece(before.text + last.text, thinking, calls)


def splitting_of(template: Template, tools: Iterable[Any], prompt: str) -> Splitting:
    """What splits the answer to a prompt that `template` has written."""
    thoughts = calls = None
    if tags := thinking_text.tags_of(template):
        thoughts = ThinkingReader(*tags, opened=is_opened(prompt, tags.open))
    if names := tuple(_names(tools)):
        calls = ToolReader(tool_text.tags_of(template), names)
    return Splitting(thoughts, calls)


def thoughts_after(prompt: str) -> Splitting:
    """What splits the answer to a prompt of a child's own template, with the usual tags."""
    tags = thinking_text.Tags()
    return Splitting(ThinkingReader(*tags, opened=is_opened(prompt, tags.open)), None)


def _names(tools: Iterable[Any]) -> Iterable[str]:
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and name:
            yield name


def _call(call: tool_text.ToolCall) -> ToolCall:
    return ToolCall(call.name, json.dumps(call.arguments, ensure_ascii=False))
