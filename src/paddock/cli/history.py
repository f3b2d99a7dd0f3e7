"""What was typed in earlier conversations, in a file that only its owner reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

KEPT = 1000
"""Entries; the file may hold twice as many before it is cut."""

_OFF = {"", "0", "f", "false", "no", "off"}


def history_file(env: Mapping[str, str]) -> Path | None:
    """Where it is; None when OLLAMA_NOHISTORY forbids it."""
    if env.get("OLLAMA_NOHISTORY", "").lower() not in _OFF:
        return None
    state = env.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state, "paddock", "history")


class History:
    """Entries, oldest first: a line of JSON each, since an entry may have lines of its own.

    A file that cannot be read or written costs the history and nothing else.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.on = file is not None

    def read(self) -> list[str]:
        """The newest entries."""
        if self._file is None:
            return []
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        if len(lines) > 2 * KEPT:
            self._write(os.O_TRUNC, lines[-KEPT:])
        return [entry for line in lines[-KEPT:] if (entry := _entry(line))]

    def add(self, entry: str) -> None:
        """Keep one more, at once: two conversations share the file, and one may be killed."""
        if self.on and entry.strip():
            self._write(os.O_APPEND, [json.dumps(entry)])

    def _write(self, how: int, lines: list[str]) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | how, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))


def _entry(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    return entry if isinstance(entry, str) else ""
