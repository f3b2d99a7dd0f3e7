"""What was read from each file, kept on disk: a start with a thousand known models reads no header.

One file of JSON lines, its first line the format's number and a digest of the rest and of what the
fields are called. Whatever does not match is ignored and read again: losing it costs a slower start
and nothing else.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import fields
from hashlib import blake2b
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from paddock.library.facts import Facts
from paddock.library.model import HeaderSummary, Trait
from paddock.library.walk import Found

log = logging.getLogger(__name__)

FORMAT: Final = 3
"""Raised when the same line would mean something else: new traits, new reasons."""
FILE_NAME: Final = "headers.jsonl"

Known = Facts | str
"""Of a file: its facts, or why it is no model."""
_FIELDS: Final = tuple(field.name for field in fields(HeaderSummary))
_values_of = attrgetter(*_FIELDS)
_Stamp = tuple[int, int, int]


class HeaderCache:
    """Facts by path, size, mtime and inode. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._entries: dict[str, tuple[_Stamp, Known]] = {}
        self._changed = False

    def load(self) -> None:
        """Take what the disk remembers, or nothing. Blocking; never raises."""
        try:
            first, _, rest = self._file.read_bytes().partition(b"\n")
            if first == _title(rest):
                self._entries = dict(_read_line(line) for line in rest.splitlines())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as error:
            log.warning("the header cache %s is not used: %s", self._file, error)

    def get(self, file: Found) -> Known | None:
        """What is known of the file as it is now."""
        stamp, known = self._entries.get(file.path, (None, None))
        return known if stamp == _stamp(file) else None

    def put(self, file: Found, known: Known) -> None:
        """Remember what was read from the file."""
        self._entries[file.path] = (_stamp(file), known)
        self._changed = True

    def keep_only(self, paths: set[str]) -> None:
        """Forget all other files."""
        for path in self._entries.keys() - paths:
            del self._entries[path]
            self._changed = True

    def save(self) -> None:
        """Write it down if something changed. Blocking; a failure is logged and harmless."""
        if not self._changed:
            return
        lines = (_write_line(path, *entry) for path, entry in self._entries.items())
        body = b"".join(lines)
        try:
            _replace(self._file, _title(body) + b"\n" + body)
            self._changed = False
        except OSError as error:
            log.warning("the header cache %s cannot be written: %s", self._file, error)


def _stamp(file: Found) -> _Stamp:
    return (file.size, file.mtime_ns, file.inode)


def _title(body: bytes) -> bytes:
    digest = blake2b(body, digest_size=16)
    digest.update(repr(_FIELDS).encode())
    return b"paddock headers %d %s" % (FORMAT, digest.hexdigest().encode())


def _write_line(path: str, stamp: _Stamp, known: Known) -> bytes:
    told = known if isinstance(known, str) else _written(known)
    return json.dumps([path, stamp, told], separators=(",", ":")).encode() + b"\n"


def _written(facts: Facts) -> list[Any]:
    return [
        _values_of(facts.summary),
        sorted(facts.traits),
        facts.projector,
        facts.split_number,
        facts.patched,
    ]


def _read_line(line: bytes) -> tuple[str, tuple[_Stamp, Known]]:
    path, stamp, told = json.loads(line)
    return path, (tuple(stamp), told if isinstance(told, str) else _facts(*told))


def _facts(summary: list[Any], traits: list[str], *others: Any) -> Facts:
    values: Any = (tuple(value) if isinstance(value, list) else value for value in summary)
    return Facts(HeaderSummary(*values), frozenset(map(Trait, traits)), *others)


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
