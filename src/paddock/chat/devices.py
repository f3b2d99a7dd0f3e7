"""What to call the device of a session: "Firefox on Android"."""

from __future__ import annotations

from typing import Final

_PROGRAMS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""Marks in a User-Agent. A browser names those that it imitates too: the first one counts."""
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_LONGEST: Final = 60


def device_of(user_agent: str) -> str:
    """The words for a `User-Agent`."""
    program, system = _first(_PROGRAMS, user_agent), _first(_SYSTEMS, user_agent)
    if program and system:
        return f"{program} on {system}"
    told = "".join(filter(str.isprintable, user_agent.partition("/")[0]))[:_LONGEST]
    return program or system or told or "unknown device"


def _first(marks: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for mark, name in marks if mark in text), "")
