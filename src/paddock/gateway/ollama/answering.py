"""What `/api/chat` and `/api/generate` do in the same way once they know what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from paddock.config.current import Current
from paddock.engine.instance import Instance
from paddock.errors import InvalidRequest
from paddock.gateway import inquiry
from paddock.gateway.body import LARGE, by_size, dump_json
from paddock.gateway.dialogue import Dialogue
from paddock.gateway.filters import overridden, stripped
from paddock.gateway.forward import Ask, Forwarder
from paddock.gateway.naming import Names, Target
from paddock.gateway.ollama.final import Clock, created_at
from paddock.gateway.ollama.lines import Lines
from paddock.gateway.ollama.templating import GoTemplating, templating_of
from paddock.gateway.ollama.wishes import Wishes, recipe_of
from paddock.gateway.peer import PeerModel
from paddock.gateway.routes import Call
from paddock.gateway.screen import screen
from paddock.library.model import Model
from paddock.library.twins import running_id
from paddock.library.variant import joined
from paddock.scheduler.scheduler import Scheduler

T = TypeVar("T")


class Question(NamedTuple):
    """One request, read."""

    call: Call
    name: str
    """The model, as the client wrote it."""
    target: Target
    wishes: Wishes
    clock: Clock
    size: int
    """Bytes of the request's body."""
    raw: bytes = b""
    """The body, where it is to be seen in captures."""


class Answering:
    """Asks models for those endpoints."""

    def __init__(
        self,
        current: Current,
        names: Names,
        scheduler: Scheduler[Instance],
        forwarder: Forwarder,
    ) -> None:
        self._current = current
        self._names = names
        self._scheduler = scheduler
        self._forwarder = forwarder

    def target(self, name: str) -> Target:
        """What a name leads to. Raises UnknownModel."""
        return self._names.resolve(name)

    async def load(self, question: Question, said: dict[str, Any]) -> web.Response:
        """Load the model, or let it go, and say so with `said` for the words of an answer."""
        model = question.target.model
        if question.wishes.unloads:
            question.call.check_model(question.target.id)
            if isinstance(model, Model):
                self._scheduler.keep_alive(running_id(model), 0)
            return _object(question, said, "unload")
        if isinstance(model, Model):
            await self._forwarder.borrow(question.call, model, self._asking(question), _nothing)
        return _object(question, said, "load")

    async def read(self, size: int, target: Target, override: str, work: Callable[[], T]) -> T:
        """What `work` reads of a request with a body of `size` bytes: in a thread where that may
        take long. A template that is met for the first time has to be parsed.
        """
        has_template = bool(override or recipe_of(target.model).template)
        return await by_size(LARGE + 1 if has_template else size, work)

    async def carry(self, question: Question, dialogue: Dialogue) -> web.StreamResponse:
        """Answer what `dialogue` asks; or tell only its prompt."""
        if question.wishes.renders_only:
            return await self.render(question, dialogue)
        is_peers = isinstance(question.target.model, PeerModel)
        ask = await dialogue.to_peer() if is_peers else dialogue.begin()
        return await self.answer(question, ask)

    def template(self, target: Target, override: str = "") -> GoTemplating | None:
        """What writes the prompts of a model, if not its GGUF alone. Raises TemplateError."""
        return templating_of(target.model, self._current.config.ollama.go_template, override)

    def manners(self, question: Question, lines: Lines, override: str = "") -> dict[str, Any]:
        """What every dialogue for `question` is made with. Raises TemplateError."""

        def truncated(count: int) -> None:
            lines.truncated = count

        return {
            "template": self.template(question.target, override),
            "size": question.size,
            "truncates": question.wishes.truncate,
            "on_model": question.clock.got_model,
            "on_truncated": truncated,
        }

    async def render(self, question: Question, dialogue: Dialogue) -> web.Response:
        """Tell the prompt that would be sent, and the number of pictures in it."""
        model = question.target.model
        if not isinstance(model, Model):
            raise InvalidRequest("only a peer knows the prompts of its models", param="model")
        prompt = await self._forwarder.borrow(
            question.call, model, self._asking(question), dialogue.prompt
        )
        info: dict[str, Any] = {"rendered_template": prompt}
        if images := inquiry.media_count(dialogue.body.get("messages", [])):
            info["image_count"] = images
        told = {"model": question.name, "created_at": created_at(), "_debug_info": info}
        return _json(told)

    async def answer(self, question: Question, ask: Ask) -> web.StreamResponse:
        """Ask the model and answer with what its translator makes of it."""
        wishes, target = question.wishes, question.target
        shown = wishes.stream and isinstance(target.model, Model) and self._shows(target.model)
        whole = replace(
            ask,
            body=ask.body or question.raw,
            streams=shown,
            options=wishes.loading,
            keep_alive=wishes.keep_alive,
            default_keep_alive=self._current.config.ollama.seconds_in_memory,
        )
        return await self._forwarder.translate(question.call, target, whole)

    def filtered(self, path: str, body: dict[str, Any], target: Target) -> dict[str, Any]:
        """A child's body with the owner's changes, and without what would harm a child."""
        filters = target.filters
        if not filters:
            return screen(path, body)
        return overridden(screen(path, stripped(body, filters)), filters, target.name)

    def _asking(self, question: Question) -> Ask:
        return Ask(
            "POST",
            "",
            options=joined(question.wishes.loading, question.target.options),
            keep_alive=question.wishes.keep_alive,
            default_keep_alive=self._current.config.ollama.seconds_in_memory,
        )

    def _shows(self, model: Model) -> bool:
        """Whether a client that waits for this model is told of it in its stream."""
        own = model.settings.send_loading_state
        return self._current.config.send_loading_state if own is None else own


async def _nothing(_: Instance) -> None:
    """All that is wanted of the instance is that it is there."""


def _object(question: Question, said: dict[str, Any], reason: str) -> web.Response:
    told = {"model": question.name, "created_at": created_at()} | said
    return _json(told | {"done": True, "done_reason": reason})


def _json(told: dict[str, Any]) -> web.Response:
    return web.Response(body=dump_json(told), content_type="application/json", charset="utf-8")
