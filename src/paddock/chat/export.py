"""Chats as files: one as Markdown or JSON, all of them as JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat.calls import ChatCall, ChatRoute, Who
from paddock.chat.chats import known, whole
from paddock.errors import InvalidRequest, UnknownId
from paddock.gateway.body import dump_json
from paddock.storage import chats, messages
from paddock.storage.chat_store import Store
from paddock.storage.chats import Chat
from paddock.storage.ids import now_ms
from paddock.storage.messages import Message

VERSION: Final = 1
BATCH: Final = 20
"""Chats that are read at a time."""

_TYPES: Final = {"md": "text/markdown; charset=utf-8", "json": "application/json"}
_FENCE: Final = re.compile(r"`{3,}|~{3,}")


class ExportEndpoints:
    """Gives users what is theirs."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of exports."""
        return (
            ChatRoute("GET", "/api/chats/{chat}/export", Who.USER, self.one),
            ChatRoute("GET", "/api/export", Who.USER, self.all),
        )

    async def one(self, call: ChatCall) -> web.StreamResponse:
        """Answer with a chat: its shown branch as Markdown, or all of it as JSON."""
        user, chat_id, form = call.user.id, call.ids["chat"], call.query.get("format", "md")
        if form not in _TYPES:
            raise InvalidRequest("`format` must be md or json", param="format")
        if form == "json":
            told = await self._store.read(lambda c: whole(c, user, chat_id))
            title, body = told["chat"]["title"], _head() + dump_json(told) + _END
        else:
            chat, said = await self._store.read(lambda c: _branch(c, user, chat_id))
            title, body = chat.title, markdown(chat, said).encode()
        return web.Response(body=body, headers=_headers(title, form))

    async def all(self, call: ChatCall) -> web.StreamResponse:
        """Answer with all chats that are not temporary, every branch of them, as JSON."""
        user = call.user.id
        ids = await self._store.read(lambda c: chats.ids(c, user, temporary=False))
        today = datetime.now(UTC).date().isoformat()
        response = web.StreamResponse(
            headers=_headers(f"chats {today}", "json") | call.call.headers
        )
        await response.prepare(call.call.request)
        await response.write(_head())
        between = b""
        for start in range(0, len(ids), BATCH):
            batch = partial(_pieces, user=user, ids=ids[start : start + BATCH])
            for piece in await self._store.read(batch):
                await response.write(between + piece)
                between = b",\n"
        await response.write(_END)
        await response.write_eof()
        return response


_END: Final = b"\n]}\n"


def markdown(chat: Chat, said: tuple[Message, ...]) -> str:
    """A branch of a chat as Markdown."""
    parts = [f"# {_line(chat.title)}"]
    for message in said:
        who = "You" if message.role == "user" else _line(message.model or "Assistant")
        parts.append(f"## {who}")
        if message.reasoning:
            quoted = "\n".join(f"> {line}".rstrip() for line in message.reasoning.splitlines())
            parts.append(quoted)
        parts.append(_closed(message.content))
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _closed(text: str) -> str:
    """With its last code block closed: an answer that was stopped may not have come to that."""
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line.strip())
        if mark and not fence:
            fence = mark.group()
        elif mark and line.strip().startswith(fence) and line.strip() == mark.group():
            fence = ""
    return f"{text.rstrip()}\n{fence}" if fence else text.strip()


def _head() -> bytes:
    return b'{"paddock":%d,"exported":%d,"chats":[\n' % (VERSION, now_ms())


def _headers(title: str, form: str) -> dict[str, str]:
    name = "".join(letter if letter.isalnum() else " " for letter in title)
    name = "-".join(name.split())[:80] or "chat"
    return {
        "Content-Type": _TYPES[form],
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}.{form}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _branch(connection: Connection, user: str, chat_id: str) -> tuple[Chat, tuple[Message, ...]]:
    chat = known(chats.get(connection, user, chat_id))
    leaf = chat.current or messages.leaf(connection, user, chat_id, None)
    said = messages.branch(connection, user, chat_id, leaf) if leaf else ()
    return chat, said


def _pieces(connection: Connection, user: str, ids: tuple[str, ...]) -> list[bytes]:
    return [piece for one in ids for piece in _piece(connection, user, one)]


def _piece(connection: Connection, user: str, chat_id: str) -> list[bytes]:
    """A chat as JSON; nothing where it was deleted on the way."""
    told: dict[str, Any]
    try:
        told = whole(connection, user, chat_id)
    except UnknownId:
        return []
    return [dump_json(told)]
