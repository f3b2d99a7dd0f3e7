"""The tables, as steps from an empty file: step N makes version N. A step that was released stays.

The file may be another program's too (llama-swap's `store.path` in a configuration that is moved
here): its tables have other names and are left alone.
"""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time INTEGER NOT NULL,
        model TEXT NOT NULL,
        requested TEXT NOT NULL,
        path TEXT NOT NULL,
        status INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        draft_tokens INTEGER NOT NULL,
        accepted_tokens INTEGER NOT NULL,
        prompt_speed REAL NOT NULL,
        generation_speed REAL NOT NULL,
        duration REAL NOT NULL,
        first_token REAL,
        queued REAL NOT NULL,
        loading REAL NOT NULL,
        bytes INTEGER NOT NULL,
        client TEXT NOT NULL,
        session TEXT NOT NULL,
        remote TEXT NOT NULL,
        request_id TEXT NOT NULL,
        cancelled TEXT NOT NULL,
        error TEXT NOT NULL,
        metadata TEXT NOT NULL
    );
    CREATE INDEX requests_by_model ON requests (model, id);
    CREATE INDEX requests_by_time ON requests (time)
    """,
)
