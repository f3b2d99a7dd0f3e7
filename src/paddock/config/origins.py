"""Where values of a configuration were written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origins:
    """What says which key. Two configurations that say the same are equal, wherever they do."""

    named: Mapping[str, str] = field(default_factory=dict, compare=False)
    """A file's name, a variable's or `command line`, by the dotted key."""
