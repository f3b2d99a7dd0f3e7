"""One daemon per state folder: a second would take the first one's children for leftovers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paddock.errors import PaddockError


class StateFolderBusy(PaddockError):
    """Another daemon uses this state folder, or it cannot be used at all."""


@contextmanager
def state_lock(state_dir: Path) -> Iterator[None]:
    """Hold the state folder, made if missing. The system lets go of it when we die, however.

    Raises StateFolderBusy.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(state_dir / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(state_dir, error) from error
    try:
        _lock(held, state_dir)
        yield
    finally:
        os.close(held)


def _lock(held: int, state_dir: Path) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(held, 20, 0).decode("ascii", "replace").strip()
        raise StateFolderBusy(
            f"a Paddock (process {holder or 'unknown'}) runs with the state folder {state_dir}",
            hint="stop it first, or give this one another folder with --state-dir",
        ) from None
    try:
        os.ftruncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise unusable(state_dir, error) from error


def unusable(state_dir: Path, error: OSError) -> StateFolderBusy:
    """What is wrong with a state folder that cannot be written to."""
    return StateFolderBusy(
        f"the state folder {state_dir} cannot be used: {error.strerror or error}",
        hint="make room in it, or set stateDir (or --state-dir) to one this user can write to",
    )
