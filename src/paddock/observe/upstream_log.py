"""What the servers of all models print, in one log: `model| line`."""

from __future__ import annotations

import queue
import sys
import threading

from paddock.observe.lines import LineRing

WAITING_TEXTS = 2000
"""Texts that may wait for stderr; more are dropped, for the daemon must not wait for a terminal."""


class UpstreamLog:
    """The log of the models' servers."""

    def __init__(self) -> None:
        self.lines = LineRing()

    def hear(self, model: str, text: str) -> None:
        """Take what a model's server printed: lines, each with its newline. Never blocks."""
        self.lines.add(
            "".join([f"{model}| {line}\n" for line in text.removesuffix("\n").split("\n")])
        )


class StderrWriter:
    """Writes texts to stderr in a thread of its own, so that nobody waits for a slow reader."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[str] = queue.Queue(WAITING_TEXTS)
        threading.Thread(target=self._work, name="stderr of the models", daemon=True).start()

    def write(self, text: str) -> None:
        """Write soon. Never blocks; text is lost when too much waits."""
        if not self._waiting.full():
            self._waiting.put_nowait(text)

    def _work(self) -> None:
        while True:
            text = self._waiting.get()
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except (OSError, ValueError):  # nobody reads it any more
                return
