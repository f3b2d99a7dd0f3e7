"""Puts together what observes the house: the journal of requests and the list of past ones."""

from __future__ import annotations

from contextlib import AsyncExitStack

from paddock.config.current import Current
from paddock.daemon.listeners import tell_captures
from paddock.events import EventBus
from paddock.gateway.problems import shape_of
from paddock.observe.activity import Activity
from paddock.observe.captures import Captures
from paddock.observe.journal import Journal
from paddock.storage.database import Database

MEGABYTE = 1 << 20


async def open_journal(stack: AsyncExitStack, current: Current, bus: EventBus) -> Journal:
    """The journal, its list open if it is a file. `stack` closes both.

    Raises StorageError when the file cannot be used.
    """
    config = current.config
    activity = Activity(Database(config.store.path), config.metrics_max_in_memory)
    stack.push_async_callback(activity.aclose)
    if config.store.path is not None:
        await activity.open()
    captures = Captures(lambda: current.config.capture_buffer * MEGABYTE)
    journal = Journal(activity, captures, lambda error: shape_of(error).status)
    stack.push_async_callback(journal.aclose)
    bus.listen(journal.counters.heard)
    bus.listen(tell_captures(captures))
    return journal
