"""A faster start of the daemon: most of it is importing what the daemon needs."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hastened_imports() -> Iterator[None]:
    """Import without what only costs time: what is imported stays, and nothing of it is rubbish."""
    # Pydantic would look through every installed package for plugins; we have none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
