"""Prompts by a model's Go template, where that is not what its GGUF says in another language.

Whether it is, is measured: both write two small conversations. What is equal goes to the child's
own chat route, which knows more about the model's answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from paddock.engine.instance import Instance
from paddock.errors import PaddockError
from paddock.gateway import inquiry
from paddock.gateway.dialogue import Form
from paddock.gateway.generation import TextReader
from paddock.gateway.ollama import media
from paddock.gateway.ollama.rendering import (
    Rendered,
    Turn,
    render,
    render_with_media,
    template_of,
)
from paddock.gateway.ollama.splitting import splitting_of
from paddock.gateway.peer import PeerModel
from paddock.library.model import Model

COMPLETION: Final = "/completion"
MARKER: Final = "<__media__>"
"""What stands for a picture where a child does not say."""

_PROBES: Final[tuple[list[dict[str, str]], ...]] = (
    [{"role": "user", "content": "Where does it rain?"}],
    [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Where does it rain?"},
        {"role": "assistant", "content": "Bergen."},
        {"role": "user", "content": "And where not?"},
    ],
)
_OF_CHATS: Final = frozenset(
    {
        "add_generation_prompt",
        "chat_template_kwargs",
        "continue_final_message",
        "logprobs",
        "messages",
        "n",
        "parallel_tool_calls",
        "reasoning_effort",
        "reasoning_format",
        "response_format",
        "stream",
        "stream_options",
        "tool_choice",
        "tools",
        "top_logprobs",
    }
)
"""Fields of a chat that say nothing to, or mean something else on, the route for prompts."""

_equal: WeakKeyDictionary[Instance, dict[str, bool]] = WeakKeyDictionary()
_props: WeakKeyDictionary[Instance, dict[str, Any]] = WeakKeyDictionary()


def templating_of(model: Model | PeerModel, mode: str, override: str = "") -> GoTemplating | None:
    """What writes a model's prompts, if not its GGUF alone.

    `mode` is the owner's `goTemplate`, `override` the template that a request brings. Raises
    TemplateError for one that cannot be read.
    """
    if not isinstance(model, Model):
        return None
    if override:
        return GoTemplating(override, is_sure=True)
    text = model.recipe.template if model.recipe else ""
    has_own = model.header.has_chat_template
    if not text or (mode == "never" and has_own):
        return None
    return GoTemplating(text, is_sure=mode == "always" or not has_own)


class GoTemplating:
    """One Go template, for one request."""

    def __init__(self, text: str, *, is_sure: bool) -> None:
        """`is_sure`: it is to be used, whatever the GGUF says. Raises TemplateError."""
        self._text = text
        self._is_sure = is_sure
        self._template = template_of(text)

    async def rules(self, instance: Instance) -> bool:
        """Whether this instance's prompts are written by it."""
        if self._is_sure:
            return True
        known = _equal.setdefault(instance, {})
        if self._text not in known:
            known[self._text] = await self._says_the_same(instance)
        return not known[self._text]

    async def prompt(self, instance: Instance, chat: dict[str, Any]) -> str:
        """The prompt of a chat, without its pictures and sounds."""
        return (await self._rendered(instance, chat, "")).prompt

    async def form(self, instance: Instance, chat: dict[str, Any]) -> Form:
        """How to ask for the answer to a chat."""
        marker = ""
        if inquiry.media_count(chat["messages"]):
            marker = str((await props(instance)).get("media_marker") or MARKER)
        rendered = await self._rendered(instance, chat, marker)
        prompt: Any = rendered.prompt
        if rendered.media:
            data = [media.data_of(part) for part in rendered.media]
            prompt = {"prompt_string": rendered.prompt, "multimodal_data": data}
        tools = chat.get("tools") or ()
        splitting = await asyncio.to_thread(splitting_of, self._template, tools, rendered.prompt)
        return COMPLETION, as_completion(chat) | {"prompt": prompt}, TextReader(splitting)

    async def fill(self, instance: Instance, before: str, after: str) -> str:
        """The prompt to fill a gap."""
        turn = Turn(prompt=before, suffix=after)
        prompt = await asyncio.to_thread(render, self._template, turn)
        return await _without_bos(instance, prompt)

    def fills(self) -> bool:
        """Whether it has a place for what stands after a gap."""
        return self._template.mentions(".Suffix")

    async def _rendered(self, instance: Instance, chat: dict[str, Any], marker: str) -> Rendered:
        turn = turn_of(chat)
        rendered = await asyncio.to_thread(render_with_media, self._template, turn, marker)
        return rendered._replace(prompt=await _without_bos(instance, rendered.prompt))

    async def _says_the_same(self, instance: Instance) -> bool:
        """Whether both templates write the same. What only one of them can write differs."""
        try:
            for messages in _PROBES:
                theirs = await inquiry.written_out(instance, {"messages": messages})
                if await self.prompt(instance, {"messages": messages}) != theirs:
                    return False
        except PaddockError:
            return False
        return True


def turn_of(chat: Mapping[str, Any]) -> Turn:
    """A chat request of the child's as the turn that a template writes.

    With a format the model cannot think: the format would hold for its thoughts too.
    """
    kwargs = chat.get("chat_template_kwargs")
    told = kwargs if isinstance(kwargs, dict) else {}
    think = told.get("enable_thinking")
    level = told.get("reasoning_effort") or chat.get("reasoning_effort")
    if chat.get("response_format"):
        think = False if think is not None else None
    elif think is not False and isinstance(level, str):
        think = False if level == "none" else level
    return Turn(messages=chat["messages"], tools=chat.get("tools") or (), think=think)


def as_completion(chat: Mapping[str, Any]) -> dict[str, Any]:
    """A chat request's fields for the route for prompts, but for the prompt."""
    body = {field: value for field, value in chat.items() if field not in _OF_CHATS}
    wanted = chat.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") == "json_object":
        body["json_schema"] = wanted.get("schema") or {"type": "object"}
    elif isinstance(wanted, dict) and isinstance(wanted.get("json_schema"), dict):
        body["json_schema"] = wanted["json_schema"].get("schema") or {}
    if chat.get("logprobs"):
        body["n_probs"] = max(1, chat.get("top_logprobs") or 0)
    return body


async def props(instance: Instance) -> dict[str, Any]:
    """What a child tells of itself; empty when it does not."""
    if instance not in _props:
        try:
            _props[instance] = await inquiry.look(instance, "/props")
        except PaddockError:
            return {}
    return _props[instance]


async def _without_bos(instance: Instance, prompt: str) -> str:
    """The prompt without the mark of its beginning, which the child puts there itself."""
    mark = (await props(instance)).get("bos_token")
    return prompt.removeprefix(mark) if isinstance(mark, str) else prompt
