"""What the owner can say about which models run together, and which of them a name leads to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from paddock.config.section import Section


class Group(Section):
    """Models that share a rule about memory."""

    swap: bool = True
    """One of its models runs at a time."""
    exclusive: bool = True
    """When one of its models starts, those of other groups leave, unless theirs is persistent."""
    persistent: bool = False
    """Models of other groups do not make its models leave."""
    members: list[str] = []
    """Ids of its models. A model is in one group; the rest are in `(default)`: swap, exclusive."""


class Matrix(Section):
    """Sets of models that may run together."""

    vars: dict[str, str] = {}
    """Short names for model ids: 1 to 32 letters, digits, `.` or `-`."""
    evict_costs: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(alias="evict_costs")] = {}
    """How dear it is to make a model leave, by short name or id; 1 where nothing is said."""
    sets: dict[str, str] = {}
    """Expressions of short names with `&`, `|`, `()` and `+set`, such as `a & (b | c)`."""


class RouterSettings(Section):
    """The rules of the router, of which `use` chooses one."""

    groups: dict[str, Group] = {}
    """Groups, as at the top level."""
    matrix: Matrix | None = None
    """The matrix, as at the top level."""


class Router(Section):
    """Which models may run together."""

    use: Literal["group", "matrix"] = "group"
    """`group`: by `groups`. `matrix`: by `matrix`."""
    settings: RouterSettings = RouterSettings()
    """Its rules."""


class FifoSettings(Section):
    """Settings of the queue."""

    priority: dict[str, int] = {}
    """Model id to priority: requests for models with a higher one get room first. Default 0."""


class SchedulerSettings(Section):
    """Settings of the scheduler."""

    fifo: FifoSettings = FifoSettings()
    """Settings of the queue."""


class SchedulerEntry(Section):
    """In which order waiting requests are served."""

    use: Literal["fifo"] = "fifo"
    """The only one there is."""
    settings: SchedulerSettings = SchedulerSettings()
    """Its settings."""


class Routing(Section):
    """llama-swap's newer place for groups, matrix and priorities."""

    router: Router = Router()
    """Which models may run together."""
    scheduler: SchedulerEntry = SchedulerEntry()
    """In which order waiting requests are served."""


class SelectorSettings(Section):
    """Settings of a selector."""

    spillover: Annotated[int, Field(ge=1)] = 1
    """Requests a target serves before the next target is started."""


class Selector(Section):
    """A name that leads to one of several models, chosen for each request."""

    strategy: Literal["warm", "pin", "spillover"]
    """`warm`: the first target that is ready, else one that loads, else the first. `pin`: the
    first. `spillover`: running targets, until each has `spillover` requests; then the next."""
    targets: Annotated[list[str], Field(min_length=1, examples=[["small", "large"]])]
    """Names of models, or for `spillover` of peers' models too."""
    settings: SelectorSettings = SelectorSettings()
    """Settings of the strategy."""
    name: str = ""
    """Name to show."""
    description: str = ""
    """Text to show."""
    unlisted: bool = False
    """Leave it out of `/v1/models`; it still answers to its name."""
    metadata: dict[str, Any] = {}
    """Anything; shown with the selector in listings."""


class Profile(Section):
    """Names that lead elsewhere while this profile is switched on."""

    description: str = ""
    """Text to show."""
    pins: dict[str, str | None] = {}
    """From the name a client asks for to the one it gets; null switches the name off."""
