"""`/api/chat`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from paddock.errors import InvalidRequest
from paddock.gateway import inquiry
from paddock.gateway.body import parse_json_async
from paddock.gateway.dialogue import CHAT, Dialogue
from paddock.gateway.ollama.answering import Answering, Question
from paddock.gateway.ollama.asking import chat_body, told
from paddock.gateway.ollama.chat_lines import ChatLines
from paddock.gateway.ollama.final import Clock
from paddock.gateway.ollama.messages import openai_messages
from paddock.gateway.ollama.wishes import Abilities, read_raw, recipe_of, wishes
from paddock.gateway.recipes import with_messages
from paddock.gateway.routes import Call, Route

NOTHING = {"message": {"role": "assistant", "content": ""}}


class Chat:
    """Answers conversations."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("POST", "/api/chat", self.chat),)

    async def chat(self, call: Call) -> web.StreamResponse:
        """Go on with a conversation; without messages, load the model or let it go."""
        clock = Clock()
        raw = await read_raw(call)
        body = await parse_json_async(raw)
        name = body.get("model")
        if not isinstance(name, str) or not name:
            raise InvalidRequest("model is required", param="model")
        target = self._answering.target(name)

        def read() -> tuple[Question, Dialogue | None]:
            question = Question(call, name, target, wishes(body), clock, len(raw), raw)
            return question, self._dialogue(question, body)

        question, dialogue = await self._answering.read(len(raw), target, "", read)
        if dialogue is None:
            return await self._answering.load(question, NOTHING)
        return await self._answering.carry(question, dialogue)

    def _dialogue(self, question: Question, body: dict[str, Any]) -> Dialogue | None:
        """How the model is asked; None: not at all. Raises InvalidRequest for what it cannot do."""
        messages = openai_messages(body.get("messages"), body.get("tools"))
        if not messages and question.wishes.unloads:
            return None
        abilities = Abilities(question.target.model, question.name)
        abilities.need_words("chat")
        if not messages:
            return None
        asked = _chat(question, abilities, messages, body)
        asked = self._answering.filtered(CHAT, asked, question.target)
        lines = ChatLines(told(question), streams=question.wishes.stream)
        return Dialogue(asked, lines, **self._answering.manners(question, lines))


def _chat(
    question: Question, abilities: Abilities, messages: list[dict[str, Any]], body: dict[str, Any]
) -> dict[str, Any]:
    """The child's chat request. Raises InvalidRequest for what the model cannot do."""
    tools = _tools(body.get("tools"))
    if tools:
        abilities.need_tools()
    if inquiry.media_count(messages):
        abilities.need_media()
    abilities.need_thoughts(question.wishes.think)
    messages = with_messages(recipe_of(question.target.model), messages)
    asked = chat_body(question, messages, thinks=abilities.thinks)
    if tools:
        asked["tools"] = tools
        asked |= {field: body[field] for field in ("tool_choice",) if body.get(field) is not None}
        asked.pop("logprobs", None)  # llama-server has no probabilities of calls
        asked.pop("top_logprobs", None)
    return asked


def _tools(tools: Any) -> list[Any]:
    if tools is None:
        return []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise InvalidRequest("`tools` must be an array of objects", param="tools")
    return tools
