"""Parse and print bytes, durations and rates, as the owner writes and reads them."""

from __future__ import annotations

import math
import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTE_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL_STEPS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgt]i?)?b?")
_SIZES = {step: power for power, step in enumerate("kmgt", 1)}


def parse_duration(text: str | float) -> float:
    """Seconds from `300`, `"300"`, `"5m"`, `"1h30m"` or `"250ms"`.

    Raises ValueError for anything else, for negative values and for values that are not finite.
    """
    if isinstance(text, bool):
        raise ValueError("a duration is seconds, or text like 30s, 5m or 1h30m")  # noqa: TRY004
    try:
        seconds = float(text)
    except OverflowError:
        seconds = math.inf
    except ValueError:
        seconds = _parse_worded_duration(str(text).strip().lower())
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("a duration cannot be negative or infinite")
    return seconds


def _parse_worded_duration(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("a duration is seconds, or text like 30s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_bytes(text: str | float) -> int:
    """Bytes from `2048`, `"20MB"` (decimal), `"1.5 GiB"` (binary) or `"2T"` (decimal).

    Raises ValueError for anything else, and for values that are negative or not finite.
    """
    wrong = ValueError("a size is bytes, or text like 20MB, 1.5GiB or 2TB")
    if isinstance(text, bool):
        raise wrong
    if isinstance(text, int | float):
        if not math.isfinite(text) or text < 0:
            raise wrong
        return int(text)
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise wrong
    number, unit = match.groups()
    power = _SIZES[unit[0]] if unit else 0
    return int(float(number) * (1024 if unit and unit.endswith("i") else 1000) ** power)


def format_duration(seconds: float) -> str:
    """`0.4s`, `12s`, `4m 10s`, `2h 3m`, `3d 4h`: two units at most, for people."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    for size, unit, lower_size, lower in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // lower_size
            return f"{whole // size}{unit} {rest}{lower}" if rest else f"{whole // size}{unit}"
    return f"{whole}s"


def format_bytes(count: float) -> str:
    """`512 B`, `241 MiB`, `4.6 GiB`: binary units, one decimal below 10 of anything over a MiB."""
    value = float(count)
    for step in _BYTE_STEPS:
        if abs(value) < 1024 or step == _BYTE_STEPS[-1]:
            decimals = 1 if value < 100 and step in {"GiB", "TiB"} else 0
            return f"{value:.{decimals}f} {step}"
        value /= 1024
    raise AssertionError("unreachable")


def decimal_bytes(count: float) -> str:
    """`2.0 GB`, `986 MB`, `12 B`: as hubs and Ollama tell sizes, one decimal below 10."""
    for size, unit in _DECIMAL_STEPS:
        if count >= size:
            value = count / size
            return f"{int(value)} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{int(count)} B"


def processor(size: int, on_gpu: int) -> str:
    """`100% GPU`, `100% CPU`, or `25%/75% CPU/GPU` of the memory that a model takes."""
    if on_gpu == 0:
        return "100% CPU"
    if on_gpu == size:
        return "100% GPU"
    if size <= 0 or on_gpu > size:
        return "Unknown"
    cpu = round(100 * (size - on_gpu) / size)
    return f"{cpu}%/{100 - cpu}% CPU/GPU"


def format_count(count: float) -> str:
    """`268M`, `8.0B`, `1.1T`: a parameter count as model cards print it."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            value = count / size
            return f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"
    return f"{count:.0f}"
