"""When to look again after something happened: as soon as that makes sense, and not before.

What comes or goes in one step (a rename, a removal) is looked at immediately. What is being written
is looked at when the writing has paused: before that, every look would only find it incomplete.
"""

from __future__ import annotations

from typing import Final

PAUSE: Final = 0.4
"""Seconds without a write after which a file counts as written."""


class Settling:
    """Paths that something happened to, and when each should be looked at. Knows no clock."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def came_or_went(self, path: str, now: float) -> None:
        """The path is there at once, or is gone."""
        self._due[path] = now

    def written(self, path: str, now: float) -> None:
        """Some of the file was written, and more may follow."""
        self._due[path] = now + PAUSE

    def due(self) -> float | None:
        """When to look again; None while nothing happened."""
        return min(self._due.values(), default=None)

    def looked(self, now: float) -> None:
        """Everything that was due by `now` has been looked at."""
        self._due = {path: due for path, due in self._due.items() if due > now}
