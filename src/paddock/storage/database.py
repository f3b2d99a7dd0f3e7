"""One SQLite database, in a file or in memory, and the thread that alone talks to it.

`sqlite3` is imported when the database is first used: a daemon that starts does not wait for it.
See docs/decisions/0004.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from paddock.errors import StorageError
from paddock.storage.migrations import MIGRATIONS

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long to wait for another program that holds the file."""


class Database:
    """A database for one loop. Work is done in order, one piece at a time."""

    def __init__(self, path: Path | None) -> None:
        """`path`: the file, made if missing; None keeps everything in memory until `aclose`."""
        self.path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Connection | None = None
        self._closed = False

    async def open(self) -> None:
        """Open it now rather than at first use. Raises StorageError."""
        await self.run(lambda _: None)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in the database's thread, as one transaction; what it returned.

        Raises StorageError when the database cannot be opened, read or written. Cancelling stops
        the waiting, not the work.
        """
        if self._closed:
            raise StorageError("the database is closed")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    async def aclose(self) -> None:
        """Wait for the work that is under way, and close. Idempotent."""
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)

    # --- in the thread

    def _do(self, work: Callable[[Connection], T]) -> T:
        import sqlite3  # noqa: PLC0415 - see above

        try:
            if self._connection is None:
                self._connection = _connect(self.path)
            with self._connection as connection:
                return work(connection)
        except (sqlite3.Error, OSError) as error:
            raise _failed(self.path, error) from error

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path | None) -> Connection:
    import sqlite3  # noqa: PLC0415 - see above

    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    connection = sqlite3.connect(path or ":memory:", timeout=BUSY_SECONDS)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: Connection, path: Path | None) -> None:
    """Bring the tables to what this version knows; each step is done whole or not at all."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path} was written by a newer Paddock",
            hint="start that version again, or set store.path to another file",
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number};")
        connection.commit()


def _failed(path: Path | None, error: Exception) -> StorageError:
    place = path or "the database in memory"
    return StorageError(
        f"{place} cannot be used: {error}",
        hint="set store.path to a file that this user can write to, or move a broken one away",
    )
