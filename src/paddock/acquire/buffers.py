"""Memory that a download uses over and over: the C library keeps it, and does not give it back.

Every read from a socket makes a buffer of 256 KiB, and frees it a moment later. As it is, the C
library returns that to the kernel, which clears it page by page when it is asked for again: a tenth
of what a download costs.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""mallopt(3)"""
_LARGEST: Final = 1 << 20
_KEPT: Final = 4 << 20


def keep() -> None:
    """Let the process keep up to 4 MiB of freed memory per thread. Does nothing without glibc."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _KEPT)
