"""Full-text search over the titles and messages of one user's chats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import combining, normalize

from sqlalchemy import Connection, select, text

from paddock.storage.chat_tables import CHATS, MESSAGES
from paddock.storage.chats import Chat

CANDIDATES: Final = 2000
"""The newest places with these words are compared with each other, the others are not."""
TITLE_WEIGHT: Final = 3.0
RECENT_MS: Final = 90 * 24 * 3600 * 1000
"""What is so much older counts half."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chat with a place in it where the words are."""

    chat: Chat
    message_id: str | None
    """None: they are in the title."""
    text: str
    """Of that place, all of it."""


@dataclass(frozen=True, slots=True)
class _Found:
    chat_id: str
    message_id: str | None
    updated: int
    relevance: float

    def score(self, now: int) -> float:
        weight = TITLE_WEIGHT if self.message_id is None else 1.0
        return self.relevance * weight / (1 + max(0, now - self.updated) / RECENT_MS)


def find(
    connection: Connection, user_id: str, words: Sequence[str], *, limit: int, now: int
) -> tuple[Hit, ...]:
    """The chats of a user with a title or a message that has all `words`, the best first.

    A word is its letters and digits only; one of two letters or more is found by its beginning.
    Archived chats are searched, temporary ones are not.
    """
    query, written = _QUERIES[connection.dialect.name]
    given = {"user": user_id, "words": written(words), "most": CANDIDATES}
    rows = connection.execute(text(query), given)
    found = [_Found(*row) for row in rows if row.updated is not None]
    best = _best_of_each_chat(sorted(found, key=lambda one: -one.score(now)))[:limit]
    return _hits(connection, user_id, best)


def fold(word: str) -> str:
    """A word as both databases compare it: without case and accents."""
    if word.isascii():
        return word.lower()
    return "".join(one for one in normalize("NFKD", word) if not combining(one)).lower()


def _best_of_each_chat(found: Iterable[_Found]) -> list[_Found]:
    best: dict[str, _Found] = {}
    for one in found:
        best.setdefault(one.chat_id, one)
    return list(best.values())


def _hits(connection: Connection, user_id: str, found: Sequence[_Found]) -> tuple[Hit, ...]:
    own_chats = select(CHATS).where(
        CHATS.c.user_id == user_id, CHATS.c.id.in_([one.chat_id for one in found])
    )
    chats = {row["id"]: Chat(**row) for row in connection.execute(own_chats).mappings()}
    own_texts = select(MESSAGES.c.id, MESSAGES.c.content).where(
        MESSAGES.c.user_id == user_id, MESSAGES.c.id.in_([one.message_id for one in found])
    )
    texts = {row.id: row.content for row in connection.execute(own_texts)}
    return tuple(
        Hit(
            chat := chats[one.chat_id],
            one.message_id,
            chat.title if one.message_id is None else texts[one.message_id],
        )
        for one in found
    )


def _fts5(words: Sequence[str]) -> str:
    return " AND ".join(f'"{word}"*' if len(word) > 1 else f'"{word}"' for word in words)


def _tsquery(words: Sequence[str]) -> str:
    folded = [(fold(word), len(word) > 1) for word in words]
    return " & ".join(f"'{word}':*" if longer else f"'{word}'" for word, longer in folded)


_SQLITE: Final = """
SELECT chats.id, entry.message_id, chats.updated AS updated, -bm25(search_words)
FROM search_words
JOIN search_entries entry ON entry.id = search_words.rowid
JOIN chats ON chats.id = entry.chat_id
WHERE search_words MATCH :words AND chats.user_id = :user AND NOT chats.temporary
ORDER BY search_words.rowid DESC LIMIT :most
"""

_POSTGRES: Final = """
WITH titles AS MATERIALIZED (
    SELECT id AS chat_id, NULL AS message_id, search_words
    FROM chats
    WHERE search_words @@ to_tsquery('pg_catalog.simple', :words) AND user_id = :user
    ORDER BY updated DESC LIMIT :most
),
newest AS MATERIALIZED (
    SELECT chat_id, id AS message_id, search_words
    FROM messages
    WHERE search_words @@ to_tsquery('pg_catalog.simple', :words) AND user_id = :user
    ORDER BY created DESC LIMIT :most
),
found AS (SELECT * FROM titles UNION ALL SELECT * FROM newest)
SELECT
    chat_id, message_id,
    (SELECT updated FROM chats WHERE id = chat_id AND user_id = :user AND NOT temporary) AS updated,
    ts_rank(search_words, to_tsquery('pg_catalog.simple', :words), 1)
FROM found
"""
# Each step is told how it is done: without statistics, as after an import, PostgreSQL would join
# every chat with every message.

_QUERIES: Final = {"sqlite": (_SQLITE, _fts5), "postgresql": (_POSTGRES, _tsquery)}
"""For each database: the question, and how it is told the words."""
