"""A device as an engine lists it."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """What an engine says of a device; bytes."""

    name: str
    description: str
    total: int
    free: int
    """By the engine's own knowledge, when it was asked."""
    pci: str = ""
    """Its address, where the engine tells it."""
