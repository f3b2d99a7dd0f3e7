"""Full-text search over titles and messages, and an index of the messages that have files.

SQLite: an index without a copy of the texts (FTS5, contentless), kept by triggers. Its rows need
numbers that never change, which is what `search_entries` is for. PostgreSQL: a column that the
database computes. Neither looks at an answer that is still being written.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(WITH_FILES)
    for statement in {"sqlite": SQLITE, "postgresql": POSTGRES}[op.get_bind().dialect.name]:
        op.execute(statement)


WITH_FILES = """
CREATE INDEX ix_messages_with_files ON messages (user_id)
WHERE CAST(messages.files AS TEXT) <> '[]'
"""

_FORGET = """
INSERT INTO search_words (search_words, rowid, words)
    SELECT 'delete', id, substr({old}, 1, 200000) FROM search_entries WHERE {entry};
DELETE FROM search_entries WHERE {entry};
"""
_LEARN = """
INSERT INTO search_words (rowid, words)
    SELECT id, substr({new}, 1, 200000) FROM search_entries WHERE {entry};
"""

_CHAT = "chat_id = {row}.id AND message_id IS NULL"
_MESSAGE = "message_id = {row}.id"

_FORGET_CHAT = _FORGET.format(old="old.title", entry=_CHAT.format(row="old"))
_FORGET_MESSAGE = _FORGET.format(old="old.content", entry=_MESSAGE.format(row="old"))
_ENTER_CHAT = "INSERT INTO search_entries (chat_id) VALUES (new.id);"
_ENTER_MESSAGE = """
INSERT INTO search_entries (chat_id, message_id)
    SELECT new.chat_id, new.id WHERE new.state <> 'writing';
"""
_LEARN_CHAT = _ENTER_CHAT + _LEARN.format(new="new.title", entry=_CHAT.format(row="new"))
_LEARN_MESSAGE = _ENTER_MESSAGE + _LEARN.format(new="new.content", entry=_MESSAGE.format(row="new"))

SQLITE = (
    """
    CREATE TABLE search_entries (
        id INTEGER PRIMARY KEY,
        chat_id VARCHAR(32) NOT NULL,
        message_id VARCHAR(32) UNIQUE
    )
    """,
    """
    CREATE UNIQUE INDEX ix_search_entries_titles ON search_entries (chat_id)
    WHERE message_id IS NULL
    """,
    """
    CREATE VIRTUAL TABLE search_words USING fts5(
        words, content = '', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
    )
    """,
    f"CREATE TRIGGER chats_search_add AFTER INSERT ON chats BEGIN {_LEARN_CHAT} END",
    f"CREATE TRIGGER chats_search_remove AFTER DELETE ON chats BEGIN {_FORGET_CHAT} END",
    f"""
    CREATE TRIGGER chats_search_change AFTER UPDATE OF title ON chats
    WHEN old.title <> new.title BEGIN {_FORGET_CHAT} {_LEARN_CHAT} END
    """,
    f"CREATE TRIGGER messages_search_add AFTER INSERT ON messages BEGIN {_LEARN_MESSAGE} END",
    f"CREATE TRIGGER messages_search_remove AFTER DELETE ON messages BEGIN {_FORGET_MESSAGE} END",
    f"""
    CREATE TRIGGER messages_search_change AFTER UPDATE OF content, state ON messages
    WHEN old.content <> new.content OR old.state <> new.state
    BEGIN {_FORGET_MESSAGE} {_LEARN_MESSAGE} END
    """,
    "INSERT INTO search_entries (chat_id) SELECT id FROM chats",
    """
    INSERT INTO search_entries (chat_id, message_id)
        SELECT chat_id, id FROM messages WHERE state <> 'writing' ORDER BY created
    """,
    """
    INSERT INTO search_words (rowid, words)
        SELECT entry.id, substr(coalesce(message.content, chat.title), 1, 200000)
        FROM search_entries entry
        JOIN chats chat ON chat.id = entry.chat_id
        LEFT JOIN messages message ON message.id = entry.message_id
    """,
)

_PUNCTUATION = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~"

POSTGRES = (
    # A letter counts without its accents, and words are what stands between ASCII's marks, as in
    # SQLite. A tsvector holds 1 MiB at most.
    rf"""
    CREATE FUNCTION search_words_of(written text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT to_tsvector('pg_catalog.simple'::regconfig, translate(
            regexp_replace(normalize(left(written, 200000), NFKD), '[\u0300-\u036f]', '', 'g'),
            '{_PUNCTUATION}', '{" " * 32}'
        ))
    $$
    """.replace(":", r"\:"),
    r"""
    ALTER TABLE chats ADD COLUMN search_words tsvector
    GENERATED ALWAYS AS (search_words_of(title)) STORED
    """,
    r"""
    ALTER TABLE messages ADD COLUMN search_words tsvector GENERATED ALWAYS AS (
        CASE WHEN state <> 'writing' THEN search_words_of(content) END
    ) STORED
    """,
    "CREATE INDEX ix_chats_search_words ON chats USING gin (search_words)",
    "CREATE INDEX ix_messages_search_words ON messages USING gin (search_words)",
)
