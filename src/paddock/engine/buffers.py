"""What a child took when it loaded, as llama.cpp tells it: memory by device, and its context.

It prints one line for each buffer: weights, cache, state, compute, output. Those of one device add
up. Lines are an engine's talk, not a protocol: what cannot be read is passed over.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HOST: Final = "CPU"
"""The name of the machine's own memory, whatever kind of it a buffer is in."""

_BUFFER: Final = " buffer size"
_BUFFER_LINE: Final = (
    r"(?:^|\s)(\w[\w.\[\]:-]{0,63})\s+(\w{1,16}) buffer size\s*="
    r"\s*([0-9]{1,9}(?:\.[0-9]{1,6})?) MiB"
)
_CONTEXT: Final = " n_ctx_seq "
_CONTEXT_LINE: Final = r" n_ctx_seq\s+= ([0-9]{1,9})$"
_USING: Final = " using device "
_USING_LINE: Final = (
    r" using device (\w{1,64}) \(.{0,200}\) \(((?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F:]{5}\.[0-7])\) - "
)
_MOST_DEVICES: Final = 64


class Parts(NamedTuple):
    """What is taken on one device, in bytes, by what it is for."""

    weights: int = 0
    kv: int = 0
    """The cache of keys and values, and the state of recurrent layers."""
    compute: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)

    def plus(self, other: Parts) -> Parts:
        """Both together."""
        return Parts(*(one + more for one, more in zip(self, other, strict=True)))


_KINDS: Final = {"model": "weights", "KV": "kv", "RS": "kv", "output": "output"}


class Buffers:
    """Adds up what one start of a child tells."""

    def __init__(self) -> None:
        self.memory: dict[str, int] = {}
        """Bytes by device, `CPU` for the machine's own memory; empty while nothing was told."""
        self.parts: dict[str, Parts] = {}
        """The same, by what it is for."""
        self.addresses: dict[str, str] = {}
        """The PCI addresses of devices, of those that told theirs."""
        self.context = 0
        """Tokens that one request may use; 0 while nothing was told."""

    def hear(self, line: str) -> None:
        """Take a line of the child's output."""
        if _BUFFER in line:
            self._add(line)
        elif _CONTEXT in line and not self.context and (found := re.search(_CONTEXT_LINE, line)):
            self.context = int(found[1])
        elif _USING in line and len(self.addresses) < _MOST_DEVICES:
            self._place(line)

    def _place(self, line: str) -> None:
        if found := re.search(_USING_LINE, line):
            self.addresses[found[1]] = found[2].lower()

    def _add(self, line: str) -> None:
        found = re.search(_BUFFER_LINE, line)
        if found is None:
            return
        device, size = host_or(found[1]), round(float(found[3]) * (1 << 20))
        if device in self.memory or len(self.memory) < _MOST_DEVICES:
            self.memory[device] = self.memory.get(device, 0) + size
            part = Parts(**{_KINDS.get(found[2], "compute"): size})
            self.parts[device] = self.parts.get(device, Parts()).plus(part)


def host_or(name: str) -> str:
    """`CPU_Mapped`, `CPU_REPACK` and pinned memory such as `CUDA_Host` are all the machine's."""
    return HOST if name.startswith(HOST) or name.endswith("_Host") else name
