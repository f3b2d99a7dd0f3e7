"""What is known of a file on its way, beside it: `<part>.json`.

The first line is sure: it was written after the bytes it tells of were flushed, and replaced in one
step. Lines after it are of the same run of the machine and tell what was written since, flushed or
not: a process that is killed loses nothing that way, a machine that loses power loses what came
after the first line. No address is kept: signed ones are secrets, and they age.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from paddock.acquire.parts import Span

VERSION: Final = 1
MOST_BYTES: Final = 1 << 20
"""Of a journal; a usual one has a few kilobytes."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Identity(NamedTuple):
    """Which bytes the part is to hold: only the same are gone on with."""

    size: int
    hash: str
    """The hexadecimal sha256, or git's sha1; empty where the hub tells none."""
    etag: str
    """Where there is no hash: the strong ETag of what came; else empty."""


class Journal:
    """The journal of one part. Blocking; all but `note` raise OSError."""

    def __init__(self, part: Path) -> None:
        self.path = journal_of(part)
        self._fd = -1
        self._boot = _boot_id()

    def read(self) -> tuple[Identity, tuple[Span, ...]] | None:
        """Of which file bytes are here, and which; None when that is not known."""
        try:
            with self.path.open("rb") as file:
                lines = file.read(MOST_BYTES).splitlines()
        except FileNotFoundError:
            return None
        try:
            head = json.loads(lines[0])
            if head["version"] != VERSION:
                return None
            identity = Identity(int(head["size"]), str(head["hash"]), str(head["etag"]))
            return identity, self._latest(lines[1:]) or _spans(head["here"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return None

    def _latest(self, lines: list[bytes]) -> tuple[Span, ...] | None:
        """The last note of this run of the machine; one that was cut off does not count."""
        for line in reversed(lines):
            with suppress(ValueError, LookupError, TypeError, RecursionError):
                told = json.loads(line)
                if self._boot and told["boot"] == self._boot:
                    return _spans(told["here"])
        return None

    def write(self, identity: Identity, flushed: tuple[Span, ...]) -> int:
        """Prepare a journal that says so; `publish` puts it in force. Gives its descriptor."""
        head = {"version": VERSION, **identity._asdict(), "here": flushed}
        fd = os.open(
            self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
        )
        try:
            _write_all(fd, json.dumps(head).encode() + b"\n")
            os.fsync(fd)
        except BaseException:
            os.close(fd)
            self._new.unlink(missing_ok=True)
            raise
        return fd

    def publish(self, fd: int, written: tuple[Span, ...]) -> None:
        """Put a prepared journal in force, with what was written until now."""
        self.close()
        self._fd = fd
        self.note(written)
        self._new.replace(self.path)

    def note(self, written: tuple[Span, ...]) -> None:
        """Remember what is in the file now, should this process be killed. Never raises."""
        if self._fd < 0 or not self._boot:
            return
        with suppress(OSError):
            line = json.dumps({"boot": self._boot, "here": written}).encode() + b"\n"
            if line.count(b"[") < 200:  # it fits into what a system call writes or does not
                os.write(self._fd, line)

    def remove(self) -> None:
        """Forget it."""
        self.close()
        self._new.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Write no more. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def _new(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")


def journal_of(part: Path) -> Path:
    """Where the journal of a part is."""
    return part.with_name(f"{part.name}.json")


def _spans(told: Any) -> tuple[Span, ...]:
    return tuple((int(start), int(end)) for start, end in told)


def _boot_id() -> str:
    """Another one after every start of the machine; empty where that is not told."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
