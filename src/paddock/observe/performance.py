"""Looks at the machine from time to time, off the loop, and remembers an hour of it."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Task
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from paddock.config.current import Current
from paddock.tasks import cancel_and_wait, spawn

if TYPE_CHECKING:
    from paddock.hardware.gpus import Gpu, GpuReader
    from paddock.hardware.host import Host, HostReader
    from paddock.hardware.snapshot import Machine

log = logging.getLogger(__name__)

KEPT = timedelta(hours=1)


class Sample(NamedTuple):
    """The machine at one moment."""

    at: datetime
    host: Host
    gpus: tuple[Gpu, ...]


class Performance:
    """Owns the samples. `hardware` is imported at the first look, in a thread."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._samples: deque[Sample] = deque()
        self._readers: tuple[HostReader, GpuReader] | None = None
        self._looking: Task[None] | None = None
        self.machine: Machine | None = None
        """What the machine is made of, once that is known."""
        self.machine_at = datetime.now(UTC)

    @property
    def enabled(self) -> bool:
        """Whether the owner wants it."""
        return not self._current.config.performance.disabled

    def start(self) -> None:
        """Begin to look."""
        self._looking = spawn(self._look(), name="performance")

    def since(self, moment: datetime | None) -> tuple[Sample, ...]:
        """The samples that are kept, oldest first; only those after `moment` if there is one."""
        return tuple(one for one in self._samples if moment is None or one.at > moment)

    @property
    def newest(self) -> Sample | None:
        """The last look."""
        return self._samples[-1] if self._samples else None

    async def aclose(self) -> None:
        """Stop looking. Idempotent."""
        if self._looking is not None:
            await cancel_and_wait((self._looking,))

    async def _look(self) -> None:
        try:
            self.machine = await asyncio.to_thread(_machine)
            self.machine_at = datetime.now(UTC)
        except Exception:
            log.exception("what the machine is made of cannot be read")
        while True:
            if self.enabled:
                await self._take()
            await asyncio.sleep(self._current.config.performance.every)

    async def _take(self) -> None:
        try:
            sample = await asyncio.to_thread(self._read)
        except Exception:
            log.exception("the machine cannot be looked at")
            return
        self._samples.append(sample)
        while self._samples[0].at < sample.at - KEPT:
            self._samples.popleft()

    def _read(self) -> Sample:
        if self._readers is None:
            from paddock.hardware.gpus import GpuReader  # noqa: PLC0415 - not needed to start
            from paddock.hardware.host import HostReader  # noqa: PLC0415

            self._readers = HostReader(), GpuReader()
        host, gpus = self._readers
        now = datetime.now(UTC)
        whole = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is told
        return Sample(whole, host.read(), gpus.read())


def _machine() -> Machine:
    from paddock.hardware.snapshot import machine  # noqa: PLC0415 - not needed to start

    return machine()
