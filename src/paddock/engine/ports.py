"""Free loopback ports for children, and whose program listens on one."""

from __future__ import annotations

import socket
from enum import Enum
from itertools import chain

from paddock.engine import procfs
from paddock.errors import FailureKind, InstanceFailed

DELEGATES = frozenset(
    {"docker-proxy", "dockerd", "rootlesskit", "rootlessport", "conmon", "pasta", "slirp4netns"}
)
"""Programs that listen for a container which the owner's command has started."""


LAST_PORT = 65535


class Ports:
    """Hands out ports of 127.0.0.1, none twice at once."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._homes: dict[str, int] = {}
        """The last port of each model that was given one in a row."""

    def take(self) -> int:
        """A port that is free now. Another program can still be faster: see `owner()`."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in self._taken:
                self._taken.add(port)
                return port

    def take_in_row(self, first: int, model: str) -> int:
        """The model's port of the last time, else the lowest from `first` on that no model has had.

        Raises InstanceFailed when there is none.
        """
        others = self._taken | {port for name, port in self._homes.items() if name != model}
        home = max(first, self._homes.get(model, first))
        for port in chain((home,), range(first, LAST_PORT + 1)):
            if port not in others and _is_free(port):
                self._taken.add(port)
                self._homes[model] = port
                return port
        problem = f"no port from {first} on is free"
        hint = "set startPort to a lower number"
        raise InstanceFailed(model, FailureKind.PORT_TAKEN, problem, hint=hint)

    def give_back(self, port: int) -> None:
        """The port may be handed out again. Idempotent."""
        self._taken.discard(port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server would: connections that have just ended there are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
