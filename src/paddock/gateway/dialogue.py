"""One chat on its way to a child: how it is asked there, and how again when it is too long.

The chat is in OpenAI's form, whatever door it came through. It goes to the child's own chat route
unless the model has a template of another language: then the prompt is rendered here and completed
there. `Writer` tells the answer, and knows nothing of this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from paddock.engine.connection import Headers
from paddock.engine.instance import Instance
from paddock.gateway import inquiry
from paddock.gateway.body import by_size, dump_json
from paddock.gateway.forward import Ask
from paddock.gateway.generation import ChatReader, Generation, Reader, Writer
from paddock.gateway.problems import Upstream
from paddock.gateway.truncation import Messages, room, shortened, too_long

log = logging.getLogger(__name__)

CHAT: Final = "/v1/chat/completions"
JSON: Final[Headers] = ((b"Content-Type", b"application/json"),)
TOO_LONG: Final = "exceed_context_size_error"
MOST_TRIES: Final = 3
"""Pictures are longer or shorter than they are taken for: then a conversation is cut again."""

STREAM: Final = {
    "stream": True,
    "sse_ping_interval": 5,
    "return_progress": True,
    "stream_options": {"include_usage": True},
}


PEER_STREAM: Final = {"stream": True, "stream_options": {"include_usage": True}}
OF_OPENAI: Final = frozenset(
    {
        "frequency_penalty",
        "logprobs",
        "max_tokens",
        "messages",
        "model",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
    }
)
"""Fields that every server with this route takes."""


Form = tuple[str, dict[str, Any], Reader]
"""The child's route, what to send there, and what reads the answer."""


class Templating(Protocol):
    """Writes prompts by a template that is not the GGUF's own."""

    async def rules(self, instance: Instance) -> bool:
        """Whether this instance's prompts are written by it."""
        ...

    async def prompt(self, instance: Instance, chat: dict[str, Any]) -> str:
        """The prompt of a chat, without its pictures and sounds."""
        ...

    async def form(self, instance: Instance, chat: dict[str, Any]) -> Form:
        """How to ask for the answer to a chat, but for how it is streamed."""
        ...


