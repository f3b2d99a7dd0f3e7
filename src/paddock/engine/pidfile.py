"""One small file per child, so that the next daemon can end what an earlier one left behind.

A pid is no proof: it may be a stranger's by now. Each child therefore carries a random token in its
environment, which only it and what it started can have, and only processes with the token and the
noted group are ended. Blocking: use a thread.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from paddock.engine import procfs

TOKEN = "PADDOCK_CHILD"  # noqa: S105 - a name, not a secret
"""The environment variable that marks our children."""
GONE_SECONDS = 2.0
"""How long to wait for killed survivors to give back their memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is noted about a child."""

    pid: int
    """Also the number of its process group."""
    token: str
    daemon: int
    daemon_started: int
    """Tells the daemon that wrote this from a later process with its pid."""


def note(folder: Path, pid: int, token: str) -> Path:
    """Write the file of a child of this process."""
    daemon = os.getpid()
    seen = procfs.look(daemon)
    entry = Entry(pid, token, daemon, seen.started if seen else 0)
    path = folder / f"{pid}.json"
    path.write_text(json.dumps(asdict(entry)), "utf-8")
    return path


def sweep(folder: Path) -> tuple[int, ...]:
    """End the children of daemons that are gone, remove their files, and tell the pids ended.

    Files of a daemon that still runs are left alone.
    """
    ended: list[int] = []
    for path in sorted(folder.glob("*.json")):
        entry = _read(path)
        if entry and _daemon_lives(entry):
            continue
        if entry:
            ended += _end(entry)
        path.unlink(missing_ok=True)
    return tuple(ended)


def _read(path: Path) -> Entry | None:
    try:
        entry = Entry(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return entry if isinstance(entry.pid, int) and isinstance(entry.token, str) else None


def _daemon_lives(entry: Entry) -> bool:
    seen = procfs.look(entry.daemon)
    return seen is not None and seen.alive and seen.started == entry.daemon_started


def _end(entry: Entry) -> list[int]:
    mark = f"{TOKEN}={entry.token}".encode()
    ended = [
        seen.pid
        for seen in procfs.processes()
        if seen.group == entry.pid and _kill_marked(seen.pid, mark)
    ]
    deadline = time.monotonic() + GONE_SECONDS
    while any(_lives(pid) for pid in ended) and time.monotonic() < deadline:
        time.sleep(0.01)
    return ended


def _kill_marked(pid: int, mark: bytes) -> bool:
    """Kill the process if it carries the mark, whatever happens to its pid meanwhile."""
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            if mark in procfs.environment(pid):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                return True
        finally:
            os.close(descriptor)
    return False


def _lives(pid: int) -> bool:
    seen = procfs.look(pid)
    return seen is not None and seen.alive
