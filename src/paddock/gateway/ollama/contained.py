"""Whether a path that a client names is where it may be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def inside(path: Path, folders: Iterable[Path]) -> bool:
    """Whether `path` is one of `folders` or below it, once all links are followed. Blocking."""
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)
