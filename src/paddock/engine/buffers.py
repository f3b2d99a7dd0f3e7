"""What a child took when it loaded, as llama.cpp tells it: memory by device, and its context.

It prints one line for each buffer: weights, cache, state, compute, output. Those of one device add
up. Lines are an engine's talk, not a protocol: what cannot be read is passed over.
"""

from __future__ import annotations

import re
from typing import Final

HOST: Final = "CPU"
"""The name of the machine's own memory, whatever kind of it a buffer is in."""

_BUFFER: Final = " buffer size"
_BUFFER_LINE: Final = (
    r"(?:^|\s)(\w[\w.\[\]:-]{0,63})\s+\w{1,16} buffer size\s*=\s*([0-9]{1,9}(?:\.[0-9]{1,6})?) MiB"
)
_CONTEXT: Final = " n_ctx_seq "
_CONTEXT_LINE: Final = r" n_ctx_seq\s+= ([0-9]{1,9})$"
_MOST_DEVICES: Final = 64


class Buffers:
    """Adds up what one start of a child tells."""

    def __init__(self) -> None:
        self.memory: dict[str, int] = {}
        """Bytes by device, `CPU` for the machine's own memory; empty while nothing was told."""
        self.context = 0
        """Tokens that one request may use; 0 while nothing was told."""

    def hear(self, line: str) -> None:
        """Take a line of the child's output."""
        if _BUFFER in line:
            self._add(line)
        elif _CONTEXT in line and not self.context and (found := re.search(_CONTEXT_LINE, line)):
            self.context = int(found[1])

    def _add(self, line: str) -> None:
        found = re.search(_BUFFER_LINE, line)
        if found is None:
            return
        device, size = _device(found[1]), round(float(found[2]) * (1 << 20))
        if device in self.memory or len(self.memory) < _MOST_DEVICES:
            self.memory[device] = self.memory.get(device, 0) + size


def _device(name: str) -> str:
    """`CPU_Mapped`, `CPU_REPACK` and pinned memory such as `CUDA_Host` are all the machine's."""
    return HOST if name.startswith(HOST) or name.endswith("_Host") else name
