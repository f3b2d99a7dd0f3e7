"""The guard: one tiny process that kills the children's groups when the daemon is gone.

The parent-death signal reaches a child, but not what the child has started. The guard holds the
reading end of a pipe that only the daemon can write to; when the daemon is gone, however it went,
the pipe ends, and the guard kills every group still on its list.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
from contextlib import suppress

log = logging.getLogger(__name__)

LEAVE_SECONDS = 5.0

_PROGRAM = """\
trap '' TERM INT HUP QUIT PIPE
groups=' '
while read -r line; do
  group=${line#?}
  case $line in
    +*) groups="$groups$group " ;;
    -*) case $groups in *" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class Guard:
    """Knows the process groups that must not outlive the daemon. Loop thread only."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the guard; it ignores the signals that end the daemon. Raises OSError."""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _PROGRAM, "paddock-guard"],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
        for group in self._groups:
            self._tell(f"+{group}\n")

    @property
    def pid(self) -> int:
        """The guard's own pid; 0 when it does not run."""
        return self._process.pid if self._process else 0

    def add(self, group: int) -> None:
        """From now on this group dies with us."""
        self._groups.add(group)
        self._say(f"+{group}\n")

    def remove(self, group: int) -> None:
        """This group is gone. Its number may come back as a stranger's."""
        self._groups.discard(group)
        self._say(f"-{group}\n")

    def _say(self, line: str) -> None:
        try:
            self._tell(line)
        except BrokenPipeError:
            log.warning("the guard process was killed; starting another")
            self._bury()
            self.start()

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.write(line.encode())

    def _bury(self) -> None:
        if self._process:
            if self._process.stdin:
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVE_SECONDS)
            self._process = None

    async def aclose(self) -> None:
        """Let the guard go; it kills the groups that are still on its list. Idempotent."""
        await asyncio.to_thread(self._bury)
