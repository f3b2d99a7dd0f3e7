"""Shows a pull on stderr while the daemon does it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import closing
from typing import Any

from paddock.cli.client import BrokenOff
from paddock.cli.progress import Progress
from paddock.cli.table import printable
from paddock.errors import PaddockError


class Left(PaddockError):
    """The daemon went away in the middle of a pull, which it will go on with."""


def watch(states: Generator[dict[str, Any]]) -> dict[str, Any]:
    """Show the states until the last, which is of a pull that is done, and give that one.

    Raises Refused with the reason of a pull that failed or was cancelled, and Left when the daemon
    is gone. On Ctrl-C it says how to come back, and raises KeyboardInterrupt: the pull goes on.
    """
    state: dict[str, Any] = {}
    try:
        with closing(states), Progress() as progress:
            for state in states:
                _show(progress, state)
    except KeyboardInterrupt:
        _tell_how_to_come_back(state)
        raise
    except BrokenOff as error:
        raise _left(state, error) from error
    return state


def _show(progress: Progress, state: dict[str, Any]) -> None:
    if note := state.get("note"):
        progress.status(printable(note))
    for file in state.get("files") or ():
        if file["total"]:
            progress.bar(printable(file["path"]), file["completed"], file["total"])
    if (name := state.get("state")) in _SAID:
        progress.status(_SAID[name])
    if state.get("state") == "done" and (names := state.get("models")):
        progress.status(printable(f"in the library as {', '.join(names)}"))


_SAID = {
    "verifying": "verifying",
    "done": "success",
}


def _tell_how_to_come_back(state: dict[str, Any]) -> None:
    if identity := printable(str(state.get("id") or "")):
        sys.stderr.write(
            f"The pull goes on: `paddock pulls --follow {identity}` shows it, "
            f"`paddock pulls cancel {identity}` ends it.\n"
        )


def _left(state: dict[str, Any], error: BrokenOff) -> PaddockError:
    if not state.get("id"):
        return error
    return Left(
        "the daemon went away; it goes on with the pull when it is back",
        hint=f"`paddock pulls --follow {state['id']}` shows how far it is",
    )
