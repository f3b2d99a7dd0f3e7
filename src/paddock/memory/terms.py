"""How a model would be run: the numbers that its memory depends on, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

CELLS: Final = 256
"""Tokens that llama.cpp counts a cache in."""


class Stored(NamedTuple):
    """How numbers are stored: `size` bytes hold `block` of them."""

    block: int
    size: int


CACHE_TYPES: Final = {
    "f32": Stored(1, 4),
    "f16": Stored(1, 2),
    "bf16": Stored(1, 2),
    "q8_0": Stored(32, 34),
    "q5_1": Stored(32, 24),
    "q5_0": Stored(32, 22),
    "q4_1": Stored(32, 20),
    "q4_0": Stored(32, 18),
    "iq4_nl": Stored(32, 18),
}
"""Of keys and values, as llama-server names them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a model. Counts are in tokens."""

    context: int
    """For each request; of a unified cache, all slots together."""
    slots: int = 1
    unified: bool = False
    batch: int = 2048
    ubatch: int = 512
    """Tokens that are worked on at once."""
    keys: str = "f16"
    values: str = "f16"
    flash: bool = True
    """Flash attention, which llama-server uses by itself wherever it can."""
    embedding: bool = False
    """Every token's vector is told."""
    full_window: bool = False
    """`--swa-full`."""

    @property
    def streams(self) -> int:
        """Caches side by side."""
        return 1 if self.unified else self.slots

    @property
    def cells(self) -> int:
        """Tokens that each of them holds."""
        return padded(max(1, self.context))

    @property
    def tokens(self) -> int:
        """Tokens of the largest step: a multiple of the slots."""
        most = min(self.ubatch, self.batch, self.cells * self.streams)
        return -(-most // self.slots) * self.slots

    def window_cells(self, window: int) -> int:
        """Tokens that a cache with a window holds."""
        if self.full_window:
            return self.cells
        seen = window * (self.slots if self.unified else 1)
        return padded(min(self.cells, seen + min(self.ubatch, self.batch)))


def padded(tokens: int) -> int:
    """As many cells as llama.cpp makes for so many tokens."""
    return -(-tokens // CELLS) * CELLS
