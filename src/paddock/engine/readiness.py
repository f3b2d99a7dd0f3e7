"""Is the child ready, and is it the child that answers?"""

from __future__ import annotations

import asyncio
import secrets
from enum import Enum

from paddock.engine.engine import Launch
from paddock.engine.failure import Failure
from paddock.engine.pool import ConnectionPool
from paddock.engine.ports import PortOwner, owner
from paddock.errors import FailureKind, UpstreamLost

FIRST_PAUSE = 0.02
SHORT_PAUSE = 0.05
LONGEST_PAUSE = 1.0
PAUSE_SHARE = 0.02
"""A pause grows to this part of the time that went by: who loads for a minute may be noticed a
second late, and its log is not full of our questions."""
ANSWER_SECONDS = 5.0
"""How long one answer may take; a child that is asked while it starts up may be slow."""
PROOF_PATH = "/v1/models"


class StallLimit:
    """Seconds that may pass without progress. Loop thread only."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + seconds

    def progressed(self) -> None:
        """Start over."""
        self._end = self._loop.time() + self.seconds

    @property
    def left(self) -> float:
        """Seconds left; not above zero when it has stalled."""
        return self._end - self._loop.time()


async def why_not_ready(
    pool: ConnectionPool, launch: Launch, pid: int, limit: StallLimit
) -> Failure | None:
    """Wait until the child is ready and is known to be the one that answers: then None."""
    if not launch.check_path:
        return None
    while await until_ready(pool, launch.check_path, limit):
        verdict = await identify(pool, launch, pid)
        if verdict is Verdict.OURS:
            return None
        if verdict is Verdict.STRANGER:
            return Failure(
                FailureKind.PORT_TAKEN,
                f"another program answers at {launch.address}",
                "see which program uses the port",
            )
    return Failure(
        FailureKind.TIMEOUT,
        f"not ready after {limit.seconds:g} s without progress",
        "raise healthCheckTimeout if the model needs longer; `paddock logs` shows how far it came",
    )


async def until_ready(pool: ConnectionPool, path: str, limit: StallLimit) -> bool:
    """GET `path` until it answers 200. False when the limit passes first."""
    loop = asyncio.get_running_loop()
    began, pause = loop.time(), FIRST_PAUSE
    while limit.left > 0:
        if await _status(pool, path, limit=min(ANSWER_SECONDS, limit.left)) == 200:
            return True
        await asyncio.sleep(min(pause, max(0.0, limit.left)))
        share = min((loop.time() - began) * PAUSE_SHARE, LONGEST_PAUSE)
        pause = max(min(pause * 1.5, SHORT_PAUSE), share)
    return False


class Verdict(Enum):
    """Who answers on a child's port."""

    OURS = "ours"
    STRANGER = "stranger"
    SILENT = "silent"
    """Nobody, any more: the child may be dying."""


async def identify(pool: ConnectionPool, launch: Launch, pid: int) -> Verdict:
    """Whether our child answers on its port, or a program that was faster to take it."""
    if launch.owns_port:
        holder = await _holder(pool, launch, pid)
        if holder is not Verdict.OURS:
            return holder
    if not launch.proves_key:
        return Verdict.OURS
    refused = await _status(pool, PROOF_PATH, key=secrets.token_urlsafe(24))
    accepted = await _status(pool, PROOF_PATH)
    if 0 in {refused, accepted}:
        return Verdict.SILENT
    return Verdict.OURS if (refused, accepted) == (401, 200) else Verdict.STRANGER


async def _holder(pool: ConnectionPool, launch: Launch, pid: int) -> Verdict:
    """Whose program listens on the port. Where the system does not tell, it is taken for ours.

    It does not tell of a stranger who answered and has left since: that one answers no second time.
    """
    for _ in range(2):
        holder = await asyncio.to_thread(owner, launch.address.port, pid)
        if holder is not PortOwner.UNKNOWN:
            return Verdict.OURS if holder is PortOwner.CHILD else Verdict.STRANGER
        if await _status(pool, launch.check_path) != 200:
            return Verdict.SILENT
    return Verdict.OURS


async def _status(
    pool: ConnectionPool, path: str, *, key: str | None = None, limit: float = ANSWER_SECONDS
) -> int:
    """The status of a GET; 0 without an answer."""
    try:
        return (await pool.fetch("GET", path, timeout=limit, key=key)).status
    except (UpstreamLost, TimeoutError, OSError):
        return 0
