"""Small files of /proc and /sys, any of which may be missing or unreadable."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str:
    """What is in a file, without the white space around it; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n\t")
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The number in a file, or None."""
    try:
        return int(text(path))
    except ValueError:
        return None


def scaled(path: Path, unit: float) -> float | None:
    """The number in a file, divided by `unit`, or None."""
    found = number(path)
    return None if found is None else found / unit


def table(path: Path) -> dict[str, str]:
    """Lines such as `MemTotal:   1234 kB`, by their names; of equal names the first one."""
    found: dict[str, str] = {}
    for line in text(path).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found
