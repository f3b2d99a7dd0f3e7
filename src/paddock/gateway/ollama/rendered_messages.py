"""The messages of a conversation as a Go template sees them: `.Messages`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from paddock.errors import TemplateError
from paddock.gotemplate import Field, JsonMap, JsonStruct, Kind, Struct

_MESSAGE: Final = Kind(
    "api.Message",
    Field("Role", "role"),
    Field("Content", "content"),
    Field("Thinking", "thinking", omit_empty=True),
    Field("Images", "images", omit_empty=True),
    Field("ToolCalls", "tool_calls", omit_empty=True),
    Field("ToolName", "tool_name", omit_empty=True),
    Field("ToolCallID", "tool_call_id", omit_empty=True),
)
_CALL: Final = Kind(
    "api.ToolCall", Field("ID", "id", omit_empty=True), Field("Function", "function")
)
_CALLED: Final = Kind(
    "api.ToolCallFunction",
    Field("Index", "index", omit_empty=True),
    Field("Name", "name"),
    Field("Arguments", "arguments"),
)


class Told(NamedTuple):
    """One message, its media already named in its content."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[Any, ...] = ()
    calls: tuple[Struct, ...] = ()
    tool_name: str = ""
    call_id: str = ""
    calls_size: int = 0
    """About how many characters the calls have, written as JSON."""

    @classmethod
    def read(cls, message: Mapping[str, Any], media: list[Any], tag: Callable[[int], str]) -> Told:
        """A message of a request; its media join `media`."""
        content, images = _content(message)
        tags = [tag(len(media) + at) for at in range(len(images))]
        media.extend(images)
        role = str(message.get("role") or "").lower()
        return cls(
            role="system" if role == "developer" else role,
            content=_tagged(content, tags),
            thinking=_text(message, "thinking", "reasoning_content"),
            images=tuple(images),
            calls=tuple(_calls(message.get("tool_calls"))),
            calls_size=size_as_json(message.get("tool_calls")),
            tool_name=_text(message, "tool_name", "name"),
            call_id=_text(message, "tool_call_id"),
        )

    def with_next(self, other: Told) -> Told:
        """This message and the next, of the same role, as one."""
        return self._replace(
            content="\n\n".join(filter(None, (self.content, other.content))),
            thinking="\n\n".join(filter(None, (self.thinking, other.thinking))),
            images=self.images + other.images,
            calls=self.calls + other.calls,
            calls_size=self.calls_size + other.calls_size,
        )

    def value(self) -> Struct:
        """What a template sees of it."""
        return Struct(
            _MESSAGE,
            self.role,
            self.content,
            self.thinking,
            list(self.images),
            list(self.calls),
            self.tool_name,
            self.call_id,
        )


def _content(message: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The text and the media of a message: Ollama has them side by side, OpenAI in parts."""
    content = message.get("content") or ""
    media = list(message.get("images") or ())
    if isinstance(content, str):
        return content, media
    texts = [str(part.get("text", "")) for part in content if part.get("type") == "text"]
    media += [part for part in content if part.get("type") != "text"]
    return "".join(texts), media


def _tagged(content: str, tags: list[str]) -> str:
    """With the media's tags: where the text says `[img]`, else before it."""
    before = ""
    for tag in tags:
        if "[img]" in content:
            content = content.replace("[img]", tag, 1)
        else:
            before += tag
    return before + content


def _calls(calls: Any) -> Iterator[Struct]:
    for index, call in enumerate(calls or ()):
        function = call.get("function") or {}
        called = JsonStruct(
            _CALLED, index, str(function.get("name") or ""), _arguments(function.get("arguments"))
        )
        yield JsonStruct(_CALL, str(call.get("id") or ""), called)


def _arguments(given: Any) -> JsonMap:
    """An object, or the text of one."""
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError):
            raise TemplateError("the arguments of a tool call are no JSON object") from None
    return JsonMap(given if isinstance(given, dict) else {})


def _text(message: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if isinstance(text := message.get(name), str) and text), "")


def size_as_json(value: Any) -> int:
    """About how many characters it has; 0 for what is no JSON."""
    try:
        return len(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return 0
