"""Where an instance is in memory, as lists tell it: by its plan, and by what its engine told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from paddock import units
from paddock.engine.instance import Instance

HOST: Final = "CPU"
"""How the names of devices begin whose memory is the machine's own."""


def memory(instance: Instance) -> Mapping[str, int]:
    """Bytes by device: as its engine told, and until that is ready as they are planned."""
    placed = instance.placed
    if placed is None or (instance.memory and instance.pool is not None):
        return instance.memory
    return placed.planned


def sizes(by_device: Mapping[str, int], on_disk: int, *, whole: bool = False) -> tuple[int, int]:
    """Bytes in use in all and on GPUs, as Ollama counts them.

    With all layers on GPUs (`whole`), what is never there (the table of tokens, buffers between)
    counts as there, too. While nothing is known, what is on disk stands for all of it.
    """
    total = sum(by_device.values())
    on_gpus = sum(size for device, size in by_device.items() if not device.startswith(HOST))
    return total or on_disk, total if whole and on_gpus else on_gpus


def sizes_of(instance: Instance, on_disk: int) -> tuple[int, int]:
    """`sizes` of an instance."""
    whole = instance.placed is not None and instance.placed.whole
    return sizes(memory(instance), on_disk, whole=whole)


def processor(instance: Instance) -> str:
    """`100% GPU`, `48/80 layers GPU`, `experts of 12/48 layers CPU`, `100% CPU`.

    Of what was not planned the shares of its memory, as Ollama tells them; empty while its engine
    has told nothing.
    """
    if instance.placed is not None:
        return instance.placed.processor
    return units.processor(*sizes_of(instance, 0)) if instance.memory else ""


def context(instance: Instance) -> int:
    """Tokens that one request may use; 0 while that is not known."""
    return instance.context or (instance.placed.context if instance.placed else 0)
