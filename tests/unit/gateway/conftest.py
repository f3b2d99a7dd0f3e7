"""A door in front of a scripted child."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.fakes.scripted import Rig, Upstream, reply, says


@pytest_asyncio.fixture
async def rig() -> AsyncIterator[Rig]:
    """Say what the child `answers`, then ask."""
    upstream = Upstream(says([reply(b"hello")]))
    async with upstream.listening(), Rig(upstream).open() as rig:
        yield rig
