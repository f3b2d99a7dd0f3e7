"""The paths of getting models, and of giving their room back. Light: what answers them is imported
when one is first asked for."""

from __future__ import annotations

from typing import Final

PULLS: Final = "/api/paddock/pulls"

LATER: Final = (
    ("POST", PULLS),
    ("GET", PULLS),
    ("GET", f"{PULLS}/*"),
    ("DELETE", f"{PULLS}/*"),
    ("GET", "/api/paddock/quants"),
    ("GET", "/api/paddock/search"),
    ("POST", "/api/paddock/remove"),
    ("GET", "/api/paddock/usage"),
    ("POST", "/api/paddock/usage/clean"),
    ("POST", "/models"),
    ("DELETE", "/models"),
)
"""Method and path; `/*` ends a prefix."""
