"""`spawn()`, the only maker of tasks: each has a name and an owner, and no crash is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = logging.getLogger(__name__)

_running: set[asyncio.Task[Any]] = set()
"""Strong references: the loop itself keeps only weak ones, and a collected task just stops."""


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Start `coroutine` as a task on the running loop, keep it alive, and report its crash.

    Whoever spawns a task owns it and ends it with `cancel_and_wait`. A crash is logged when the
    task ends, whether or not anybody awaits it.
    """
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task %s crashed: %r", task.get_name(), error, exc_info=error)


async def cancel_and_wait(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and return when all have ended. Their errors were already reported."""
    ending = [task for task in tasks if not task.done()]
    for task in ending:
        task.cancel()
    if ending:
        await asyncio.wait(ending)


async def finished(work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
    """What `work(*args)` gives, done in a thread. Cancelling takes effect once it has ended.

    So nothing is left half-way, and whoever holds a lock or a file for it can let go afterwards.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        await asyncio.wait({future})
    except asyncio.CancelledError:
        await asyncio.wait({future})
        future.exception()  # nobody is left who could hear of it
        raise
    return future.result()


def running() -> frozenset[asyncio.Task[Any]]:
    """The tasks alive now, for leak checks and diagnosis."""
    return frozenset(_running)
