"""The engine that is a `llama-server` program of llama.cpp."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.arguments import command_line
from paddock.engine.engine import Launch
from paddock.engine.environment import child_environment, named_values
from paddock.engine.program import Program
from paddock.library.model import Model

AGAIN_SECONDS = 2.0
"""llama-server waits for its clients on the first SIGTERM and leaves at once on the second."""


class LlamaServer:
    """Runs models on a llama-server program, whatever its backend."""

    def __init__(self, name: str, entry: EngineEntry, current: Current, state_dir: Path) -> None:
        self._name = name
        self._entry = entry
        self._current = current
        self._config_home = state_dir / "child-config"
        env = child_environment(os.environ, self._config_home, entry.env)
        self.program = Program(entry.llama_server or Path("llama-server"), env, state_dir / "cache")

    @property
    def name(self) -> str:
        """As the owner writes it in `engines:`."""
        return self._name

    async def launch(self, model: Model, *, port: int, key: str) -> Launch:
        """See `Engine.launch`."""
        line = command_line(
            model, self._current.config, await self.program.flags(), self._entry.args, port=port
        )
        env = child_environment(
            os.environ,
            self._config_home,
            self._entry.env,
            named_values(model.settings.env),
            # The second turns on the state channel, and makes it end with our end of its stdin.
            {"LLAMA_API_KEY": key, "LLAMA_SERVER_ROUTER_PORT": "paddock"},
        )
        return Launch(
            argv=(str(await asyncio.to_thread(self.program.path)), *line.words),
            env=env,
            host="127.0.0.1",
            port=port,
            key=key,
            check_path="/health",
            slots=line.slots,
            proves_key=True,
            holds_stdin=True,
            again_after=AGAIN_SECONDS,
        )
