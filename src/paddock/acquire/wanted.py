"""What the downloader is asked for, and how much of the line it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from paddock.acquire.part_journal import Identity
from paddock.library.digest import Digest


class Wanted(NamedTuple):
    """One file that is to be brought."""

    key: str
    """Who asks for the same key at the same time shares one transfer."""
    size: int
    """Bytes."""
    digest: Digest | None
    """Its sha256; None where only `git_sha1` is known, or nothing."""
    git_sha1: str
    """40 hexadecimal digits, or empty."""
    url: str
    """Where its bytes are asked for; may redirect to a content host."""
    part: Path
    """The file that gets the bytes. Its journal is beside it. The caller gives the final name."""
    headers: Callable[[], Awaitable[Mapping[str, str]]]
    """What to send to the origin of `url`, `Authorization` for instance. Awaited on the loop of who
    called `fetch`; anew after a refusal."""
    subject: str = "the file"
    """What people call it, in errors."""
    page: str = ""
    """Where they can read about it, and ask for access; empty: nowhere."""

    @property
    def hash(self) -> str:
        """The hexadecimal digits that the bytes must have, or empty."""
        return self.digest.hex if self.digest is not None else self.git_sha1.lower()

    def identity(self, etag: str = "") -> Identity:
        """Which bytes these are. `etag` counts only where no hash is known."""
        return Identity(self.size, self.hash, "" if self.hash else etag)


class Limits(NamedTuple):
    """How much of the line, and of the hubs' patience, downloads may use."""

    connections: int = 4
    """For one file."""
    files: int = 2
    """At a time; more wait."""
    bytes_per_second: int = 0
    """Of all together; 0: no limit."""
    part_bytes: int = 16 << 20
    """Of a range that one connection brings at once."""
    stall: float = 30.0
    """Seconds without a byte after which a connection is given up."""
    pause: float = 0.5
    """Seconds before the second try of what did not come; twice as many each time."""
