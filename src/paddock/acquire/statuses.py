"""A pull in Ollama's words, line by line."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from paddock.acquire.pull import FileState, Pull, State

PAUSE: Final = 0.06
"""Seconds between two words about the bytes, as Ollama has it."""
SHOWN_DIGITS: Final = 12
"""Of a digest, in a status."""

Status = dict[str, Any]


async def statuses(pull: Pull) -> AsyncGenerator[Status]:
    """What Ollama's clients are told of a pull, all but `success`.

    Raises what the pull failed with. Closing it changes nothing for the pull.
    """
    yield {"status": "pulling manifest"}
    told: dict[str, int] = {}
    async with aclosing(pull.watch(PAUSE)) as changes:
        async for _ in changes:
            for file in pull.files:
                if told.get(file.path) != file.completed:
                    told[file.path] = file.completed
                    yield _of_file(file)
    if pull.error is not None:
        raise pull.error
    if pull.state is State.DONE:
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        if pull.replaced:
            yield {"status": "removing unused layers"}


def _of_file(file: FileState) -> Status:
    if not file.digest:
        name = file.path.rpartition("/")[2]
        return {"status": f"pulling {name}", "total": file.total, "completed": file.completed}
    return {
        "status": f"pulling {file.digest.partition(':')[2][:SHOWN_DIGITS]}",
        "digest": file.digest,
        "total": file.total,
        "completed": file.completed,
    }
