"""OpenAI's chat as Ollama's door speaks it: thoughts as `reasoning`, errors of Ollama's types.

It is answered as `/api/chat` is, so a model's TEMPLATE, SYSTEM and PARAMETERs count here too, and a
conversation that is too long loses its oldest messages. What the client says to the engine in
OpenAI's fields reaches it as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from paddock.errors import InvalidName, InvalidRequest, PaddockError
from paddock.gateway import problems
from paddock.gateway.body import model_name
from paddock.gateway.dialogue import CHAT, Dialogue
from paddock.gateway.generation import End, Piece
from paddock.gateway.model_list import ModelList
from paddock.gateway.ollama.answering import Answering, Question
from paddock.gateway.ollama.details import told_name
from paddock.gateway.ollama.final import Clock
from paddock.gateway.ollama.options import sampling
from paddock.gateway.ollama.wishes import Abilities, read_body, recipe_of, wishes
from paddock.gateway.openai_chunks import OpenAIChunks
from paddock.gateway.peer import VIA, PeerModel
from paddock.gateway.recipes import with_messages
from paddock.gateway.routes import Call, Route
from paddock.library.ollama_name import OllamaName

FINGERPRINT: Final = "fp_ollama"
MODEL: Final = "/v1/models/"

_OURS: Final = frozenset(
    {"stream", "stream_options", "n", "reasoning", "reasoning_effort", "options", "keep_alive"}
)
"""Fields of the client's that are not passed on as they are."""

_WISHES: Final = ("stream", "options", "keep_alive")
_LENGTHS: Final = ("max_tokens", "max_completion_tokens", "n_predict")

_NO_THOUGHT: Final = frozenset({"none", "minimal"})
_EFFORTS: Final = {"xhigh": "high", "ultra": "high", "max": "high"}
"""What the templates of models do not know, and what they call it."""


class Compat:
    """Answers OpenAI's chats at Ollama's door."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("POST", CHAT, self.chat),)

    async def chat(self, call: Call) -> web.StreamResponse:
        """Go on with a conversation."""
        clock = Clock()
        body, size = await read_body(call)
        name = model_name(body)
        target = self._answering.target(name)

        def read() -> tuple[Question, Dialogue]:
            asked = wishes({field: body.get(field) for field in _WISHES})
            streams = body.get("stream") is True
            question = Question(call, name, target, asked._replace(stream=streams), clock, size)
            return question, self._dialogue(question, body)

        return await self._answering.carry(*await self._answering.read(size, target, "", read))

    def _dialogue(self, question: Question, body: dict[str, Any]) -> Dialogue:
        """How the model is asked. Raises InvalidRequest for what it cannot do."""
        messages = _messages(body.get("messages"))
        target = question.target
        abilities = Abilities(target.model, question.name)
        abilities.need_words("chat")
        if body.get("tools"):
            abilities.need_tools()
        streams = question.wishes.stream
        return Dialogue(
            self._answering.filtered(CHAT, _chat(question, messages, body), target),
            Chunks(question.name, streams=streams, tells_usage=_tells_usage(body)),
            size=question.size,
            template=self._answering.template(target),
            truncates=question.wishes.truncate,
            on_model=question.clock.got_model,
        )


class CompatModels:
    """OpenAI's list of models, with the names and owners that Ollama tells."""

    def __init__(self, listed: ModelList) -> None:
        self._listed = listed

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("GET", "/v1/models", self.models),
            Route("GET", f"{MODEL}*", self.model),
        )

    async def models(self, call: Call) -> web.Response:
        """Everything that is listed."""
        entries = self._listed.entries(with_peers=VIA not in call.request.headers)
        return web.json_response({"object": "list", "data": [_renamed(one) for one in entries]})

    async def model(self, call: Call) -> web.Response:
        """One entry, by any name that leads to it; names may hold slashes."""
        name = call.request.rel_url.path.removeprefix(MODEL)
        return web.json_response(_renamed(self._listed.entry(name)))


