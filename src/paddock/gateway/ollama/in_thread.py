"""Work that is done in a thread and must not be left half-way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def finished(work: Callable[[Unpack[Ts]], T], *args: *Ts) -> T:
    """What `work(*args)` gives. Cancelling takes effect once the work has ended.

    So whoever holds a lock or a file for the work can let it go afterwards.
    """
    future = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        await asyncio.wait({future})
    except asyncio.CancelledError:
        await asyncio.wait({future})
        future.exception()  # nobody is left who could hear of it
        raise
    return future.result()
