"""What Linux tells about processes and listening sockets, read from /proc. Blocking: use a thread.

Everything here is best effort: where there is no /proc, or where another user's process hides, the
answer is empty, and callers take that as "unknown".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as its stat line describes it."""

    pid: int
    name: str
    """The program's name, cut to 15 characters by the kernel."""
    state: str
    parent: int
    group: int
    started: int
    """Clock ticks from boot to its start: with the pid, it is this process and no later one."""

    @property
    def alive(self) -> bool:
        """Not a zombie, which holds nothing but its number."""
        return self.state not in {"Z", "X"}


def look(pid: int) -> Seen | None:
    """The process with this pid now, or None."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    name = before.partition("(")[2]
    return Seen(pid, name, fields[0], int(fields[1]), int(fields[2]), int(fields[19]))


def processes() -> Iterator[Seen]:
    """Every process there is."""
    with suppress(OSError):
        for entry in PROC.iterdir():
            if entry.name.isdigit() and (seen := look(int(entry.name))):
                yield seen


def environment(pid: int) -> tuple[bytes, ...]:
    """The `NAME=value` entries a process was started with; empty when they cannot be read."""
    try:
        return tuple((PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:
        return ()


def group_lives(group: int) -> bool:
    """Whether a process of the group is alive, not just waiting to be reaped."""
    return any(seen.group == group and seen.alive for seen in processes())


def family(leader: int) -> frozenset[int]:
    """The pids of a process, its group, and all that descend from them."""
    everyone = tuple(processes())
    members = {leader} | {seen.pid for seen in everyone if seen.group == leader}
    grew = True
    while grew:
        more = {seen.pid for seen in everyone if seen.parent in members} - members
        members |= more
        grew = bool(more)
    return frozenset(members)


def listeners(port: int) -> frozenset[str]:
    """The socket links (`socket:[123]`) that listen on a TCP port on any address."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{fields[9]}]")
    return frozenset(found)


def holders(sockets: frozenset[str], pids: Iterable[int]) -> frozenset[int]:
    """Which of the processes hold one of the sockets."""
    return frozenset(pid for pid in pids if _holds(pid, sockets))


def _holds(pid: int, sockets: frozenset[str]) -> bool:
    with suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if str(entry.readlink()) in sockets:
                    return True
    return False