def _renamed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with its name's tag, owned by its namespace."""
    name = told_name(entry["id"])
    try:
        owner = OllamaName.parse(name).namespace
    except InvalidName:
        owner = entry["owned_by"]
    return {**entry, "id": name, "owned_by": owner}


class Chunks(OpenAIChunks):
    """OpenAI's chunks as Ollama tells them: each has a role, and thoughts have two names."""

    def __init__(self, model: str, *, streams: bool, tells_usage: bool) -> None:
        super().__init__(model, CHAT, streams=streams, tells_usage=tells_usage)
        self._about["system_fingerprint"] = FINGERPRINT

    def failure(self, error: PaddockError) -> bytes:
        """The event with which a broken stream ends. No `[DONE]` follows it."""
        told = problems.body_of(error, CHAT, "ollama")
        return b"data: %b\n\n" % json.dumps(told, ensure_ascii=False).encode()

    def _beginning(self) -> bytes:
        return b""

    def _delta(self, piece: Piece) -> dict[str, Any]:
        return {"role": "assistant", "content": "", **_two_names(super()._delta(piece))}

    def _whole(self, end: End) -> dict[str, Any]:
        choice = super()._whole(end)
        return {**choice, "message": _two_names(choice["message"])}


def _two_names(said: dict[str, Any]) -> dict[str, Any]:
    """Thoughts under Ollama's name as well as llama-server's."""
    thoughts = said.get("reasoning_content")
    return {**said, "reasoning": thoughts} if thoughts else said


def _messages(given: Any) -> list[dict[str, Any]]:
    """The conversation, with thoughts under the engine's name for them. Raises InvalidRequest."""
    if not isinstance(given, list) or not all(isinstance(message, dict) for message in given):
        raise InvalidRequest("`messages` must be an array of objects", param="messages")
    if not given:
        raise InvalidRequest("[] is too short - 'messages'", param="messages")
    return [
        {"reasoning_content": message["reasoning"], **message}
        if isinstance(message.get("reasoning"), str)
        else message
        for message in given
    ]


def _chat(
    question: Question, messages: list[dict[str, Any]], body: Mapping[str, Any]
) -> dict[str, Any]:
    """The child's chat request: the client's, with what the model adds to it."""
    model = question.target.model
    said = {field: value for field, value in body.items() if value is not None}
    passed = {field: value for field, value in said.items() if field not in _OURS}
    passed["model"] = question.target.told or question.name
    recipe = recipe_of(model)
    passed["messages"] = with_messages(recipe, messages)
    thinking = _thinking(said)
    if isinstance(model, PeerModel):
        return passed | ({"reasoning_effort": thinking} if thinking else {})
    own = {"temperature": 1.0, "top_p": 1.0} | dict(recipe.parameters)
    missing = sampling(question.wishes.options, own) | {"cache_prompt": True}
    if any(field in passed for field in _LENGTHS):
        del missing["n_predict"]
    return {**missing, **passed, **_thinking_fields(thinking, passed.get("chat_template_kwargs"))}


def _thinking(said: Mapping[str, Any]) -> str:
    """How hard the client wants the model to think; "" when it does not say."""
    effort = said.get("reasoning_effort")
    if effort is None and isinstance(reasoning := said.get("reasoning"), dict):
        effort = reasoning.get("effort")
    return effort if isinstance(effort, str) else ""


def _thinking_fields(effort: str, kwargs: Any) -> dict[str, Any]:
    """The engine's fields for that. What the client says to the template itself wins."""
    if not effort:
        return {}
    own = kwargs if isinstance(kwargs, dict) else {}
    if effort in _NO_THOUGHT:
        return {"chat_template_kwargs": {"enable_thinking": False, **own}}
    level = _EFFORTS.get(effort, effort)
    told = {"enable_thinking": True, "reasoning_effort": level}
    return {"chat_template_kwargs": told | own, "reasoning_effort": level}


def _tells_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
