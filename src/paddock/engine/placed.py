"""Where a load goes, as the scheduler planned it, in words that an engine takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ALL_ON_GPUS: Final = "100% GPU"


@dataclass(frozen=True, slots=True)
class Placed:
    """A plan that was chosen. An engine that takes no flags of ours goes by none of it."""

    words: tuple[str, ...]
    """Flags of llama-server and their values: devices, layers, context, slots, caches."""
    context: int
    """Tokens for each request."""
    slots: int
    """Requests at once."""
    processor: str
    """For people: `100% GPU`, `48/80 layers GPU`, `experts of 12/48 layers CPU`, `100% CPU`."""
    on_devices: float
    """The part of its bytes that is on GPUs, from 0 to 1."""
    reason: str
    """Why it goes there, in a sentence or two."""
    planned: Mapping[str, int] = field(default_factory=dict)
    """Bytes by device that its engine will tell, by the plan; `CPU` is the machine's own memory."""

    @property
    def whole(self) -> bool:
        """All its layers are on GPUs; the table of tokens never is."""
        return self.processor == ALL_ON_GPUS
