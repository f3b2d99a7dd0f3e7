"""Asking an engine's program something that it answers and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from paddock.engine.process import Process
from paddock.errors import EngineMissing

ASK_SECONDS = 30.0
"""A program may take this long to answer: a GPU driver is slow the first time."""
ANSWER_BYTES = 1 << 20


async def ask(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What the program says, on stdout and stderr. Loop thread only.

    Raises EngineMissing when it fails or does not end; cancelling ends it.
    """
    said = bytearray()

    def hear(data: bytes) -> None:
        said.extend(data[: ANSWER_BYTES - len(said)])

    process = Process.spawn(argv, env, stdout=hear, stderr=hear)
    process.release()
    try:
        await asyncio.wait({process.ended}, timeout=ASK_SECONDS)
    finally:
        if not process.ended.done():
            await process.end(grace=0)
    text = said.decode("utf-8", "replace")
    if process.ended.result() != 0:
        last = (text.strip().splitlines() or ["nothing"])[-1]
        asked = f"{argv[0]} {argv[-1]}"
        raise EngineMissing(f"{asked} failed and said: {last}", hint="try it by hand")
    return text
