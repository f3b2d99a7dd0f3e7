"""The embedded engine: a child of our own on xllamacpp, for machines without a llama-server."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.asking import ask
from paddock.engine.devices import LIST, parse_devices
from paddock.engine.embedded_flags import SETTINGS
from paddock.engine.environment import child_environment
from paddock.engine.flags import Flag, FlagTable
from paddock.engine.llama_cpp import LlamaCppEngine
from paddock.errors import EngineMissing

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed

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


class EmbeddedEngine(LlamaCppEngine):
    """Runs models with `python -m paddock.engine.embedded`."""

    def __init__(self, name: str, entry: EngineEntry, current: Current, state_dir: Path) -> None:
        super().__init__(name, entry, current, state_dir)
        self._table = FlagTable("the embedded engine", _flags())
        self._devices: tuple[Listed, ...] | None = None

    async def _listed(self, *, fresh: bool) -> tuple[Listed, ...]:
        if fresh or self._devices is None:
            env = child_environment(os.environ, self._config_home, self._entry.env, self._own_env())
            self._devices = parse_devices(await ask([*await self._program(), LIST], env))
        return self._devices

    async def _program(self) -> tuple[str, ...]:
        check_parts()
        return (sys.executable, "-P", "-m", "paddock.engine.embedded")

    async def _flags(self) -> FlagTable:
        return self._table

    def _own_env(self) -> Mapping[str, str]:
        # The child finds what we found, however we were started.
        return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


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
