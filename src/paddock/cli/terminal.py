"""The terminal: whether there is one, how large it is, and what may be written to it."""

from __future__ import annotations

import os
import re
import sys
from typing import IO, Any

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, what turns the direction of writing, other ends of lines, lone surrogates."""


def harmless(text: str) -> str:
    """What a model says, as a terminal may get it: nothing of it can steer the terminal.

    Unlike `printable` it keeps what languages need: joiners, wide and narrow spaces.
    """
    return _STEERING.sub("\ufffd", text.replace("\r", ""))


def is_terminal(stream: IO[Any] | None) -> bool:
    """Whether somebody looks at it; a closed one is looked at by nobody."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def size(stream: IO[Any] | None = None) -> tuple[int, int]:
    """Columns and rows of the terminal behind `stream`, or stdout; 80 by 24 where none is."""
    try:
        columns, rows = os.get_terminal_size((stream or sys.stdout).fileno())
    except (OSError, ValueError):
        return 80, 24
    return columns or 80, rows or 24


def take_any_letter() -> None:
    """Write a replacement for what the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
