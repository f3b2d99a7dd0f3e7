"""What the scheduler needs of the engine room: something to start, and someone who makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol, TypeVar

from paddock.engine.buffers import Parts
from paddock.engine.placed import Placed
from paddock.errors import InstanceFailed
from paddock.library.model import Model


class Instance(Protocol):
    """A model in one child process. Made cold; started once, stopped once."""

    @property
    def id(self) -> str:
        """Never repeats while the daemon lives."""
        ...

    @property
    def model(self) -> Model:
        """What it runs."""
        ...

    @property
    def slots(self) -> int:
        """Requests it can work on at once. Known once it is ready."""
        ...

    @property
    def parts(self) -> Mapping[str, Parts]:
        """What it told of its memory while it loaded, by device; empty while it told nothing."""
        ...

    @property
    def exited(self) -> asyncio.Future[InstanceFailed | None]:
        """Done when the child is dead: how it failed, or None when it was asked to stop."""
        ...

    async def start(self) -> None:
        """Return when it is ready. Raises EngineError; cancelling ends the child."""
        ...

    async def stop(self) -> None:
        """Return when the child is gone, and never later than its own limit. Idempotent."""
        ...


InstanceT = TypeVar("InstanceT", bound=Instance)
MadeT_co = TypeVar("MadeT_co", bound=Instance, covariant=True)


class Launcher(Protocol[MadeT_co]):
    """Makes instances."""

    def new(self, model: Model, placed: Placed | None = None) -> MadeT_co:
        """A cold instance of `model`, to be put where it is `placed`; None: where it likes.

        Quick: nothing is started or read. Raises EngineError.
        """
        ...
