"""One pull, as those who watch it see it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from paddock.acquire.job_files import Job
from paddock.acquire.plan import Item
from paddock.errors import PaddockError
from paddock.events import PullChanged, PullFile

_WINDOW: Final = 5.0
"""Seconds that a rate is taken over."""
_PULSE: Final = 1.0
"""A watcher is told at least this often, for the rate changes though nothing comes."""


class State(StrEnum):
    """How far a pull is. The last three are its end."""

    WAITING = "waiting"
    PLANNING = "planning"
    PULLING = "pulling"
    VERIFYING = "verifying"
    PLACING = "placing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDS: Final = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(slots=True)
class FileState:
    """How far one file is. Bytes."""

    path: str
    total: int
    completed: int
    digest: str
    """`sha256:…`; empty where there is none."""
    url: str
    """Where it is asked for, unsigned."""


class Pull:
    """A pull under way, or ended. Loop thread only."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.name = job.request.name
        self.state = State.WAITING
        self.note = ""
        self.files: list[FileState] = []
        self.models: tuple[str, ...] = ()
        self.replaced = False
        """Blobs that the name led to before are gone."""
        self.error: PaddockError | None = None
        self.askers = 0
        """Clients that end the pull when the last of them leaves, unless it is a lasting one."""
        self._news = asyncio.Event()
        self._version = 0
        self._came: deque[tuple[float, int]] = deque()
        """When how many bytes had come over the line."""

    @property
    def id(self) -> str:
        """`p` and a number."""
        return self.job.id

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in ENDS

    @property
    def completed(self) -> int:
        """Bytes that are here."""
        return sum(file.completed for file in self.files)

    @property
    def total(self) -> int:
        """Bytes of all files; 0 before they are known."""
        return sum(file.total for file in self.files)

    @property
    def rate(self) -> int:
        """Bytes per second that came of late."""
        now = time.monotonic()
        while len(self._came) > 1 and self._came[0][0] < now - _WINDOW:
            self._came.popleft()
        if self.ended or not self._came:
            return 0
        since, bytes_then = self._came[0]
        return max(0, int((self.completed - bytes_then) / max(now - since, _PULSE)))

    @property
    def left_seconds(self) -> int | None:
        """Seconds until the last byte, at the rate of late; None: cannot be told."""
        rate = self.rate
        return int((self.total - self.completed) / rate) if rate and not self.ended else None

    # --- what happens to it ----------------------------------------------------------------------

    def to(
        self, state: State, *, note: str | None = None, error: PaddockError | None = None
    ) -> None:
        """It is that far now."""
        self.state, self.error = state, error
        if note is not None:
            self.note = note
        if state is State.PULLING:
            self._came.clear()
            self._came.append((time.monotonic(), self.completed))
        self.changed()

    def take(self, items: Iterable[Item]) -> None:
        """Its files are known now."""
        self.files = [
            FileState(
                item.file.path,
                item.file.size,
                0 if item.comes else item.file.size,
                str(item.file.digest or ""),
                item.file.url,
            )
            for item in items
        ]
        self.changed()

    def progress(self, file: FileState, completed: int) -> None:
        """So many bytes of a file are here; fewer than before when it begins anew."""
        if completed < file.completed:
            self._came.clear()  # what is lost is no rate
        file.completed = min(completed, file.total)
        self._came.append((time.monotonic(), self.completed))
        if self.state is State.PULLING and self.completed == self.total:
            self.state = State.VERIFYING
        self.changed()

    def changed(self) -> None:
        """Wake those who watch."""
        self._version += 1
        self._news.set()
        self._news = asyncio.Event()

    # --- watching it -----------------------------------------------------------------------------

    async def watch(self, pause: float) -> AsyncGenerator[None]:
        """Yields now, after every change, and every second; at most once in `pause` seconds.

        Ends after it was yielded at the pull's end. Closing it changes nothing for the pull.
        """
        while True:
            ended, version = self.ended, self._version
            yield
            if ended:
                return
            if not self.ended:
                await asyncio.sleep(pause)
            if version == self._version:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PULSE):
                        await self._news.wait()

    async def end(self) -> None:
        """Return when it has ended."""
        while not self.ended:
            await self._news.wait()

    def row(self) -> dict[str, Any]:
        """How it is now, as clients are told it."""
        return {
            "id": self.id,
            "name": self.name,
            "state": str(self.state),
            "note": self.note,
            "rate": self.rate,
            "left_seconds": self.left_seconds,
            "files": [
                {"path": file.path, "total": file.total, "completed": file.completed}
                for file in self.files
            ],
            "models": list(self.models),
        }

    def event(self) -> PullChanged:
        """How it is now, for the bus."""
        return PullChanged(
            id=self.id,
            name=self.name,
            state=str(self.state),
            ended=self.ended,
            files=tuple(PullFile(one.url, one.total, one.completed) for one in self.files),
            reason=self.error.message if self.error else "",
        )
