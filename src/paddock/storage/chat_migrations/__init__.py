"""The chat's tables, as steps from an empty database to today's. A step that was released stays.

Alembic takes the steps; it is imported only where there is one to take.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from paddock.errors import StorageError

NEWEST: Final = "0001"
"""The last step in `versions/`."""


def migrate(connection: Connection) -> None:
    """Bring the tables to `NEWEST`, whole or not at all.

    Raises StorageError for a database that a newer Paddock has written.
    """
    if _version(connection) != NEWEST:
        _upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, NEWEST)
    except CommandError as error:
        raise StorageError(
            "the chat's database was written by a newer Paddock",
            hint="start that version again, or set chat.database to another file",
        ) from error
