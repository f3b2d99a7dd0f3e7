"""A conversation as a model's Go template writes it: Ollama's contract for TEMPLATE.

A template that ranges over `.Messages` is executed once. An older one, of `.System`, `.Prompt` and
`.Response`, is executed once per turn, the last time only up to its `.Response`. All of this is
pure and blocking; `gotemplate`'s bounds hold, and grow with the conversation.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # when it runs: imported for the first template
    from paddock.gateway.ollama.rendered_messages import Told
    from paddock.gotemplate import Budget, Template

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
    from paddock.gotemplate import parse  # noqa: PLC0415 - only models with a template need it

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
    from paddock.gateway.ollama.rendered_messages import Told  # noqa: PLC0415 - as above

    media: list[Any] = []
    told = [Told.read(message, media, tag) for message in _conversation(turn)]
    budget = _budget(turn, told)
    if turn.prompt and turn.suffix:
        data = {"Prompt": turn.prompt, "Suffix": turn.suffix, "Response": ""}
        return template.execute(data | _thinking(turn.think), budget), media
    collated = list(_collated(told))
    if template.mentions(".Messages"):
        data = _whole(told, collated, turn)
        return template.execute(data | _thinking(turn.think), budget), media
    return "".join(_turns(template, collated, _thinking(turn.think), budget)), media


def _whole(told: list[Told], collated: list[Told], turn: Turn) -> dict[str, Any]:
    from paddock.gateway.ollama.rendered_tools import tools_value  # noqa: PLC0415 - as above

    return {
        "System": "\n\n".join(one.content for one in told if one.role == "system"),
        "Messages": [one.value() for one in collated],
        "Tools": tools_value(turn.tools),
        "Response": "",
    }


def _turns(
    template: Template, messages: Iterable[Told], thinking: dict[str, Any], budget: Budget
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


def _budget(turn: Turn, told: list[Told]) -> Budget:
    """Room for a long conversation, and time in proportion."""
    from paddock.gateway.ollama.rendered_messages import size_as_json  # noqa: PLC0415 - as above
    from paddock.gotemplate import Budget  # noqa: PLC0415

    characters = sum(len(one.content) + len(one.thinking) for one in told)
    characters += len(turn.prompt) + len(turn.suffix)
    as_json = sum(one.calls_size for one in told) + size_as_json(turn.tools)
    return Budget(
        steps=100_000 + 500 * len(told) + characters // 16 + as_json // 2,
        output=(4 << 20) + 2 * (characters + as_json),
    )


# --- what is said in which order ------------------------------------------------------------------


def _conversation(turn: Turn) -> list[Mapping[str, Any]]:
    messages = list(turn.messages)
    if turn.system and not (messages and messages[0].get("role") == "system"):
        messages.insert(0, {"role": "system", "content": turn.system})
    if turn.prompt:
        messages.append({"role": "user", "content": turn.prompt})
    if turn.response:
        messages.append({"role": "assistant", "content": turn.response})
    return messages


def _collated(messages: Iterable[Told]) -> Iterator[Told]:
    """Neighbours of one role as one message; but each result of a tool stays by itself."""
    held: Told | None = None
    for message in messages:
        if held is not None and held.role == message.role != "tool":
            held = held.with_next(message)
            continue
        if held is not None:
            yield held
        held = message
    if held is not None:
        yield held
