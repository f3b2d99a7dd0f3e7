"""`keep_alive`: how long a model stays in memory after a request, in Ollama's forms."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from paddock.errors import InvalidRequest

FOR_EVER: Final = math.inf

_DURATION: Final = r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+|0)"
_PART: Final = r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)"
_SECONDS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_LONGEST: Final = 2**63 / 1e9
"""Seconds; Ollama counts nanoseconds in 64 bits."""
_LONGEST_TEXT: Final = 64
_HINT: Final = "a number is seconds, a text has units, as 30s, 5m or 1h30m; -1 is for ever"


def parse(value: Any, *, field: str = "keep_alive") -> float | None:
    """Seconds from what a request has in `field`; `inf`: for ever; None: nothing was said.

    A number is seconds, a text is a duration as Go writes it (`5m`, `1h30m`, `-1s`, `0`), and
    everything below zero is for ever. Raises InvalidRequest.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _refused("a number of seconds or a text like 5m is expected", field)
    seconds = _worded(value, field) if isinstance(value, str) else _number(value, field)
    return FOR_EVER if seconds < 0 or seconds >= _LONGEST else seconds


def _number(value: float, field: str) -> float:
    try:
        seconds = float(value)
    except OverflowError:  # an integer with hundreds of digits
        return FOR_EVER
    if math.isnan(seconds):
        raise _refused("NaN is no number of seconds", field)
    return seconds


def _worded(text: str, field: str) -> float:
    found = re.fullmatch(_DURATION, text) if len(text) <= _LONGEST_TEXT else None
    if found is None:
        bare = re.fullmatch(r"[+-]?[0-9]*\.?[0-9]+", text[:_LONGEST_TEXT])
        problem = "missing unit in" if bare else "invalid"
        raise _refused(f'time: {problem} duration "{_shown(text)}"', field)
    sign, parts = found.groups()
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, parts))
    return -seconds if sign == "-" else seconds


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_TEXT])


def _refused(problem: str, field: str) -> InvalidRequest:
    return InvalidRequest(f"{field}: {problem}", param=field, hint=_HINT)
