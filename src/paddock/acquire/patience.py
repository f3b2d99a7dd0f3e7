"""Asking again, where a hub could not answer just now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from paddock.errors import HubUnreachable

T = TypeVar("T")

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try."""


async def patiently(ask: Callable[[], Awaitable[T]], pauses: Iterable[float] = PAUSES) -> T:
    """What `ask` gives; after HubUnreachable it is asked again once for each pause.

    Raises what the last try raised, and everything else at once.
    """
    for pause in pauses:
        try:
            return await ask()
        except HubUnreachable:
            await asyncio.sleep(pause)
    return await ask()
