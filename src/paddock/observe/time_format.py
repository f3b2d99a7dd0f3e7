"""Go's named formats of times, which llama-swap's `logTimeFormat` chooses from."""

from __future__ import annotations

from datetime import datetime

FORMATS = {
    "ansic": "%a %b %e %H:%M:%S %Y",
    "unixdate": "%a %b %e %H:%M:%S %Z %Y",
    "rubydate": "%a %b %d %H:%M:%S %z %Y",
    "rfc822": "%d %b %y %H:%M %Z",
    "rfc822z": "%d %b %y %H:%M %z",
    "rfc850": "%A, %d-%b-%y %H:%M:%S %Z",
    "rfc1123": "%a, %d %b %Y %H:%M:%S %Z",
    "rfc1123z": "%a, %d %b %Y %H:%M:%S %z",
    "rfc3339": "%Y-%m-%dT%H:%M:%S{zone}",
    "rfc3339nano": "%Y-%m-%dT%H:%M:%S{fraction}{zone}",
    "kitchen": "{hour}:%M%p",
    "stamp": "%b %e %H:%M:%S",
    "stampmilli": "%b %e %H:%M:%S.{milli}",
    "stampmicro": "%b %e %H:%M:%S.{micro}",
    "stampnano": "%b %e %H:%M:%S.{micro}000",
}
"""What strftime fills in, and between braces what it does not know."""


def formatted(moment: datetime, name: str) -> str:
    """`moment`, which knows its zone, in the format of this name."""
    micro = f"{moment.microsecond:06}"
    return moment.strftime(FORMATS[name]).format(
        zone=_zone(moment),
        fraction=f".{micro}".rstrip("0").rstrip("."),
        hour=moment.hour % 12 or 12,
        milli=micro[:3],
        micro=micro,
    )


def _zone(moment: datetime) -> str:
    """`Z`, or hours and minutes as `+02:00`."""
    return moment.isoformat(timespec="seconds")[19:] if moment.utcoffset() else "Z"
