"""Which engine runs a model."""

from __future__ import annotations

import difflib
import importlib.util
import shutil
from pathlib import Path

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.command import Command
from paddock.engine.embedded_engine import EmbeddedEngine
from paddock.engine.engine import Engine
from paddock.engine.llama_server import LlamaServer
from paddock.errors import EngineMissing
from paddock.library.model import Model

ON_PATH = "llama-server"
EMBEDDED = "embedded"


class Engines:
    """The engines of the configuration, or those this machine has. Each is made once."""

    def __init__(self, current: Current, state_dir: Path) -> None:
        self._current = current
        self._state_dir = state_dir
        self._command = Command(state_dir)
        self._made: dict[str, Engine] = {}

    def choose(self, model: Model) -> Engine:
        """The engine for `model`: its own, the default, the first of the list, PATH, embedded.

        Raises EngineMissing when there is none, or none with the name that is asked for.
        """
        if model.settings.cmd:
            return self._command
        return self.named(model.settings.engine or self._current.config.engine or self._default())

    def named(self, name: str) -> Engine:
        """The engine with this name. Raises EngineMissing."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def names(self) -> tuple[str, ...]:
        """The engines that a configuration may name."""
        return tuple(dict.fromkeys((*self._current.config.engines, ON_PATH, EMBEDDED)))

    def _default(self) -> str:
        if self._current.config.engines:
            return next(iter(self._current.config.engines))
        if shutil.which(ON_PATH):
            return ON_PATH
        if importlib.util.find_spec("xllamacpp"):
            return EMBEDDED
        raise EngineMissing(
            "this machine has no engine to run models",
            hint="pip install 'llama-paddock[embedded]', or put llama.cpp's llama-server on PATH, "
            "or set engines.<name>.llamaServer",
        )

    def _make(self, name: str) -> Engine:
        entry = self._current.config.engines.get(name)
        if entry is None and name == ON_PATH:
            entry = EngineEntry(llama_server=Path(ON_PATH))
        if entry is None and name == EMBEDDED:
            entry = EngineEntry()
        if entry is None:
            raise self._unknown(name)
        if entry.llama_server:
            return LlamaServer(name, entry, self._current, self._state_dir)
        return EmbeddedEngine(name, entry, self._current, self._state_dir)

    def _unknown(self, name: str) -> EngineMissing:
        nearest = difflib.get_close_matches(name, self.names(), n=1)
        offer = f"; did you mean {nearest[0]!r}?" if nearest else ""
        return EngineMissing(
            f"there is no engine {name!r}{offer}",
            hint=f"the engines are: {', '.join(self.names())}",
        )
