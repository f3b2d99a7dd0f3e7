"""The embedded engine: a child of our own on xllamacpp, for machines without a llama-server."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.arguments import command_line
from paddock.engine.embedded_flags import SETTINGS
from paddock.engine.engine import Launch
from paddock.engine.environment import child_environment, named_values
from paddock.engine.flags import Flag, FlagTable
from paddock.errors import EngineMissing
from paddock.library.model import Model

OPENMP = "libgomp.so.1"
"""The one system library that the wheel needs and a small Linux may not have."""


def check_parts() -> None:
    """Raises EngineMissing when the embedded engine cannot run on this machine."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise EngineMissing(
            "the embedded engine is not installed",
            hint="pip install 'llama-paddock[embedded]'",
        )
    if not sys.platform.startswith("linux"):
        return
    try:
        ctypes.CDLL(OPENMP)
    except OSError:
        raise EngineMissing(
            f"the embedded engine needs the system library {OPENMP}",
            hint="install it, on Debian and Ubuntu with: sudo apt install libgomp1",
        ) from None


class EmbeddedEngine:
    """Runs models with `python -m paddock.engine.embedded`."""

    def __init__(self, name: str, entry: EngineEntry, current: Current, state_dir: Path) -> None:
        self._name = name
        self._entry = entry
        self._current = current
        self._config_home = state_dir / "child-config"
        self._flags = FlagTable("the embedded engine", _flags())

    @property
    def name(self) -> str:
        """As the owner writes it in `engines:`."""
        return self._name

    async def launch(self, model: Model, *, port: int, key: str) -> Launch:
        """See `Engine.launch`."""
        check_parts()
        line = command_line(model, self._current.config, self._flags, self._entry.args, port=port)
        env = child_environment(
            os.environ,
            self._config_home,
            # The child finds what we found, however we were started.
            {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            self._entry.env,
            named_values(model.settings.env),
            {"LLAMA_API_KEY": key},
        )
        return Launch(
            argv=(sys.executable, "-P", "-m", "paddock.engine.embedded", *line.words),
            env=env,
            host="127.0.0.1",
            port=port,
            key=key,
            check_path="/health",
            slots=line.slots,
            proves_key=True,
            holds_stdin=True,
        )


def _flags() -> list[Flag]:
    """The flags as a program's help would list them: a switch and its twin are one flag."""
    grouped: dict[str, list[str]] = {}
    arity = {}
    for number, setting in enumerate(SETTINGS):
        switch = isinstance(setting.constant, bool)
        group = setting.attribute if switch else f"{setting.attribute} {number}"
        grouped.setdefault(group, []).extend(setting.names)
        arity[group] = 0 if setting.convert is None else 1
    return [Flag(tuple(names), arity[group]) for group, names in grouped.items()]
