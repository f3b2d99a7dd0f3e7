"""Starts children so that none outlives the daemon: gate, guard and pid file, in this order."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from paddock.engine import pidfile
from paddock.engine.guard import Guard
from paddock.engine.process import Feed, Process
from paddock.tasks import spawn

log = logging.getLogger(__name__)


class Children:
    """The children of this daemon. Loop thread only."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the pid files; it is made when needed, readable by its owner alone."""
        self._folder = folder
        self._guard = Guard()
        self._removals: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """End what an earlier daemon left behind, and start the guard. Raises OSError."""
        for pid in await asyncio.to_thread(self._sweep):
            log.warning("ended process %d, left behind by an earlier daemon", pid)
        self._guard.start()

    def _sweep(self) -> tuple[int, ...]:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        return pidfile.sweep(self._folder)

    async def spawn(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdout: Feed,
        stderr: Feed,
        holds_stdin: bool = False,
    ) -> Process:
        """A running child, noted everywhere it must be. Raises OSError. See `Process.spawn`."""
        token = secrets.token_hex(16)
        process = Process.spawn(
            argv,
            {**env, pidfile.TOKEN: token},
            stdout=stdout,
            stderr=stderr,
            holds_stdin=holds_stdin,
        )
        self._guard.add(process.pid)
        process.ended.add_done_callback(lambda _: self._guard.remove(process.pid))
        try:
            path = await asyncio.to_thread(self._note, process.pid, token)
        except BaseException:
            await process.end(grace=0)
            raise
        process.ended.add_done_callback(lambda _: self._remove(path))
        process.release()
        return process

    def _note(self, pid: int, token: str) -> Path:
        try:
            return pidfile.note(self._folder, pid, token)
        except OSError as error:  # a full disk names no file
            raise OSError(error.errno, error.strerror, str(self._folder)) from error

    def _remove(self, path: Path) -> None:
        task = spawn(asyncio.to_thread(_removed, path), name=f"remove {path.name}")
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)

    async def aclose(self) -> None:
        """End the guard, and with it every group that is still alive. Idempotent."""
        if self._removals:
            await asyncio.wait(self._removals)
        await self._guard.aclose()


def _removed(path: Path) -> None:
    with suppress(OSError):  # what stays on a broken disk is removed by the next daemon
        path.unlink()
