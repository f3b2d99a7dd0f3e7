"""The bytes of files that users attached: one file each, under a name that we made."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

_ID: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_ARRIVING: Final = ".arriving-"


class Vault:
    """A folder with a file per id. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, file_id: str) -> bytes:
        """All bytes of a file. Raises OSError where it is missing."""
        return self.path(file_id).read_bytes()

    def path(self, file_id: str) -> Path:
        """Where a file is. `file_id`: from the database, never from a request."""
        if not _ID.fullmatch(file_id):
            raise FileNotFoundError(file_id)
        return self._folder / file_id

    @contextmanager
    def arriving(self) -> Iterator[BinaryIO]:
        """A file to write to, for its owner only; it is gone after the block unless `keep` was
        called.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_ARRIVING, delete=False) as file:
            try:
                yield file  # type: ignore[misc]
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(file.name)  # noqa: PTH108 - it may have been renamed

    def keep(self, arrived: BinaryIO, file_id: str) -> None:
        """Give a file that arrived its name."""
        arrived.flush()
        Path(arrived.name).replace(self.path(file_id))

    def remove(self, ids: Iterable[str]) -> None:
        """Delete files; those that are gone are not missed."""
        for file_id in ids:
            self.path(file_id).unlink(missing_ok=True)

    def strays(self, known: frozenset[str], before: float) -> list[str]:
        """Names of files that nothing knows of, and that were last written before `before`."""
        if not self._folder.is_dir():
            return []
        return [
            entry.name
            for entry in os.scandir(self._folder)
            if entry.name not in known and entry.stat().st_mtime < before
        ]

    def clear(self, names: Iterable[str]) -> None:
        """Delete what `strays` found."""
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
