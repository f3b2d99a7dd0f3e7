"""The requests that run, and what becomes of each when it has ended.

Rows are written a moment after their requests, many at a time; whoever asks for rows gets them all.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from paddock.errors import PaddockError, StorageError
from paddock.observe.activity import Activity
from paddock.observe.answer import Answer
from paddock.observe.captures import Captures, Packed, packed
from paddock.observe.counters import Counters
from paddock.observe.record import Asked, Ended, Record
from paddock.tasks import spawn

if TYPE_CHECKING:
    from paddock.storage.activity import Row

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.1
"""How long a row may wait for others that are written with it."""

MOST_WAITING = 10_000
"""Rows that may wait while a disk does not answer; more are lost, for memory must not run out."""


class Began(NamedTuple):
    """A request has come."""

    record: Record


class Moved(NamedTuple):
    """A request has got its model."""

    record: Record


class Gone(NamedTuple):
    """A request runs no more."""

    id: str


class Recorded(NamedTuple):
    """A request's row is in the list."""

    row: Row


News = Began | Moved | Gone | Recorded
Watcher = Callable[[News], None]


class Journal:
    """Knows every request of the house that is on its way to a model. Loop thread only."""

    def __init__(
        self, activity: Activity, captures: Captures, status_of: Callable[[PaddockError], int]
    ) -> None:
        """`status_of`: the HTTP status with which an error is told."""
        self.activity = activity
        """Where the rows are."""
        self.captures = captures
        self.counters = Counters()
        self.status_of = status_of
        self._numbers = itertools.count(1)
        self._running: dict[str, Record] = {}
        self._ended: list[Ended] = []
        self._watchers: list[Watcher] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing = asyncio.Lock()
        self._is_told_broken = False

    def record(self, asked: Asked, report: Callable[[], Answer]) -> Record:
        """A record for a request that begins now: enter it for as long as the request lasts.

        `report` tells what was answered so far. The record's `__exit__` raises RequestCancelled
        for a request that was ended by `cancel`.
        """
        record = Record(str(next(self._numbers)), asked, report, self)
        self._running[record.id] = record
        if self._watchers:
            self._tell(Began(record))
        return record

    def running(self) -> tuple[Record, ...]:
        """The requests that run now, in order of arrival."""
        return tuple(self._running.values())

    def cancel(self, number: str) -> bool:
        """End a request by its id; whether there was one."""
        record = self._running.get(number)
        if record is not None:
            record.cancel()
        return record is not None

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` what happens from now on. It must not block."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Stop that. Idempotent."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    async def settle(self) -> None:
        """Return when the rows of all requests that have ended are written, as far as can be.

        Cancelling ends only the wait.
        """
        if self._ended or self._writing.locked():
            await asyncio.shield(spawn(self._settle(), name="write past requests"))

    async def _settle(self) -> None:
        async with self._writing:
            ended, self._ended = self._ended, []
            if ended:
                await self._write(ended)

    async def aclose(self) -> None:
        """Write what is left. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
        await self.settle()

    # --- the keeper of its records

    def moved(self, record: Record) -> None:
        if self._watchers:
            self._tell(Moved(record))

    def ended(self, record: Record, ended: Ended) -> None:
        self._running.pop(record.id, None)
        if self._watchers:
            self._tell(Gone(record.id))
        if not ended.asked.is_kept:
            return
        if len(self._ended) >= MOST_WAITING:
            self._told_broken(_TOO_SLOW)
            return
        self._ended.append(ended)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(WRITE_SECONDS, self._write_soon)

    def _write_soon(self) -> None:
        self._timer = None
        spawn(self._settle(), name="write past requests")

    async def _write(self, ended: list[Ended]) -> None:
        finished = await asyncio.to_thread(_finished, ended)
        for row, _ in finished:
            self.counters.count(row)
        try:
            await self.activity.add([row for row, _ in finished])
        except StorageError as error:
            self._told_broken(error)
            return
        self._is_told_broken = False
        for row, capture in finished:
            if capture is not None:
                self.captures.add(row.id, capture)
            self._tell(Recorded(row))

    def _told_broken(self, error: StorageError) -> None:
        if not self._is_told_broken:
            log.error("past requests are not kept: %s (%s)", error.message, error.hint)
            self._is_told_broken = True

    def _tell(self, news: News) -> None:
        for watcher in tuple(self._watchers):
            try:
                watcher(news)
            except Exception:
                log.exception("a watcher of requests failed")


_TOO_SLOW = StorageError(
    f"{MOST_WAITING} of them wait to be written", hint="look at the disk that store.path is on"
)


def _finished(ended: list[Ended]) -> list[tuple[Row, Packed | None]]:
    from paddock.observe.rows import row_of  # noqa: PLC0415 - not needed to start

    return [(row_of(one), packed(one)) for one in ended]
