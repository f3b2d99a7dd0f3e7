"""Pulls on disk: what is under way when the daemon ends goes on after its next start.

A record holds what was asked for, never how it is reached: no address, no token.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from paddock.acquire.request import PullRequest
from paddock.library.durable import make_folders, replace

log = logging.getLogger(__name__)

MOST: Final = 200
"""Records that are taken up; the others stay on disk."""
_MOST_BYTES: Final = 64 << 10
_SUFFIX: Final = ".json"
_ID: Final = re.compile(r"p[1-9][0-9]{0,8}")


class Job(NamedTuple):
    """A pull that is under way."""

    id: str
    """`p` and a number."""
    request: PullRequest
    revision: str = ""
    """The commit that it was planned for; empty: not planned yet, or a registry's."""
    lasting: bool = True
    """Goes on when nobody watches."""


class JobFiles:
    """The records below one folder. Blocking; one user at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, job: Job) -> None:
        """Keep a record, or its new version. Raises OSError."""
        told = {
            "request": job.request._asdict() | {"files": list(job.request.files)},
            "revision": job.revision,
            "lasting": job.lasting,
        }
        make_folders(self._folder)
        replace(self._path(job.id), json.dumps(told).encode(), beside=self._folder)

    def remove(self, job_id: str) -> None:
        """Forget a record. Idempotent; raises OSError."""
        self._path(job_id).unlink(missing_ok=True)

    def load(self) -> list[Job]:
        """All records, the oldest first. What cannot be read is told in the log and passed by."""
        jobs = []
        for path in sorted(self._folder.glob(f"p*{_SUFFIX}"), key=lambda path: _number(path.stem)):
            try:
                jobs.append(_read(path))
            except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
                log.warning("the record of a pull, %s, is not used: %s", path, error)
        return jobs[:MOST]

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}{_SUFFIX}"


def number_of(job_id: str) -> int:
    """The number in an id."""
    return int(job_id[1:])


def _number(stem: str) -> int:
    return number_of(stem) if _ID.fullmatch(stem) else 0


def _read(path: Path) -> Job:
    """Raises OSError, and what broken JSON raises."""
    if not _ID.fullmatch(path.stem):
        raise ValueError("its name is none of ours")
    with path.open("rb") as file:
        told = json.loads(file.read(_MOST_BYTES))
    return Job(path.stem, _request(told["request"]), str(told["revision"]), bool(told["lasting"]))


def _request(told: dict[str, Any]) -> PullRequest:
    return PullRequest(
        name=str(told["name"]),
        quant=str(told["quant"]),
        all=bool(told["all"]),
        files=tuple(map(str, told["files"])),
        insecure=bool(told["insecure"]),
        ollama_first=bool(told["ollama_first"]),
        update=bool(told["update"]),
    )
