"""The chat's database: SQLite in a file, or PostgreSQL by URL, always off the loop.

One thread writes, one transaction after the other, and others read beside it (SQLite in WAL mode):
nobody ever meets "database is locked", and nobody's change is lost to another that was read before
it. SQLAlchemy is imported by this room only, and this module only once the chat is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from paddock.errors import StorageError
from paddock.storage.chat_migrations import migrate

T = TypeVar("T")

BUSY_SECONDS: Final = 5.0
"""How long to wait for another program that holds the file."""
READERS: Final = {"sqlite": 2, "postgresql": 4}
READING: Final[Mapping[str, Mapping[str, Any]]] = {
    "sqlite": {"reads": True},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
"""What a transaction that only reads is begun with."""


class Store:
    """One database for one loop."""

    def __init__(self, where: Path | str) -> None:
        """`where`: the SQLite file, made if missing, or a `postgresql://` URL.

        Raises StorageError for a URL that cannot be used.
        """
        self._url = _url(where)
        self._backend = self._url.get_backend_name()
        self._readers = ThreadPoolExecutor(READERS[self._backend], thread_name_prefix="chat-read")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="chat-write")
        self._engine: Engine | None = None
        self._opening: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours."""
        return self._backend == "sqlite"

    def connected(self) -> Engine:
        """An engine on this database, whatever is in it."""
        return _sqlite(self._url) if self.is_sqlite else _postgres(self._url)

    async def open(self) -> None:
        """Open it and bring its tables up to date. Raises StorageError. Once is enough."""
        if self._opening is None or (self._opening.done() and self._engine is None):
            loop = asyncio.get_running_loop()
            self._opening = loop.run_in_executor(self._writer, self._open)
        await asyncio.shield(self._opening)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returned, done in a thread in one transaction that sees one state.

        Raises StorageError when the database cannot be reached or read, and what `work` raises.
        Cancelling stops the waiting, not the work.
        """
        return await self._run(self._readers, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As `read`, and what `work` changed is kept, all of it or, when it raises, nothing."""
        return await self._run(self._writer, self._write, work)

    async def aclose(self) -> None:
        """Wait for the work under way, and close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        for pool in {self._writer, self._readers}:
            await asyncio.to_thread(pool.shutdown)
        if self._engine is not None:
            await asyncio.to_thread(self._engine.dispose)

    async def _run(
        self,
        pool: ThreadPoolExecutor,
        how: Callable[[Callable[[Connection], T]], T],
        work: Callable[[Connection], T],
    ) -> T:
        if self._closed:
            raise StorageError("the database is closed")
        if self._engine is None:
            await self.open()
        return await asyncio.get_running_loop().run_in_executor(pool, how, work)

    # --- in a thread

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._do(self._opened.execution_options(**READING[self._backend]), work)

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._do(self._opened, work)

    def _do(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            with engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise self._failed(error) from error

    @property
    def _opened(self) -> Engine:
        assert self._engine is not None  # noqa: S101 - `_run` opened it
        return self._engine

    def _open(self) -> None:
        try:
            engine = self.connected()
            try:
                migrate(engine)
            except BaseException:
                engine.dispose()
                raise
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise self._failed(error) from error
        self._engine = engine

    def _failed(self, error: Exception) -> StorageError:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        place = self._url.database if self.is_sqlite else _shown(self._url)
        hint = _NO_DRIVER if isinstance(error, ImportError) else _HINT
        return StorageError(f"the chat's database {place} cannot be used: {reason}", hint=hint)


_HINT: Final = (
    "set chat.database to a file that this user can write to, or to the URL of a running PostgreSQL"
)

_NO_DRIVER: Final = "PostgreSQL needs one package more: pip install 'llama-paddock[postgres]'"


def _url(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise StorageError("chat.database is neither a file nor a URL", hint=_HINT) from None
    kinds = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    if url.drivername not in (*kinds, "postgresql+psycopg"):
        raise StorageError(f"chat.database: {url.drivername} is not supported", hint=_HINT)
    return url.set(drivername="postgresql+psycopg")


def _shown(url: URL) -> str:
    """Without its password and options."""
    return f"postgresql://{url.host or ''}/{url.database or ''}"


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=READERS["sqlite"] + 1,
        # Python's module would begin a transaction only at the first change, and not for tables.
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = FAST")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL) -> Engine:
    return create_engine(
        url, pool_size=READERS["postgresql"] + 1, max_overflow=0, pool_pre_ping=True
    )
