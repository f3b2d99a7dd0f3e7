"""The chat's tables, as steps from an empty database to today's. A step that was released stays.

Alembic takes the steps; it is imported only where there is one to take.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from paddock.errors import StorageError

STEPS: Final = ("0001", "0002")
"""All in `versions/`, in order."""

NEWEST: Final = STEPS[-1]

_LOCK: Final = 0x7061_6464
"""Of PostgreSQL: two daemons that start together take the steps one after the other."""


def migrate(engine: Engine, newest: str = NEWEST) -> None:
    """Bring the tables to `newest`, whole or not at all.

    Raises StorageError for a database that a newer Paddock has written.
    """
    with engine.connect() as connection, _rows_left_alone(connection), connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        version = _version(connection)
        if version is not None and version not in STEPS:
            raise StorageError(
                "the chat's database was written by a newer Paddock",
                hint="start that version again, or set chat.database to another one",
            )
        if version != newest:
            _upgrade(connection, newest)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, newest: str) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its own parts
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, newest)


@contextmanager
def _rows_left_alone(connection: Connection) -> Iterator[None]:
    """A step may make a table anew: in SQLite what refers to it would go with the old one."""
    if connection.dialect.name != "sqlite":
        yield
        return
    file = connection.connection.driver_connection
    assert file is not None  # noqa: S101 - it is connected
    file.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        file.execute("PRAGMA foreign_keys = ON")
