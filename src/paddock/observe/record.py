"""One request to a model, from its arrival to the end of its answer."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from types import TracebackType
from typing import Final, Protocol, Self

from paddock.errors import (
    InstanceUnloaded,
    ModelGone,
    PaddockError,
    RequestCancelled,
    ShuttingDown,
    WaitExpired,
)
from paddock.observe.answer import Answer

CLIENT_LEFT = "client_left"
STALLED = "stalled"
CANCELLED = "cancelled"
"""Ended by its id."""

ENDINGS: Final[Mapping[type[PaddockError], str]] = {
    RequestCancelled: CANCELLED,
    InstanceUnloaded: "unloaded",
    ModelGone: "unloaded",
    WaitExpired: "timeout",
    ShuttingDown: "shutdown",
}
"""Errors that end a request early through no fault of its own, and what the row says then."""

LEFT_STATUS = 499
"""Of a request whose client left before it was answered."""


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Asked:
    """Who asks for what. Not to be changed once its record has begun."""

    model: str
    path: str
    method: str = "POST"
    requested: str = ""
    """The name the client used."""
    request_id: str = ""
    client: str = ""
    session: str = ""
    remote: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    """What was sent to the model, where that is captured."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_kept: bool = True
    """It gets a row when it has ended; otherwise it is only seen while it runs."""


@dataclass(slots=True)  # made for every request: frozen costs more than the rest of it
class Ended:
    """A request that has ended. Times are seconds. Not to be changed."""

    asked: Asked
    answer: Answer
    began: datetime
    duration: float
    first: float | None
    """From its arrival to the first piece of the answer."""
    queued: float
    loading: float
    status: int
    error: str
    cancelled: str
    """Why it ended early; empty when it did not."""


class Keeper(Protocol):
    """Whoever wants to know what becomes of a record."""

    def status_of(self, error: PaddockError) -> int:
        """The HTTP status with which an error is told."""

    def moved(self, record: Record) -> None:
        """It got its model."""

    def ended(self, record: Record, ended: Ended) -> None:
        """It is over."""


class Record:
    """A request that runs. Its `with` block is its life, and what leaves the block its outcome."""

    __slots__ = (
        "_is_cancelled",
        "_keeper",
        "_task",
        "asked",
        "began",
        "began_at",
        "granted_at",
        "id",
        "loading",
        "queued",
        "report",
    )

    def __init__(
        self, number: str, asked: Asked, report: Callable[[], Answer], keeper: Keeper
    ) -> None:
        self.id = number
        self.asked = asked
        self.report = report
        """What was answered so far."""
        self.began = datetime.now(UTC)
        self.began_at = perf_counter()
        self.granted_at: float | None = None
        self.queued = self.loading = 0.0
        self._task: asyncio.Task[object] | None = None
        self._is_cancelled = False
        self._keeper = keeper

    def granted(self, queued: float, loading: float) -> None:
        """Its model is ready for it, after so many seconds of each wait."""
        self.queued, self.loading = queued, loading
        self.granted_at = perf_counter()
        self._keeper.moved(self)

    def cancel(self) -> None:
        """End it; its client is told. Idempotent."""
        if self._task is not None and not self._is_cancelled:
            self._is_cancelled = True
            self._task.cancel()

    @property
    def elapsed(self) -> float:
        """Seconds since it came."""
        return perf_counter() - self.began_at

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cancelled = self._cancelled(error)
        self._keeper.ended(self, self._ended(cancelled or error))
        self._task = None
        if cancelled is not None:
            raise cancelled from None

    def _cancelled(self, error: BaseException | None) -> RequestCancelled | None:
        """The error to tell a client whose request was ended by its id."""
        if self._task is None or not (self._is_cancelled and isinstance(error, CancelledError)):
            return None
        self._task.uncancel()
        return RequestCancelled("the request was cancelled", hint="send it again if that was wrong")

    def _ended(self, error: BaseException | None) -> Ended:
        answer = self.report()
        return Ended(
            asked=self.asked,
            answer=answer,
            began=self.began,
            duration=self.elapsed,
            first=answer.first_at - self.began_at if answer.first_at is not None else None,
            queued=self.queued if self.granted_at is not None else self.elapsed,
            loading=self.loading,
            status=answer.status or self._status(error),
            error=error.message if isinstance(error, PaddockError) else answer.failure,
            cancelled=_why(error, answer),
        )

    def _status(self, error: BaseException | None) -> int:
        if isinstance(error, PaddockError):
            return self._keeper.status_of(error)
        return LEFT_STATUS if isinstance(error, CancelledError | ConnectionError) else 500


def _why(error: BaseException | None, answer: Answer) -> str:
    if error is None:
        return ""
    if isinstance(error, CancelledError | ConnectionError):
        return STALLED if answer.stalled else CLIENT_LEFT
    return next((why for kind, why in ENDINGS.items() if isinstance(error, kind)), "")
