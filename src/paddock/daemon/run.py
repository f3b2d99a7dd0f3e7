"""`paddock serve`: start, wait for a signal, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable

from paddock.config.schema import Config
from paddock.config.source import Source
from paddock.daemon.compose import composed
from paddock.daemon.greeting import greeting
from paddock.errors import PaddockError
from paddock.observe.logs import Logs, configure
from paddock.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.001
"""A thread that works gives way to the loop this often. With Python's own 5 ms every step of every
stream takes that long while a large configuration or folder is read."""


def serve(config: Config, source: Source) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit code.

    `config` is what `source` gave; SIGHUP loads it again. A second signal to stop cuts what still
    runs. Prints one line with its hint when it cannot start.
    """
    logs = configure(config)
    _raise_file_limit()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(config, source, logs))
    except PaddockError as error:
        hint = f"\n  {error.hint}" if error.hint else ""
        print(f"paddock: {error.message}{hint}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _run(config: Config, source: Source, logs: Logs) -> None:
    signals = _Signals()
    async with composed(config, source, logs) as daemon:
        signals.reload = daemon.parts.reloader.request
        print(greeting(daemon), file=sys.stderr, flush=True)  # noqa: T201
        await signals.first.wait()
        drain = daemon.parts.current.config.drain_timeout
        log.info("stopping: running requests get %g s to end", drain)
        daemon.parts.streams.close()
        await _unless(signals.second, daemon.parts.scheduler.aclose(drain))
        # What still runs is cut while the doors are open: its clients must be told.
        await daemon.parts.scheduler.aclose(0.0)


class _Signals:
    """The first request to stop, the second, which means at once, and those to reload."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.reload: Callable[[], object] = _nothing
        self._ends_with_terminal = _ends_with_terminal()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._came)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _came(self) -> None:
        (self.second if self.first.is_set() else self.first).set()

    def _hung_up(self) -> None:
        """A closed terminal sends this signal too: then it means what it always meant."""
        if self._ends_with_terminal and not _has_terminal():
            self._came()
        else:
            self.reload()


def _nothing() -> None:
    """Before the daemon runs there is nothing to reload."""


def _ends_with_terminal() -> bool:
    """Whether we were started in a terminal, and not to outlive it as `nohup` has it."""
    return _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


async def _unless(event: asyncio.Event, work: Awaitable[None]) -> None:
    """Wait for `work`, or until `event` is set: then it is cancelled."""

    async def run() -> None:
        await work

    working = spawn(run(), name="graceful stop")
    waiting = spawn(event.wait(), name="second signal")
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait((working, waiting))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _raise_file_limit() -> None:
    """Two descriptors per stream: take as many as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, 1 << 16)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