class Dialogue:
    """Asks a child for the answer to one chat. Made for each request."""

    counted = "messages"
    """What is left out of a prompt that is too long."""

    def __init__(
        self,
        body: dict[str, Any],
        writer: Writer,
        *,
        size: int = 0,
        template: Templating | None = None,
        truncates: bool = False,
        on_model: Callable[[], None] = lambda: None,
        on_truncated: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`body`: the chat, without what says how it is streamed; `size`: about its bytes.

        `template`: another one than the GGUF's, which may write the prompt.
        `truncates`: drop the oldest messages of a chat that is too long. `on_model` is called when
        the model runs, `on_truncated` with the number of messages that were dropped.
        """
        self.body = body
        self.writer = writer
        self.template = template
        self.size = size
        self._truncates = truncates
        self._on_model = on_model
        self._on_truncated = on_truncated
        self.tries = 0
        """How often it was found too long."""
        self.dropped = 0
        """How much of the prompt was left out."""

    # --- asking

    async def to_peer(self) -> Ask:
        """The request to a model of a peer, which need not be llama.cpp's server."""
        self._on_model()
        body = {field: value for field, value in self.body.items() if field in OF_OPENAI}
        return Ask(
            "POST",
            CHAT,
            await written(body | PEER_STREAM, self.size),
            JSON,
            translator=Generation(ChatReader(), self.writer),
        )

    def begin(self) -> Ask:
        """The request as long as its model does not run."""
        return Ask(
            "POST",
            CHAT,
            headers=JSON,
            translator=Generation(ChatReader(), self.writer),
            prepare=self.prepare,
        )

    async def prepare(self, instance: Instance) -> Ask:
        """The request to send to this instance."""
        self._on_model()
        return await self.ask(instance)

    async def ask(self, instance: Instance) -> Ask:
        """The request as it is now."""
        path, body, reader = await self.form(instance)
        return Ask(
            "POST",
            path,
            await written(body, self.size),
            JSON,
            translator=Generation(reader, self.writer, self.settle(instance)),
            recover=self.recover,
            told=self._told(),
        )

    async def form(self, instance: Instance) -> Form:
        """How this instance is asked."""
        if self.template is not None and await self.template.rules(instance):
            path, body, reader = await self.template.form(instance, self.body)
            return path, body | self.streaming(), reader
        return CHAT, self.body | self.streaming(), ChatReader()

    async def prompt(self, instance: Instance) -> str:
        """The text that the model gets to see."""
        return await self.written_out(instance, self.body)

    async def written_out(self, instance: Instance, chat: dict[str, Any]) -> str:
        """The prompt of a chat, as the template writes it that rules here."""
        if self.template is not None and await self.template.rules(instance):
            return await self.template.prompt(instance, chat)
        return await inquiry.written_out(instance, chat)

    def streaming(self) -> dict[str, Any]:
        """What says how the answer comes. A whole one is streamed too, so that a client that leaves
        is missed; but probabilities are complete only in an answer that the child gives whole.
        """
        direct = self.body.get("logprobs") and not self.writer.streams
        return {"stream": False} if direct else STREAM

    def settle(
        self,
        instance: Instance,  # noqa: ARG002 - for those who override it
    ) -> Callable[[], Any] | None:
        """What to wait for before the end of the answer."""
        return None

    # --- asking again

    async def recover(self, instance: Instance, refusal: Upstream) -> Ask | None:
        """The chat without its oldest messages, when it was refused for its length.

        Raises InvalidRequest when it may not be shortened, or cannot be.
        """
        if refusal.error.get("type") != TOO_LONG:
            return None
        tokens, context = (_count(refusal, name) for name in ("n_prompt_tokens", "n_ctx"))
        self.tries += 1
        if not self._truncates or not context or self.tries > MOST_TRIES:
            raise too_long(tokens, context)
        if not await self.shorten(instance, tokens, context):
            raise too_long(tokens, context)
        self._on_truncated(self.dropped)
        log.info(
            "%s: the oldest %d %s were left out: %d tokens are more than its context of %d",
            instance.model.id, self.dropped, self.counted, tokens, context,
        )  # fmt: skip
        return await self.ask(instance)

    async def shorten(
        self,
        instance: Instance,
        tokens: int,  # noqa: ARG002 - for those who override it
        context: int,
    ) -> bool:
        """Drop the oldest messages. False when that does not help."""

        async def measure(messages: Messages) -> int:
            return await self.measure(instance, messages)

        messages: Messages = self.body["messages"]
        free = room(context, self.length) * self.tries
        for limit in (context - free, context - 1):
            left = await shortened(messages, measure, limit)
            if left is not None:
                self.dropped += left.dropped
                self.body = {**self.body, "messages": left.messages}
                return True
        return False

    async def measure(self, instance: Instance, messages: Messages) -> int:
        """The tokens of the prompt that these messages make."""
        prompt = await self.written_out(instance, {**self.body, "messages": messages})
        found = await inquiry.tokens(instance, prompt)
        return len(found) + inquiry.IMAGE_TOKENS * inquiry.media_count(messages)

    @property
    def length(self) -> int:
        """The most tokens that are asked for; below 1: as many as there is room for."""
        for field in ("max_completion_tokens", "max_tokens", "n_predict"):
            if type(asked := self.body.get(field)) is int:
                return asked
        return -1

    def _told(self) -> Headers:
        return ((b"X-Paddock-Truncated", b"%d" % self.dropped),) if self.dropped else ()


async def written(body: dict[str, Any], size: int) -> bytes:
    """A body as JSON, off the loop when it is large."""
    return await by_size(size, dump_json, body)


def _count(refusal: Upstream, name: str) -> int:
    told = refusal.error.get(name)
    return told if type(told) is int and told > 0 else 0
