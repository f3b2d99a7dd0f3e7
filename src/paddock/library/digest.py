"""Digests: the names of blobs, and what is known of a file that was hashed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final, NamedTuple, Self

from paddock.errors import InvalidDigest

_DIGITS: Final = frozenset("0123456789abcdef")


class Digest(NamedTuple):
    """A sha256. `str()` is `sha256:<hex>`, as manifests and the API tell it."""

    hex: str
    """64 lower-case hexadecimal digits."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest in `sha256:<hex>` or `sha256-<hex>`. Raises InvalidDigest."""
        kind, mark, digits = text[:6], text[6:7], text[7:].lower()
        if kind != "sha256" or mark not in {":", "-"} or len(digits) != 64:
            raise InvalidDigest(text)
        if not _DIGITS.issuperset(digits):
            raise InvalidDigest(text)
        return cls(digits)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The digest of these bytes."""
        return cls(hashlib.sha256(data).hexdigest())

    @property
    def file_name(self) -> str:
        """What its blob is called: `sha256-<hex>`."""
        return f"sha256-{self.hex}"

    def __str__(self) -> str:
        return f"sha256:{self.hex}"


class Stamp(NamedTuple):
    """How a file looks from outside: while that stays the same, so do its bytes.

    Without its device: the numbers of some file systems are others after every start.
    """

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The stamp of a file with this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class Hashed(NamedTuple):
    """A file whose digest was computed, and how it looked then."""

    path: Path
    digest: Digest
    stamp: Stamp
