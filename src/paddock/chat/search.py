"""Searching a user's chats: `GET /api/search`."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered
from paddock.storage import chat_search
from paddock.storage.chat_search import Hit, fold
from paddock.storage.chat_store import Store
from paddock.storage.ids import now_ms

RESULTS: Final = 50
LONGEST_QUERY: Final = 300
MOST_WORDS: Final = 12

BEFORE, AFTER = 60, 160
"""Characters of a snippet on both sides of the first hit."""

_WORD: Final = re.compile(r"[^\W_]+")


class SearchEndpoint:
    """Finds chats by the words in them."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def routes(self) -> tuple[ChatRoute, ...]:
        """The search's route."""
        return (ChatRoute("GET", "/api/search", Who.USER, self.search),)

    async def search(self, call: ChatCall) -> web.StreamResponse:
        """Answer with chats that have all words of `q`, the best first; without words with none."""
        words = words_of(call.query.get("q", ""))
        user, now = call.user.id, now_ms()
        if not words:
            return answered({"results": []})
        results = await self._store.read(
            lambda connection: [
                _result(hit, words)
                for hit in chat_search.find(connection, user, words, limit=RESULTS, now=now)
            ]
        )
        return answered({"results": results})


def words_of(query: str) -> list[str]:
    """What somebody looks for, word by word."""
    return list(dict.fromkeys(_WORD.findall(query[:LONGEST_QUERY])))[:MOST_WORDS]


def snippet(text: str, words: list[str]) -> list[list[Any]]:
    """The place in `text` with the first of `words`, as parts: a text, and whether it is a hit."""
    folded = [fold(word) for word in words]
    wanted = tuple(word for word in folded if len(word) > 1)
    exact = frozenset(folded)

    def is_hit(match: re.Match[str]) -> bool:
        word = fold(match.group())
        return word in exact or word.startswith(wanted)

    first = next(filter(is_hit, _WORD.finditer(text)), None)
    at = first.start() if first else 0
    start, end = _start(text, at), _end(text, at)
    parts: list[list[Any]] = [["…", False]] if start else []
    for match in filter(is_hit, _WORD.finditer(text, start, end)):
        parts += [[text[start : match.start()], False]] if match.start() > start else []
        parts.append([match.group(), True])
        start = match.end()
    rest = text[start:end] + ("…" if end < len(text) else "")
    return [*parts, [rest, False]] if rest else parts


def _start(text: str, at: int) -> int:
    """Where a snippet begins: at a word, if there is one near."""
    start = max(0, at - BEFORE)
    return start if not start else text.find(" ", start, at) + 1 or start


def _end(text: str, at: int) -> int:
    end = min(len(text), at + AFTER)
    space = text.rfind(" ", at, end)
    return end if end == len(text) or space <= at else space


def _result(hit: Hit, words: list[str]) -> dict[str, Any]:
    return {
        "chat": shapes.summary(hit.chat),
        "message": hit.message_id,
        "snippet": snippet(hit.text, words),
    }
