"""A real pseudo-terminal with a program on it, for what behaves differently there."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Self

import psutil

PATIENCE = 30.0

_ON_IT = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal the program's own, so that Ctrl-C there reaches it."""


class Terminal:
    """A program that thinks a person looks at it. A context manager, which ends the program."""

    def __init__(
        self, args: Sequence[str], env: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._screen, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", _ON_IT, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env) | {"TERM": "xterm"},
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""
        """All that the program wrote so far."""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._screen, text.encode())

    def until(self, text: str) -> str:
        """Wait until the program writes `text`, after what was waited for before; up to its end."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.said.find(text, self._seen)) < 0:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not come; all it wrote was:\n{self.said!r}")
        begin, self._seen = self._seen, at + len(text)
        return self.said[begin : self._seen]

    def interrupt(self) -> None:
        """Press Ctrl-C once the program waits for a key.

        Python's readline does not hear a signal that comes after it wrote its prompt and before it
        waits: not before the next key.
        """
        deadline = time.monotonic() + PATIENCE
        while not self._is_asleep():
            if time.monotonic() > deadline:
                raise AssertionError("the program does not wait for a key")
            os.sched_yield()
        self.type("\x03")

    def _is_asleep(self) -> bool:
        """It waits for something; after the prompt that is a key."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_SLEEPING

    def end(self) -> int:
        """Wait until the program ends; its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, deadline: float) -> bool:
        """Take in what there is. False at the end, or too late."""
        ready, _, _ = select.select([self._screen], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return False
        try:
            piece = os.read(self._screen, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # how Linux tells that nobody holds the other side
                raise
            return False
        self.said += piece.decode("utf-8", "replace")
        return bool(piece)
