"""A sign of life on a terminal while there is nothing to show yet."""

from __future__ import annotations

import sys
import threading
from typing import Self

from paddock.cli.terminal import is_terminal

_SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SECONDS = 0.1


class Spinner:
    """Turns on stderr until `stop()`, which leaves nothing of it; silent without a terminal.

    A context manager. `stop` may be called more than once.
    """

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if is_terminal(sys.stderr) and is_terminal(sys.stdout):
            self._thread = threading.Thread(target=self._turn, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Wipe it away."""
        if self._thread is None:
            return
        self._ended.set()
        self._thread.join()
        self._thread = None

    def _turn(self) -> None:
        turns = 0
        while not self._ended.wait(_SECONDS):
            sys.stderr.write(f"\r{self._text}{_SIGNS[turns % len(_SIGNS)]} ")
            sys.stderr.flush()
            turns += 1
        if turns:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
