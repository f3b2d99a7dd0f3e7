"""`/api/generate`: one prompt, as a message to the model, as it is, or with a gap to fill."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from paddock.errors import InvalidRequest
from paddock.gateway.body import parse_json_async
from paddock.gateway.dialogue import CHAT
from paddock.gateway.ollama import fields, media
from paddock.gateway.ollama.answering import Answering, Question
from paddock.gateway.ollama.asking import chat_body, prompt_body, told
from paddock.gateway.ollama.final import Clock
from paddock.gateway.ollama.generate_lines import GenerateLines
from paddock.gateway.ollama.prompts import (
    COMPLETION,
    INFILL,
    ContextDialogue,
    GapDialogue,
    PromptDialogue,
)
from paddock.gateway.ollama.prompts import GenerateDialogue as Dialogue
from paddock.gateway.ollama.wishes import Abilities, read_raw, recipe_of, unnamed, wishes
from paddock.gateway.recipes import with_messages
from paddock.gateway.routes import Call, Route
from paddock.library.model import Recipe
from paddock.library.variant import LARGEST_CONTEXT

NOTHING: Final = {"response": ""}
MAX_TOKEN: Final = 1 << 31


class Generate:
    """Answers prompts."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("POST", "/api/generate", self.generate),)

    async def generate(self, call: Call) -> web.StreamResponse:
        """Answer a prompt; without one, load the model or let it go."""
        clock = Clock()
        raw = await read_raw(call)
        body = await parse_json_async(raw)
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise unnamed(name)
        target = self._answering.target(name)

        def read() -> tuple[Question, Dialogue | PromptDialogue | None]:
            question = Question(call, name, target, wishes(body), clock, len(raw), raw)
            return question, self._dialogue(question, body)

        override = fields.text(body, "template")
        question, dialogue = await self._answering.read(len(raw), target, override, read)
        if dialogue is None:
            return await self._answering.load(question, NOTHING)
        return await self._answering.carry(question, dialogue)

    def _dialogue(
        self, question: Question, body: dict[str, Any]
    ) -> Dialogue | PromptDialogue | None:
        """How the model is asked; None: not at all. Raises InvalidRequest for what it cannot do."""
        is_silent = not fields.text(body, "prompt") and not fields.text(body, "suffix")
        if is_silent and question.wishes.unloads:
            return None
        abilities = Abilities(question.target.model, question.name)
        abilities.need_words("generate")
        if is_silent:
            return None
        abilities.need_thoughts(question.wishes.think)
        lines = GenerateLines(told(question), streams=question.wishes.stream)
        manners = self._answering.manners(question, lines, fields.text(body, "template"))
        context = _context(body)
        if fields.truth(body, "raw"):
            _check_raw(body)
            asked = prompt_body(question) | {"prompt": fields.text(body, "prompt")}
            asked = self._answering.filtered(COMPLETION, asked, question.target)
            return PromptDialogue(COMPLETION, asked, lines, **manners)
        if suffix := fields.text(body, "suffix"):
            abilities.need_insert()
            gap = {"input_prefix": fields.text(body, "prompt"), "input_suffix": suffix}
            asked = self._answering.filtered(INFILL, prompt_body(question) | gap, question.target)
            return GapDialogue(INFILL, asked, lines, **manners)
        messages = _messages(recipe_of(question.target.model), body, context)
        if isinstance(messages[-1]["content"], list):
            abilities.need_media()
        asked = chat_body(question, messages, thinks=abilities.thinks)
        asked = self._answering.filtered(CHAT, asked, question.target)
        if context:
            bare = self._answering.filtered(COMPLETION, prompt_body(question), question.target)
            return ContextDialogue(asked, bare, context, lines, **manners)
        return Dialogue(asked, lines, **manners)


def _messages(recipe: Recipe, body: dict[str, Any], context: list[int]) -> list[dict[str, Any]]:
    """The prompt as a conversation of one message, and what goes before it."""
    prompt = fields.text(body, "prompt")
    content: Any = prompt
    if parts := media.parts(body.get("images"), "images"):
        content = [*parts, {"type": "text", "text": prompt}]
    asked = [{"role": "user", "content": content}]
    system = fields.text(body, "system") or recipe.system
    said = () if context else recipe.messages
    return with_messages(Recipe(system=system, messages=said), asked)


def _context(body: dict[str, Any]) -> list[int]:
    context = body.get("context")
    if context is None:
        return []
    if (
        not isinstance(context, list)
        or len(context) > LARGEST_CONTEXT
        or not all(type(token) is int and 0 <= token < MAX_TOKEN for token in context)
    ):
        raise InvalidRequest(
            "`context` must be an array of tokens as an answer told them", param="context"
        )
    return context


def _check_raw(body: dict[str, Any]) -> None:
    if body.get("template") or body.get("system") or body.get("context"):
        raise InvalidRequest("raw mode does not support template, system, or context", param="raw")
