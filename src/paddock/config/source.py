"""Where the configuration comes from: what it was read from at the start is read by a reload."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.config.load import load
from paddock.config.schema import Config


@dataclass(frozen=True, slots=True)
class Source:
    """The file, the environment and the flags that the daemon was started with."""

    file: Path | None
    env: Mapping[str, str] = field(repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The flags, by dotted key."""

    def load(self) -> Config:
        """Read it, now. Raises ConfigError. Blocks."""
        return load(self.file, self.env, deepcopy(dict(self.overrides)))

    def files(self) -> tuple[Path, ...]:
        """The files it is read from, whether or not they exist. Blocks."""
        return (self.file,) if self.file else ()
