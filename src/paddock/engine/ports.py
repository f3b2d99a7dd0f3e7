"""Free loopback ports for children, and whose program listens on one."""

from __future__ import annotations

import socket
from enum import Enum

from paddock.engine import procfs

DELEGATES = frozenset(
    {"docker-proxy", "dockerd", "rootlesskit", "rootlessport", "conmon", "pasta", "slirp4netns"}
)
"""Programs that listen for a container which the owner's command has started."""


class Ports:
    """Hands out ports of 127.0.0.1, none twice at once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """A port that is free now. Another program can still be faster: see `owner()`."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in self._taken:
                self._taken.add(port)
                return port

    def give_back(self, port: int) -> None:
        """The port may be handed out again. Idempotent."""
        self._taken.discard(port)


class PortOwner(Enum):
    """Whose program listens on a port."""

    CHILD = "child"
    STRANGER = "stranger"
    UNKNOWN = "unknown"
    """The system does not tell: no /proc, or the process of another user."""


def owner(port: int, child: int) -> PortOwner:
    """Whether `port` is held by the child, its group or its descendants. Blocking: use a thread."""
    sockets = procfs.listeners(port)
    if not sockets:
        return PortOwner.UNKNOWN
    if procfs.holders(sockets, (child,)) or procfs.holders(sockets, procfs.family(child)):
        return PortOwner.CHILD
    others = [seen for seen in procfs.processes() if procfs.holders(sockets, (seen.pid,))]
    if not others or any(seen.name in DELEGATES for seen in others):
        return PortOwner.UNKNOWN
    return PortOwner.STRANGER
