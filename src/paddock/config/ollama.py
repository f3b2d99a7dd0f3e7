"""The `ollama` section: where the models that were pulled and created are, and how they are run."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from paddock.config.section import Folder, Section
from paddock.units import parse_duration

FOR_EVER: Final = -1.0
"""A time in memory without end."""

ORIGIN: Final = r"\*|[a-z*][a-z0-9+.*-]*://([A-Za-z0-9.*-]*|\[[0-9A-Fa-f:.]+\])(:[0-9*]{1,5})?"
"""A web page's origin, in which `*` stands for any characters."""

_NEGATIVE: Final = r"-[0-9.hmsu]+"


def _keep_alive(value: object) -> float:
    if isinstance(value, str) and re.fullmatch(_NEGATIVE, value.strip()):
        return FOR_EVER
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return FOR_EVER
    if not isinstance(value, str | int | float):
        raise ValueError("expected a duration: seconds, or text like 30s, 5m or 1h30m")  # noqa: TRY004
    return parse_duration(value)


KeepAlive = Annotated[
    float,
    BeforeValidator(_keep_alive, json_schema_input_type=float | str),
    Field(examples=["5m"]),
]
"""A duration; 0 is none, and anything below it for ever (then it is `FOR_EVER`)."""

Origins = Annotated[list[str], Field(examples=[["http://chat.example.lan:8080"]])]


class OllamaSettings(Section):
    """The models that were pulled or created, which are kept as Ollama keeps them."""

    models: Folder | None = None
    """The store: a folder with `blobs` and `manifests`. One of Ollama's own is used as it is, and
    changed only if it belongs to the user who runs Paddock. Default: `ollama` in `stateDir`."""
    load_models: list[str] = []
    """Models to load when the daemon starts, and after each reload, one after the other. Those that
    are not there are pulled first."""
    keep_alive: KeepAlive = 300
    """How long a model that was loaded at the Ollama door stays in memory after its last request,
    when no request says so, nor a `ttl` of its own in `models`: a duration, 0 to leave at once, -1
    to stay."""
    engine: str | None = None
    """The engine for the store's models, by name. Default: the one of all models."""
    go_template: Literal["auto", "always", "never"] = "auto"
    """When a model has a TEMPLATE in Go's language and its GGUF one of its own: `auto` takes the
    TEMPLATE where it writes another prompt than the GGUF's does, `always` the TEMPLATE, `never` the
    GGUF's."""
    origins: Origins = []
    """Web pages that may call the Ollama door from a browser, besides `allowedOrigins` and those of
    this machine. `*` stands for any characters; alone it lets every page in."""

    @property
    def seconds_in_memory(self) -> float:
        """`keep_alive`, with `inf` for ever."""
        return math.inf if self.keep_alive < 0 else self.keep_alive


def origin_pattern(origin: str) -> re.Pattern[str]:
    """What `origin`, one of `origins`, lets in: to match with whole origins in lower case."""
    return re.compile(re.escape(origin.lower()).replace(r"\*", ".*"))
