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
_OWN = {ON_PATH: EngineEntry(llama_server=Path(ON_PATH)), EMBEDDED: EngineEntry()}


class Engines:
    """The engines of the configuration, or those this machine has.

    Each is made once, and anew when its entry has changed.
    """

    def __init__(self, current: Current, state_dir: Path) -> None:
        self._current = current
        self._state_dir = state_dir
        self._command = Command()
        self._made: dict[str, tuple[EngineEntry, Engine]] = {}

    def choose(self, model: Model) -> Engine:
        """The engine for `model`: its own, the default, the first of the list, PATH, embedded.

        Raises EngineMissing when there is none, or none with the name that is asked for.
        """
        if model.settings.cmd:
            return self._command
        return self.named(model.settings.engine or self.default())

    def named(self, name: str) -> Engine:
        """The engine with this name. Raises EngineMissing."""
        entry = self._entry(name)
        made = self._made.get(name)
        if made is None or made[0] != entry:
            self._made[name] = made = entry, self._make(name, entry)
        return made[1]

    def names(self) -> tuple[str, ...]:
        """The engines that a configuration may name."""
        return tuple(dict.fromkeys((*self._current.config.engines, ON_PATH, EMBEDDED)))

    def default(self) -> str:
        """The name of the engine for models that name none. Raises EngineMissing."""
        config = self._current.config
        if config.engine or config.engines:
            return config.engine or next(iter(config.engines))
        if shutil.which(ON_PATH):
            return ON_PATH
        if importlib.util.find_spec("xllamacpp"):
            return EMBEDDED
        raise EngineMissing(
            "this machine has no engine to run models",
            hint="pip install 'llama-paddock[embedded]', or put llama.cpp's llama-server on PATH, "
            "or set engines.<name>.llamaServer",
        )

    def _entry(self, name: str) -> EngineEntry:
        entry = self._current.config.engines.get(name) or _OWN.get(name)
        if entry is None:
            raise self._unknown(name)
        return entry

    def _make(self, name: str, entry: EngineEntry) -> Engine:
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
