"""The state channel: lines in which a llama-server tells how far its load has come.

llama.cpp's router starts its children with `LLAMA_SERVER_ROUTER_PORT` in their environment, and
they report on stdout. The lines are an internal protocol of llama.cpp: what cannot be read is
passed over.
"""

from __future__ import annotations

import json
from typing import Any

PREFIX = "cmd_child_to_router:"
_STATE = PREFIX + "state:"


def is_report(line: str) -> bool:
    """Whether the line is meant for the router and not for people."""
    return line.startswith(PREFIX)


def progress_in(line: str) -> float | None:
    """How much of the load is done, 0..1 over all its stages; None when the line does not tell."""
    try:
        report = json.loads(line.removeprefix(_STATE))
        return _loaded(report["payload"]) if report["state"] == "loading" else None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def _loaded(payload: dict[str, Any]) -> float:
    stages, value = payload["stages"], float(payload["value"])
    done = stages.index(payload["current"]) + min(1.0, max(0.0, value))
    return float(done / len(stages))
