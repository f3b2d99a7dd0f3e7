"""Sizes, times and shares of memory as Ollama's tables tell them."""

from __future__ import annotations

from datetime import UTC, datetime

from paddock import units

decimal_bytes = units.decimal_bytes
"""Sizes as Ollama tells them."""

processor = units.processor
"""Shares of memory as Ollama tells them."""

_FOR_EVER_YEARS = 20


def decimal_count(count: float) -> str:
    """`3.2B`, `134.52M`, `1.1T`: a number of parameters."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            value = count / size
            return f"{value:.2f}{unit}" if unit == "M" else f"{value:.1f}{unit}"
    return f"{count:.0f}"


def span(seconds: float) -> str:
    """`45 seconds`, `About an hour`, `3 weeks`."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    minutes, hours = whole // 60, round(whole / 3600)
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for unit, length in (("days", 24), ("weeks", 7 * 24), ("months", 30 * 24)):
        if hours < 2 * _NEXT[unit]:
            return f"{hours // length} {unit}"
    return f"{hours // _NEXT['months']} years"


_NEXT = {"days": 7 * 24, "weeks": 30 * 24, "months": 365 * 24}
"""Hours of the next longer unit: the shorter one is told up to two of it."""


def ago(when: str, now: datetime | None = None) -> str:
    """`3 weeks ago` for a moment as RFC 3339; `Never` for one that is none."""
    moment = _moment(when)
    if moment is None or moment.year < 1900:
        return "Never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"{span(-seconds)} from now"


def until(when: str, now: datetime | None = None) -> str:
    """`4 minutes from now`, `Forever`, `Stopping...` once it is past; `Never` for no moment."""
    moment = _moment(when)
    if moment is None or moment.year < 1900:
        return "Never"
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    if seconds < 0:
        return "Stopping..."
    if seconds > _FOR_EVER_YEARS * 365 * 86400:
        return "Forever"
    return f"{span(seconds)} from now"


def go_duration(nanoseconds: float) -> str:
    """`4.935s`, `130.079ms`, `1m2.5s`, as Go's programs print it."""
    if nanoseconds < 1e6:
        return f"{_short(nanoseconds / 1e3)}µs" if nanoseconds >= 1e3 else f"{nanoseconds:.0f}ns"
    if nanoseconds < 1e9:
        return f"{_short(nanoseconds / 1e6)}ms"
    minutes, seconds = divmod(nanoseconds / 1e9, 60)
    hours, minutes = divmod(int(minutes), 60)
    front = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{front}{_short(seconds)}s"


def _short(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
