"""What a page asks for about messages and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from paddock.chat import shapes
from paddock.chat.answers import Answers, Sent
from paddock.chat.asking import CURRENT
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.chat.counting import Counting
from paddock.chat.params import checked
from paddock.chat.titling import Titling
from paddock.errors import InvalidRequest

LONGEST: Final = 1_000_000
"""Characters of a message."""
MOST_FILES: Final = 20
LONGEST_NAME: Final = 300

_MESSAGES: Final = "/api/chats/{chat}/messages"
_MESSAGE: Final = "/api/chats/{chat}/messages/{message}"


class AnswerEndpoints:
    """The endpoints of messages, answers, titles and counts."""

    def __init__(self, *, answers: Answers, titling: Titling, counting: Counting) -> None:
        self._answers = answers
        self._titling = titling
        self._counting = counting

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of these endpoints."""
        return (
            ChatRoute("POST", _MESSAGES, Who.USER, self.send),
            ChatRoute("POST", f"{_MESSAGE}/answer", Who.USER, self.answer_again),
            ChatRoute("POST", f"{_MESSAGE}/continue", Who.USER, self.go_on),
            ChatRoute("POST", f"{_MESSAGE}/stop", Who.USER, self.stop),
            ChatRoute("PATCH", _MESSAGE, Who.USER, self.edit),
            ChatRoute("DELETE", _MESSAGE, Who.USER, self.remove),
            ChatRoute("POST", "/api/chats/{chat}/title", Who.USER, self.title),
            ChatRoute("POST", "/api/chats/{chat}/count", Who.USER, self.count),
        )

    async def send(self, call: ChatCall) -> web.StreamResponse:
        """Say something and have it answered."""
        sent = _sent(await call.json())
        message, answer = await self._answers.send(call.user, call.ids["chat"], sent)
        told = {"message": await self._answers.told(message), "answer": shapes.message(answer, {})}
        return answered(told, 201)

    async def answer_again(self, call: ChatCall) -> web.StreamResponse:
        """Another answer to what was said."""
        wanted = _wishes(await call.json())
        answer = await self._answers.answer_again(call.user, *_place(call), wanted)
        return answered({"answer": shapes.message(answer, {})}, 201)

    async def go_on(self, call: ChatCall) -> web.StreamResponse:
        """More of an answer."""
        wanted = _wishes(await call.json())
        answer = await self._answers.go_on(call.user, *_place(call), wanted)
        return answered({"answer": shapes.message(answer, {})})

    async def stop(self, call: ChatCall) -> web.StreamResponse:
        """No more of an answer."""
        message = await self._answers.stop(call.user, *_place(call))
        return answered({"message": await self._answers.told(message)})

    async def edit(self, call: ChatCall) -> web.StreamResponse:
        """Other words for a message."""
        content = _content(await call.json())
        message = await self._answers.edit(call.user, *_place(call), content)
        return answered({"message": await self._answers.told(message)})

    async def remove(self, call: ChatCall) -> web.StreamResponse:
        """A message goes, and what follows it."""
        return answered({"current": await self._answers.remove(call.user, *_place(call))})

    async def title(self, call: ChatCall) -> web.StreamResponse:
        """A better title."""
        return answered({"title": await self._titling.name(call.user, call.ids["chat"])})

    async def count(self, call: ChatCall) -> web.StreamResponse:
        """The length of the prompt that a message would make."""
        sent = _sent(await call.json())
        return answered(await self._counting.count(call.user, call.ids["chat"], sent))


def _place(call: ChatCall) -> tuple[str, str]:
    return call.ids["chat"], call.ids["message"]


def _sent(body: Mapping[str, Any]) -> Sent:
    files = body.get("files") or []
    if not isinstance(files, list) or not all(isinstance(one, str) for one in files):
        raise InvalidRequest("`files` must be a list of ids", param="files")
    if len(files) > MOST_FILES:
        raise InvalidRequest(f"a message takes {MOST_FILES} files at most", param="files")
    parent = body.get("parent", CURRENT)
    if parent is not None and not isinstance(parent, str):
        raise InvalidRequest("`parent` must be the id of a message", param="parent")
    return Sent(_content(body), tuple(dict.fromkeys(files)), parent, _wishes(body))


def _wishes(body: Mapping[str, Any]) -> dict[str, Any]:
    model = body.get("model")
    if model is not None and not (isinstance(model, str) and len(model) <= LONGEST_NAME):
        raise InvalidRequest("`model` must be the name of a model", param="model")
    return {"model": model or None, "params": checked(body.get("params"))}


def _content(body: Mapping[str, Any]) -> str:
    content = body.get("content", "")
    if not isinstance(content, str):
        raise InvalidRequest("`content` must be a text", param="content")
    if len(content) > LONGEST:
        raise InvalidRequest(f"a message takes {LONGEST:,} characters at most", param="content")
    return content.replace("\0", "")  # which no database keeps
