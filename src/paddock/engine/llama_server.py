"""The engine that is a `llama-server` program of llama.cpp."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.environment import child_environment
from paddock.engine.flags import FlagTable
from paddock.engine.llama_cpp import LlamaCppEngine
from paddock.engine.program import Program

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed


class LlamaServer(LlamaCppEngine):
    """Runs models on a llama-server program, whatever its backend."""

    again_after: ClassVar = 2.0
    """llama-server waits for its clients on the first SIGTERM and leaves at once on the second."""

    def __init__(self, name: str, entry: EngineEntry, current: Current, state_dir: Path) -> None:
        super().__init__(name, entry, current, state_dir)
        env = child_environment(os.environ, self._config_home, entry.env)
        self.program = Program(entry.llama_server or Path("llama-server"), env, state_dir / "cache")

    async def _listed(self, *, fresh: bool) -> tuple[Listed, ...]:
        return await self.program.devices(fresh=fresh)

    async def _program(self) -> tuple[str, ...]:
        return (str(await asyncio.to_thread(self.program.path)),)

    async def _flags(self) -> FlagTable:
        return await self.program.flags()

    def _own_env(self) -> Mapping[str, str]:
        # Turns on the state channel, and makes it end with our end of its stdin.
        return {"LLAMA_SERVER_ROUTER_PORT": "paddock"}
