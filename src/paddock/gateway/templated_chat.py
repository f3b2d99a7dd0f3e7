"""OpenAI's chats with models that bring a template in Go's language. Imported for the first one."""

from __future__ import annotations

from typing import Any

from paddock.engine.instance import Instance
from paddock.errors import PaddockError, UpstreamLost
from paddock.gateway import problems
from paddock.gateway.assemble import Assembler, plan
from paddock.gateway.body import dump_json
from paddock.gateway.dialogue import CHAT, JSON, Dialogue, written
from paddock.gateway.forward import Ask
from paddock.gateway.ollama.templating import GoTemplating, templating_of
from paddock.gateway.openai_chunks import EVENT_STREAM, OpenAIChunks
from paddock.gateway.peer import PeerModel
from paddock.gateway.problems import Upstream
from paddock.gateway.sse import SseEvent, event
from paddock.gateway.translated import Translator
from paddock.library.model import Model


def templated_ask(
    model: Model | PeerModel, mode: str, body: dict[str, Any], size: int
) -> Ask | None:
    """How to ask for a chat with `model` by its own template; None when it has none to use.

    `body` is what the model may see of the request. Raises TemplateError.
    """
    template = templating_of(model, mode)
    if template is None:
        return None
    streams = body.get("stream") is True
    usage = body.get("stream_options")
    tells_usage = isinstance(usage, dict) and usage.get("include_usage") is True
    name = str(body.get("model") or model.id)
    writer = OpenAIChunks(name, CHAT, streams=streams, tells_usage=tells_usage)
    ask = _Chat(body, writer, size=size, template=template).begin()
    ask.streams = streams
    return ask


class _Chat(Dialogue):
    """One chat. Where the template says what the GGUF's says, the child's own answer is passed on
    as it is."""

    async def ask(self, instance: Instance) -> Ask:
        """The request as a prompt, or as the client sent it."""
        template = self.template
        if isinstance(template, GoTemplating) and await template.rules(instance):
            return await super().ask(instance)
        assembly = None if self.writer.streams else plan(CHAT, self.body)
        body = assembly.body if assembly is not None else self.body
        passed = Verbatim(assembly.assembler if assembly else None, streams=self.writer.streams)
        return Ask("POST", CHAT, await written(body, self.size), JSON, translator=passed)

    async def recover(self, instance: Instance, refusal: Upstream) -> Ask | None:  # noqa: ARG002
        """Nothing is left out for a client that does not expect it."""
        return None


class Verbatim(Translator):
    """Passes an answer on in the dialect it came in."""

    def __init__(self, assembler: Assembler | None, *, streams: bool) -> None:
        """`assembler` puts an answer together that the client wants whole."""
        self.streams = streams
        self.content_type = EVENT_STREAM if streams else b"application/json; charset=utf-8"
        self._assembler = assembler
        self._plain = b""
        self._has_ended = False

    def feed(self, event_: SseEvent) -> bytes:
        """Take the next event of the child's stream."""
        self._has_ended = self._has_ended or event_.data == b"[DONE]" or _is_error(event_)
        if self.streams:
            return event(event_.data, event_.event)
        if self._assembler is not None:
            self._assembler.feed(event_)
        return b""

    def answer(self, body: bytes) -> bytes:
        """Take the child's whole answer."""
        if self.streams:
            return super().answer(body)
        self._plain, self._has_ended = body, True
        return b""

    @property
    def is_whole(self) -> bool:
        """The event that ends a stream has come."""
        return self._has_ended

    def finish(self) -> bytes:
        """The answer that was put together; of a stream nothing more."""
        if not self._has_ended:
            raise UpstreamLost("the engine ended its stream before its answer was whole")
        if self.streams or self._assembler is None or self._plain:
            return self._plain
        return dump_json(self._assembler.finish())

    def failure(self, error: PaddockError) -> bytes:
        """The event with which a broken stream ends."""
        return problems.stream_frame(error, CHAT)


def _is_error(event_: SseEvent) -> bool:
    return event_.event == "error" or event_.data.startswith(b'{"error"')
