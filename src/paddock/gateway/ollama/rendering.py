"""A conversation as a model's Go template writes it: Ollama's contract for TEMPLATE.

A template that ranges over `.Messages` is executed once. An older one, of `.System`, `.Prompt` and
`.Response`, is executed once per turn, the last time only up to its `.Response`. All of this is
pure and blocking; `gotemplate`'s bounds hold, and grow with the conversation.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from paddock.errors import TemplateError
from paddock.gateway.ollama.rendered_tools import tools_value
from paddock.gotemplate import (
    Budget,
    Field,
    JsonMap,
    JsonStruct,
    Kind,
    Struct,
    Template,
    parse,
)

Thinks = bool | str | None
"""What a request says of thinking: yes, no, a level, or nothing."""


class Turn(NamedTuple):
    """What is to be written. Messages in Ollama's form, or in OpenAI's."""

    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    system: str = ""
    """A system message before the others, unless their first is one."""
    prompt: str = ""
    """A user's message after the others; with `suffix`, what stands before the gap."""
    suffix: str = ""
    """What stands after the gap that is to be filled. Then there are no messages."""
    response: str = ""
    """The beginning of the answer."""
    think: Thinks = None


class Rendered(NamedTuple):
    """A prompt, and the pictures and sounds of its markers, in their order."""

    prompt: str
    media: tuple[Any, ...]


@lru_cache(maxsize=32)
def template_of(text: str) -> Template:
    """The template, as `render` wants it: with `.Response` where it lacks that.

    Raises TemplateError.
    """
    template = parse(text)
    if template.mentions(".Messages") or template.mentions(".Response"):
        return template
    return template.followed_by("Response")


def render(template: Template, turn: Turn) -> str:
    """The prompt, with `[img-0]`, `[img-1]`, … where its media are. Raises TemplateError."""
    return _render(template, turn, lambda number: f"[img-{number}]")[0]


def render_with_media(template: Template, turn: Turn, marker: str) -> Rendered:
    """The prompt with `marker` where each of its media is, and nowhere else.

    Raises TemplateError.
    """
    word = secrets.token_hex(8)
    prompt, media = _render(template, turn, lambda number: f"[{word}-{number}]")
    if not media:
        return Rendered(prompt, ())
    texts, placed = _taken_apart(prompt, word)
    return Rendered(
        marker.join(text.replace(marker, "") for text in texts),
        tuple(media[number] for number in placed),
    )


def _taken_apart(prompt: str, word: str) -> tuple[list[str], list[int]]:
    """The texts between the tags of `word`, and the numbers of the tags."""
    first, *others = prompt.split(f"[{word}-")
    pairs = [other.split("]", 1) for other in others]
    return [first, *(text for _, text in pairs)], [int(number) for number, _ in pairs]


# --- the two ways --------------------------------------------------------------------------------


def _render(template: Template, turn: Turn, tag: Callable[[int], str]) -> tuple[str, list[Any]]:
    media: list[Any] = []
    told = [_Told.read(message, media, tag) for message in _conversation(turn)]
    budget = _budget(turn, told)
    if turn.prompt and turn.suffix:
        data = {"Prompt": turn.prompt, "Suffix": turn.suffix, "Response": ""}
        return template.execute(data | _thinking(turn.think), budget), media
    collated = list(_collated(told))
    if template.mentions(".Messages"):
        data = _whole(told, collated, turn)
        return template.execute(data | _thinking(turn.think), budget), media
    return "".join(_turns(template, collated, _thinking(turn.think), budget)), media


def _whole(told: list[_Told], collated: list[_Told], turn: Turn) -> dict[str, Any]:
    return {
        "System": "\n\n".join(one.content for one in told if one.role == "system"),
        "Messages": [one.value() for one in collated],
        "Tools": tools_value(turn.tools),
        "Response": "",
    }


def _turns(
    template: Template, messages: Iterable[_Told], thinking: dict[str, Any], budget: Budget
) -> Iterator[str]:
    """Turn by turn: a system message, a question, an answer, each of which may be missing."""
    system = prompt = response = ""
    for message in messages:
        begins = (message.role == "system" and prompt) or (
            message.role in ("system", "user") and response
        )
        if begins:
            data = {"System": system, "Prompt": prompt, "Response": response}
            yield template.execute(data | thinking, budget)
            system = prompt = response = ""
        match message.role:
            case "system":
                system = message.content
            case "user":
                prompt = message.content
            case "assistant":
                response = message.content
    data = {"System": system, "Prompt": prompt, "Response": response}
    yield template.up_to("Response").execute(data | thinking, budget)


def _thinking(think: Thinks) -> dict[str, Any]:
    return {
        "Think": bool(think),
        "ThinkLevel": think if isinstance(think, str) else "",
        "IsThinkSet": think is not None,
    }


def _budget(turn: Turn, told: list[_Told]) -> Budget:
    """Room for a long conversation, and time in proportion."""
    characters = sum(len(one.content) + len(one.thinking) for one in told)
    characters += len(turn.prompt) + len(turn.suffix)
    return Budget(
        steps=100_000 + 500 * len(told) + characters // 16,
        output=(4 << 20) + 2 * characters,
    )


# --- messages ------------------------------------------------------------------------------------

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


class _Told(NamedTuple):
    """One message, its media already named in its content."""

    role: str
    content: str = ""
    thinking: str = ""
    images: tuple[Any, ...] = ()
    calls: tuple[Struct, ...] = ()
    tool_name: str = ""
    call_id: str = ""

    @classmethod
    def read(cls, message: Mapping[str, Any], media: list[Any], tag: Callable[[int], str]) -> _Told:
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
            tool_name=_text(message, "tool_name", "name"),
            call_id=_text(message, "tool_call_id"),
        )

    def with_next(self, other: _Told) -> _Told:
        """This message and the next, of the same role, as one."""
        return self._replace(
            content="\n\n".join(filter(None, (self.content, other.content))),
            thinking="\n\n".join(filter(None, (self.thinking, other.thinking))),
            images=self.images + other.images,
            calls=self.calls + other.calls,
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


def _conversation(turn: Turn) -> list[Mapping[str, Any]]:
    messages = list(turn.messages)
    if turn.system and not (messages and messages[0].get("role") == "system"):
        messages.insert(0, {"role": "system", "content": turn.system})
    if turn.prompt:
        messages.append({"role": "user", "content": turn.prompt})
    if turn.response:
        messages.append({"role": "assistant", "content": turn.response})
    return messages


def _collated(messages: Iterable[_Told]) -> Iterator[_Told]:
    """Neighbours of one role as one message; but each result of a tool stays by itself."""
    held: _Told | None = None
    for message in messages:
        if held is not None and held.role == message.role != "tool":
            held = held.with_next(message)
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held


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
