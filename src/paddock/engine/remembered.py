"""A small memory on disk: texts of JSON by key, the newest of them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Final

from paddock.library import durable

FORM: Final = 1
MOST: Final = 1000


class Remembered:
    """What is kept in one file. Every method blocks and may be called from any thread.

    It is a cache: a file that cannot be read is empty, one that cannot be written is only lost.
    """

    def __init__(self, file: Path, most: int = MOST) -> None:
        self._file = file
        self._most = most
        self._lock = threading.Lock()
        self._entries: dict[str, Any] | None = None

    def get(self, key: str) -> Any:
        """What was kept under the key, or None."""
        with self._lock:
            return self._known().get(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a value, which must be JSON's; the oldest goes when there are too many."""
        with self._lock:
            entries = self._known()
            if entries.get(key) == value:
                return
            entries.pop(key, None)
            entries[key] = value
            for oldest in list(entries)[: -self._most]:
                del entries[oldest]
            self._write(entries)

    def _known(self) -> dict[str, Any]:
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def _read(self) -> dict[str, Any]:
        try:
            told = json.loads(self._file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(told, dict) or told.get("form") != FORM:
            return {}
        entries = told.get("entries")
        return entries if isinstance(entries, dict) else {}

    def _write(self, entries: dict[str, Any]) -> None:
        data = json.dumps({"form": FORM, "entries": entries}).encode()
        try:
            self._file.parent.mkdir(0o700, parents=True, exist_ok=True)
            durable.replace(self._file, data, beside=self._file.parent)
        except OSError:
            return
