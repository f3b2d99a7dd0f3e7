"""Running llama.cpp's `llama-quantize`, which makes a smaller file of a model's weights."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import deque
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from paddock.engine.engine import Engine
from paddock.engine.llama_server import LlamaServer
from paddock.engine.process import Process
from paddock.engine.program import Program
from paddock.errors import EngineError, EngineMissing

NAME: Final = "llama-quantize"
TELL_SECONDS: Final = 0.25
"""Between two looks at how far it is."""
LAST_LINES: Final = 3
LINE_BYTES: Final = 4096
_TENSOR: Final = re.compile(rb"\[ *(\d+)/ *(\d+)\]")


class Quantizer:
    """The `llama-quantize` beside an engine's llama-server."""

    def __init__(self, engine: Engine) -> None:
        self._program = engine.program if isinstance(engine, LlamaServer) else None

    def tool(self) -> Path:
        """Where it is. Raises EngineMissing. Blocking."""
        found = _beside(self._program) if self._program else shutil.which(NAME)
        if found is None:
            raise EngineMissing(
                f"there is no {NAME} to quantize with",
                hint=f"put llama.cpp's {NAME} beside the engine's llama-server, or on PATH",
            )
        return Path(found)

    async def run(
        self, tool: Path, source: Path, target: Path, kind: str
    ) -> AsyncGenerator[tuple[int, int]]:
        """Write `source` as `kind` (`Q4_K_M`) to `target`; tells tensors done, and how many.

        Raises EngineError with the tool's last words. Closing the generator ends the tool; what
        is in `target` then is worth nothing.
        """
        said = _Said()
        argv = [str(tool), str(source), str(target), kind]
        env = self._program.env if self._program else {}
        process = Process.spawn(argv, env, stdout=said.hear, stderr=said.hear)
        process.release()
        try:
            while not process.ended.done():
                await asyncio.wait({process.ended}, timeout=TELL_SECONDS)
                yield said.progress
        finally:
            if not process.ended.done():
                await process.end(grace=0)
        if code := process.ended.result():
            raise EngineError(f"{NAME} failed with code {code}: {said.last()}")


class _Said:
    """What the tool prints: how far it is, and its last lines."""

    def __init__(self) -> None:
        self.progress = (0, 0)
        self._lines: deque[bytes] = deque(maxlen=LAST_LINES)
        self._rest = b""

    def hear(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LINE_BYTES:]
        for line in lines:
            if line.strip():
                self._lines.append(line.strip()[-LINE_BYTES:])
            if found := _TENSOR.search(line):
                self.progress = int(found[1]), int(found[2])

    def last(self) -> str:
        """Its last words, on one line."""
        lines = [*self._lines, self._rest.strip()]
        text = b" / ".join(line for line in lines if line).decode("utf-8", "replace")
        return "".join(c if c.isprintable() else " " for c in text) or "it said nothing"


def _beside(program: Program) -> str | None:
    server = program.path()
    folders = dict.fromkeys((server.parent, server.resolve().parent))
    beside = (shutil.which(NAME, path=str(folder)) for folder in folders)
    return next((found for found in beside if found), None) or shutil.which(
        NAME, path=program.env.get("PATH")
    )
