"""How one prompt is asked of a child: as a message, as it is, or after an earlier answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest, PaddockError
from paddock.gateway import inquiry
from paddock.gateway.dialogue import Dialogue, Form
from paddock.gateway.forward import Ask
from paddock.gateway.generation import TextReader
from paddock.gateway.ollama.lines import Lines
from paddock.gateway.ollama.splitting import thoughts_after
from paddock.gateway.ollama.templating import GoTemplating
from paddock.gateway.truncation import room

log = logging.getLogger(__name__)

COMPLETION: Final = "/completion"
INFILL: Final = "/infill"


class GenerateDialogue(Dialogue):
    """A prompt as the user's message. One that is too long loses its beginning."""

    counted = "tokens of the prompt"

    def __init__(self, body: dict[str, Any], lines: Lines, **manners: Any) -> None:
        super().__init__(body, lines, **manners)
        self.lines = lines

    def settle(self, instance: Instance) -> Callable[[], Any] | None:
        """Learn the tokens of prompt and answer, which a client may send with its next prompt."""

        async def settle() -> None:
            try:
                self.lines.context = await self.context(instance)
            except (PaddockError, ConnectionError) as error:
                log.debug("%s: no context is told: %s", instance.model.id, error)

        return settle

    async def context(self, instance: Instance) -> list[int]:
        """The tokens of prompt and answer."""
        return await inquiry.tokens(instance, await self.prompt(instance) + self.lines.text)

    async def shorten(self, instance: Instance, tokens: int, context: int) -> bool:
        """Cut the beginning of the prompt, as much as must be."""
        over = tokens - (context - room(context, self.length) * self.tries)
        messages = self.body["messages"]
        cut = await cut_beginning(instance, _text_of(messages[-1]), over)
        if cut is None:
            return False
        self.body = {**self.body, "messages": [*messages[:-1], _with_text(messages[-1], cut)]}
        self.dropped += over
        return True


class ContextDialogue(GenerateDialogue):
    """A prompt after the tokens of an earlier exchange, as the client kept them."""

    def __init__(
        self,
        body: dict[str, Any],
        bare: dict[str, Any],
        context: list[int],
        lines: Lines,
        **manners: Any,
    ) -> None:
        """`bare`: the request to complete a prompt, without the prompt."""
        super().__init__(body, lines, **manners)
        self._bare = bare
        self._context = context

    async def form(self, instance: Instance) -> Form:
        """The tokens, and after them the prompt as it is written out."""
        said = await self.prompt(instance)
        body = self._bare | {"prompt": [*self._context, said]} | self.streaming()
        return COMPLETION, body, TextReader(thoughts_after(said))

    async def context(self, instance: Instance) -> list[int]:
        """The tokens of everything."""
        said = await self.prompt(instance) + self.lines.text
        return [*self._context, *await inquiry.tokens(instance, said, whole=False)]

    async def shorten(self, instance: Instance, tokens: int, context: int) -> bool:
        """Forget the oldest of the tokens, and then of the prompt."""
        over = tokens - (context - room(context, self.length) * self.tries)
        if over >= len(self._context):
            forgotten, self._context = len(self._context), []
            self.dropped += forgotten
            return over == forgotten or await super().shorten(instance, tokens - forgotten, context)
        self._context = self._context[over:]
        self.dropped += over
        return True


class PromptDialogue(Dialogue):
    """A prompt that the model sees as it is, or a text with a gap."""

    counted = "tokens of the prompt"

    def __init__(self, path: str, body: dict[str, Any], lines: Lines, **manners: Any) -> None:
        super().__init__(body, lines, **manners)
        self._path = path
        self._field = "prompt" if path == COMPLETION else "input_prefix"

    async def form(
        self,
        instance: Instance,  # noqa: ARG002 - all instances get the same
    ) -> Form:
        """The prompt as it is."""
        return self._path, self.body | self.streaming(), TextReader()

    async def to_peer(self) -> Ask:
        """Refuse: what a peer runs is not known to take bare prompts."""
        raise InvalidRequest("a peer's model takes no raw prompt and fills no gap", param="model")

    async def prompt(
        self,
        instance: Instance,  # noqa: ARG002 - all instances get the same
    ) -> str:
        """The prompt as it is."""
        return str(self.body[self._field])

    def streaming(self) -> dict[str, Any]:
        """As a chat, but without what only chats know."""
        direct = self.body.get("n_probs") and not self.writer.streams
        return {"stream": False} if direct else NATIVE_STREAM

    async def shorten(self, instance: Instance, tokens: int, context: int) -> bool:
        """Cut the beginning of the prompt, as much as must be."""
        over = tokens - (context - room(context, self.length) * self.tries)
        cut = await cut_beginning(instance, str(self.body[self._field]), over)
        if cut is None:
            return False
        self.body = {**self.body, self._field: cut}
        self.dropped += over
        return True


class GapDialogue(PromptDialogue):
    """A text with a gap: the child fills it, or the model's template says how to ask for that."""

    async def form(self, instance: Instance) -> Form:
        """The text before the gap and the one after it, or a prompt made of both."""
        if not self._has_place():
            return await super().form(instance)
        gap = ("input_prefix", "input_suffix")
        body = {field: value for field, value in self.body.items() if field not in gap}
        prompt = await self.prompt(instance)
        return COMPLETION, body | {"prompt": prompt} | self.streaming(), TextReader()

    async def prompt(self, instance: Instance) -> str:
        """What the template makes of both texts; without one, the text before the gap."""
        if not isinstance(self.template, GoTemplating) or not self._has_place():
            return await super().prompt(instance)
        body = self.body
        return await self.template.fill(instance, body["input_prefix"], body["input_suffix"])

    def _has_place(self) -> bool:
        return isinstance(self.template, GoTemplating) and self.template.fills()


NATIVE_STREAM: Final = {"stream": True, "sse_ping_interval": 5, "return_progress": True}


async def cut_beginning(instance: Instance, text: str, count: int) -> str | None:
    """A text without its first `count` tokens; None when it has no more than those."""
    known = await inquiry.tokens(instance, text, whole=False)
    if not 0 < count < len(known):
        return None
    return await inquiry.text(instance, known[count:])


def _text_of(message: dict[str, Any]) -> str:
    content = message["content"]
    return str(content[-1]["text"] if isinstance(content, list) else content)


def _with_text(message: dict[str, Any], text: str) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, list):
        return {**message, "content": [*content[:-1], {"type": "text", "text": text}]}
    return {**message, "content": text}
