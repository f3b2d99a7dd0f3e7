"""What the engines on llama.cpp share: llama-server's flags and routes, and its way with a key."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from paddock.config.current import Current
from paddock.config.schema import EngineEntry
from paddock.engine.address import Address
from paddock.engine.arguments import command_line
from paddock.engine.engine import Launch
from paddock.engine.environment import child_environment, named_values
from paddock.engine.flags import FlagTable
from paddock.engine.owner_flags import OwnerFlags, owner_flags
from paddock.engine.placed import Placed
from paddock.library.model import Model

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed


class LlamaCppEngine(ABC):
    """An engine whose program takes the flags of llama-server and answers as it does."""

    again_after: ClassVar = 0.0
    """See `Launch`."""

    def __init__(self, name: str, entry: EngineEntry, current: Current, state_dir: Path) -> None:
        self._name = name
        self._entry = entry
        self._current = current
        self._config_home = state_dir / "child-config"
        self._addresses: dict[str, str] = {}

    @property
    def name(self) -> str:
        """As the owner writes it in `engines:`."""
        return self._name

    async def launch(
        self, model: Model, *, port: int, key: str, placed: Placed | None = None
    ) -> Launch:
        """See `Engine.launch`."""
        program = await self._program()
        flags, config = await self._flags(), self._current.config
        line = command_line(model, config, flags, self._entry.args, port=port, placed=placed)
        env = child_environment(
            os.environ,
            self._config_home,
            self._entry.env,
            named_values(model.settings.env),
            self._own_env(),
            {"LLAMA_API_KEY": key},
        )
        return Launch(
            argv=(*program, *line.words),
            env=env,
            address=Address("127.0.0.1", port),
            key=key,
            check_path="/health",
            slots=line.slots,
            proves_key=True,
            timeouts=model.settings.timeouts,
            holds_stdin=True,
            again_after=self.again_after,
        )

    async def owner_flags(self, model: Model) -> OwnerFlags:
        """What the owner's flags for `model` say of its memory, and what its request does.

        Raises ArgumentRefused and EngineMissing as `launch` does.
        """
        await self._program()
        return owner_flags(model, self._current.config, await self._flags(), self._entry.args)

    async def devices(self, *, fresh: bool = False) -> tuple[Listed, ...]:
        """See `Engine.devices`."""
        found = await self._listed(fresh=fresh)
        return tuple(
            one._replace(pci=one.pci or self._addresses.get(one.name, "")) for one in found
        )

    def note_addresses(self, addresses: Mapping[str, str]) -> None:
        """Take what a child told while it loaded: the PCI addresses of its devices."""
        self._addresses.update(addresses)

    @abstractmethod
    async def _listed(self, *, fresh: bool) -> tuple[Listed, ...]:
        """What the program lists. Raises EngineMissing."""

    @abstractmethod
    async def _program(self) -> tuple[str, ...]:
        """The words before the flags. Raises EngineMissing."""

    @abstractmethod
    async def _flags(self) -> FlagTable:
        """The flags it knows. Raises EngineMissing."""

    @abstractmethod
    def _own_env(self) -> Mapping[str, str]:
        """Variables that its children need."""
