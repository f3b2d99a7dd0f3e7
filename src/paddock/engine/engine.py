"""The contract of an engine: it says how to start a child for a model; `instance.py` does the rest.

Where a child runs is known only below this line, so a peer or a cluster can become another engine
without the scheduler knowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from paddock.config.model_entry import Timeouts
from paddock.engine.address import Address
from paddock.engine.placed import Placed
from paddock.library.model import Model

if TYPE_CHECKING:
    from paddock.hardware.listed import Listed


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one child. Made fresh for every start: the port and the key never repeat."""

    argv: tuple[str, ...]
    env: dict[str, str]
    """The child's whole environment."""
    address: Address
    key: str
    """Sent with every request as `Authorization: Bearer`; empty: nothing is sent."""
    check_path: str
    """GET until 200; empty: ready as soon as it runs."""
    slots: int
    """Requests it can work on at once: the leases the scheduler may give."""
    proves_key: bool
    """The child must refuse a wrong key and accept ours before it is trusted with a request."""
    timeouts: Timeouts
    """Limits of the connections to it."""
    owns_port: bool = True
    """The child, or what it started, must be what listens there: the port was handed to it."""
    holds_stdin: bool = False
    """The child ends when its stdin does: a second rope for the case that we are killed."""
    again_after: float = 0.0
    """Seconds after SIGTERM until a second one, which the child takes as "now"; 0: none."""


class Engine(Protocol):
    """A way to run a model."""

    @property
    def name(self) -> str:
        """As the owner writes it in `engines:`."""
        ...

    async def devices(self, *, fresh: bool = False) -> tuple[Listed, ...]:
        """The devices it can use, beside the processor. Raises EngineMissing.

        `fresh`: as they are now. See `engine/devices.py` for what their drivers tell.
        """
        ...

    async def launch(
        self, model: Model, *, port: int, key: str, placed: Placed | None = None
    ) -> Launch:
        """How to start `model` on `port` with `key`, where it is `placed`.

        Without a plan the flags say no more of the place than was asked for.

        Raises EngineMissing when the engine's program is not there, ArgumentRefused when it does
        not know a flag it would be given.
        """
        ...
