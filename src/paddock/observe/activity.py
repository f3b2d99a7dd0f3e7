"""The list of past requests: in memory, or in the owner's file.

The table is imported when it is first written or asked: a daemon that starts does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from paddock.storage.database import Database

if TYPE_CHECKING:
    from paddock.observe.histogram import Histogram
    from paddock.storage.activity import Page, Query, Row, Totals

DISTRIBUTIONS: Final = ("prompt_speed", "generation_speed", "first_token", "queued", "loading")
"""Columns whose values are summed up as histograms."""


class Stats(NamedTuple):
    """Sums over all rows, and distributions over the newest ones, by column."""

    totals: Totals
    distributions: Mapping[str, Histogram | None]


class Activity:
    """Rows of past requests. Raises StorageError when they cannot be read or written."""

    def __init__(self, database: Database, most: int) -> None:
        """`most`: rows that are kept of a list in memory. A file is not pruned."""
        self._database = database
        self._most = most if database.path is None else 0

    async def add(self, rows: list[Row]) -> None:
        """Write rows, and give them their ids."""
        from paddock.storage import activity as table  # noqa: PLC0415 - see above

        await self._database.run(lambda db: table.add(db, rows, self._most))

    async def open(self) -> None:
        """Open it now rather than at first use."""
        await self._database.open()

    async def aclose(self) -> None:
        """Close the list. Idempotent."""
        await self._database.aclose()

    async def page(self, query: Query) -> Page:
        """The rows that a question asks for."""
        from paddock.storage import activity as table  # noqa: PLC0415 - see above

        return await self._database.run(lambda db: table.page(db, query))

    async def stats(self, model: str = "") -> Stats:
        """Sums and distributions of one model, or of all."""
        from paddock.observe.histogram import histogram  # noqa: PLC0415 - see above
        from paddock.storage import activity as table  # noqa: PLC0415

        totals = await self._database.run(lambda db: table.totals(db, model, DISTRIBUTIONS))
        return Stats(totals, {name: histogram(values) for name, values in totals.values.items()})
