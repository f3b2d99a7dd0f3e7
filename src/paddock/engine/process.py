"""One child process and all it starts: it cannot outlive us, and it ends as a group.

A child is spawned behind a gate: a shell that waits for one line on stdin before it becomes the
program. So nothing of the program runs before its owner has noted it down (`children.py`), and if
we are killed in between, the gate reads the end of its stdin and leaves. On Linux `setpriv` makes
the kernel kill the child when our thread ends, which is why children are spawned on the loop's
thread and never in a pool.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, cast

from paddock.engine import procfs
from paddock.tasks import spawn

log = logging.getLogger(__name__)

Feed = Callable[[bytes], None]

READ_BYTES = 65536
DRAIN_SECONDS = 1.0
"""How long a child's output may stay open after its whole group is gone."""
KILL_SECONDS = 10.0
"""How long SIGKILL may take: a process stuck in a driver dies only when the driver lets it."""

_GATE = """\
{ read -r score </proc/self/oom_score_adj &&
  echo $((score > 500 ? 1000 : score + 500)) >/proc/self/oom_score_adj; } 2>/dev/null
read -r _ || exit 125
"""
"""Also asks the kernel to take the child before us when memory runs out."""
_KEEPING_STDIN = _GATE + 'exec "$@"'
_CLOSING_STDIN = _GATE + 'exec "$@" </dev/null'


class Process:
    """A child in a group of its own. Made by `spawn()`; runs its program after `release()`.

    `ended` resolves once the child is reaped, its group is gone and its output is read: with its
    exit code, or minus the signal that ended it.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], stdout: Feed, stderr: Feed, *, holds_stdin: bool
    ) -> None:
        stdin, out, err = (cast("IO[bytes]", p) for p in (popen.stdin, popen.stdout, popen.stderr))
        self.pid = popen.pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._popen = popen
        self._stdin = stdin
        self._holds_stdin = holds_stdin
        self._drains = (_Drain(out, stdout), _Drain(err, stderr))
        self._died = asyncio.Event()
        self._to_the_rest: signal.Signals | None = signal.SIGKILL
        """What its group is sent when it dies: nobody asked, and devices must not stay held."""
        self._hopeless_at = math.inf
        _when_dead(popen, self._died.set)
        spawn(self._live(), name=f"child {popen.pid}")

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        stdout: Feed,
        stderr: Feed,
        holds_stdin: bool = False,
    ) -> Process:
        """Start a child that waits at its gate. Loop thread only. Raises OSError.

        `stdout` and `stderr` are called with what it writes, as it comes. With `holds_stdin` its
        stdin stays open for as long as we live; otherwise it is empty.
        """
        gate = _KEEPING_STDIN if holds_stdin else _CLOSING_STDIN
        popen = subprocess.Popen(
            [*_death_rope(), "/bin/sh", "-c", gate, "sh", *argv],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            bufsize=0,
        )
        return cls(popen, stdout, stderr, holds_stdin=holds_stdin)

    def release(self) -> None:
        """Open the gate: the child becomes its program."""
        with suppress(BrokenPipeError):
            self._stdin.write(b"\n")
        if not self._holds_stdin:
            self._stdin.close()

    async def end(self, *, grace: float, again_after: float = 0.0) -> None:
        """SIGTERM to the group, SIGKILL after `grace` seconds (0: at once); return when it is gone.

        Its stdin ends too.
        `again_after` sends a second SIGTERM after so many seconds, for programs that take it as
        "now". A child that even SIGKILL cannot end is reported and left after ten seconds.
        """
        self._to_the_rest = None
        for number, seconds in _ladder(grace, again_after):
            self._signal(number)
            # llama-server's threads that read stdin hold up its exit until there is no more.
            self._stdin.close()
            await asyncio.wait({self.ended}, timeout=seconds)
            if self.ended.done():
                return
        log.error("process %d does not end: it may hang in a device driver", self.pid)

    def expect_end(self) -> None:
        """It has been asked to end by other means than ours: its death ends its group politely."""
        self._to_the_rest = signal.SIGTERM

    def _signal(self, number: signal.Signals) -> None:
        if number == signal.SIGKILL:
            now = asyncio.get_running_loop().time()
            self._hopeless_at = min(self._hopeless_at, now + KILL_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def _live(self) -> None:
        await self._died.wait()
        code = self._popen.wait()
        if self._to_the_rest is not None:
            self._signal(self._to_the_rest)
        await self._outlive_group()
        await asyncio.wait({drain.ended for drain in self._drains}, timeout=DRAIN_SECONDS)
        for drain in self._drains:
            drain.close()
        self._stdin.close()
        self.ended.set_result(code)

    async def _outlive_group(self) -> None:
        """Until nothing in the group lives. Who asked it to end bounds it with `end()`."""
        loop = asyncio.get_running_loop()
        pause = 0.001
        while _group_exists(self.pid) and loop.time() < self._hopeless_at:
            await asyncio.sleep(pause)
            # Zombies hold nothing, and may stay for long where pid 1 does not reap orphans.
            if pause > 0.01 and not await asyncio.to_thread(procfs.group_lives, self.pid):
                return
            pause = min(pause * 2, 0.1)


class _Drain:
    """Reads a pipe to its end, so that whoever writes into it never blocks."""

    def __init__(self, pipe: IO[bytes], feed: Feed) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._pipe = pipe
        self._feed = feed
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._pipe.fileno(), READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._feed(data)
        else:
            self.close()

    def close(self) -> None:
        if not self.ended.done():
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
            self.ended.set_result(None)


def _death_rope() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def _ladder(grace: float, again_after: float) -> list[tuple[signal.Signals, float]]:
    """Signals, each with the seconds to wait after it."""
    if grace <= 0:
        return [(signal.SIGKILL, KILL_SECONDS)]
    if 0 < again_after < grace:
        terms = [(signal.SIGTERM, again_after), (signal.SIGTERM, grace - again_after)]
    else:
        terms = [(signal.SIGTERM, grace)]
    return [*terms, (signal.SIGKILL, KILL_SECONDS)]


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # macOS answers so for a group of zombies.
        return False
    return True


def _when_dead(popen: subprocess.Popen[bytes], call: Callable[[], None]) -> None:
    """Call `call` on the loop once the child is dead."""
    loop = asyncio.get_running_loop()
    if not hasattr(os, "pidfd_open"):
        threading.Thread(target=_wait_in_thread, args=(popen, loop, call), daemon=True).start()
        return
    descriptor = os.pidfd_open(popen.pid)

    def seen() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        call()

    loop.add_reader(descriptor, seen)


def _wait_in_thread(
    popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, call: Callable[[], None]
) -> None:
    popen.wait()
    with suppress(RuntimeError):  # the loop may be closed by now
        loop.call_soon_threadsafe(call)
