"""The owner's configuration as types: every key, its default, its unit and what it is for.

Keys are camelCase in YAML and snake_case here. Unknown keys are errors. Durations are seconds, or
text like `5m`. The JSON schema (`paddock config schema`) and `docs/reference/config.md` are made
from this file: the text below a field is its documentation (`config/described.py` reads it), its
example is shown in errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from paddock.units import parse_duration


def _duration(value: object) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("expected a duration: seconds, or text like 30s, 5m or 1h30m")  # noqa: TRY004
    return parse_duration(value)


def _list_of_one(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


def _resolved(path: Path, info: ValidationInfo) -> Path:
    """`~` and relative paths made absolute, when the caller says what they are relative to."""
    text, places = str(path), info.context or {}
    if "\0" in text:
        raise ValueError("a path cannot hold a NUL character")
    if text == "~" or text.startswith("~/"):
        return Path(places.get("home", Path.home()), *path.parts[1:])
    return Path(places.get("folder", ""), path)


def _resolved_program(path: Path, info: ValidationInfo) -> Path:
    """Like a folder, but a bare name is looked up on PATH later."""
    return path if len(path.parts) == 1 and str(path) != "~" else _resolved(path, info)


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("expected a path, but it is empty")
    return value


Seconds = Annotated[
    float,
    BeforeValidator(_duration, json_schema_input_type=float | str),
    Field(examples=["5m"]),
]
"""A duration: seconds, or text like `30s`, `5m`, `1h30m`."""

Port = Annotated[int, Field(ge=0, le=65535, examples=[8090])]

Folder = Annotated[
    Path,
    BeforeValidator(_not_empty, json_schema_input_type=Path),
    AfterValidator(_resolved),
    Field(examples=["/models"]),
]
"""A folder: absolute, `~/...`, or relative to the config file's folder."""

Folders = Annotated[
    list[Folder],
    BeforeValidator(_list_of_one, json_schema_input_type=Folder | list[Folder]),
    Field(examples=["/models"]),
]

Program = Annotated[
    Path,
    BeforeValidator(_not_empty, json_schema_input_type=Path),
    AfterValidator(_resolved_program),
    Field(examples=["/usr/bin/llama-server"]),
]
"""A program: a name to look up on PATH, or a path as for a folder."""


def _takes_null(field: FieldInfo) -> bool:
    return field.default is not None and type(None) in get_args(field.annotation)


LogLevel = Literal["debug", "info", "warn", "error"]


class Section(BaseModel):
    """A mapping in the file: camelCase keys, nothing unknown, immutable once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, values: Any) -> Any:
        """A key with nothing after it says nothing, except where null has a meaning of its own."""
        if not isinstance(values, dict):
            return {} if values is None else values
        fields = {field.alias: field for field in cls.model_fields.values()}
        return {
            key: value
            for key, value in values.items()
            if value is not None or key not in fields or _takes_null(fields[key])
        }


class EngineEntry(Section):
    """A way to run models. Without `llamaServer` it is the embedded engine."""

    llama_server: Program | None = None
    """The llama-server program: a path, or a name to look up on PATH."""
    env: dict[str, str] = {}
    """Environment variables for this engine's children, such as GGML_VK_VISIBLE_DEVICES."""
    args: str = ""
    """Flags for every child of this engine, before the model's own."""


class Door(Section):
    """A listening port."""

    host: str = "127.0.0.1"
    """Address to listen on. Other than loopback needs `apiKeys`, or `auth: none`."""
    port: Port
    """TCP port; 0 takes a free one."""
    auth: Literal["keys", "none"] = "keys"
    """`keys`: ask for one of `apiKeys` where there are any. `none`: open to all who reach it."""


class OpenAiDoor(Door):
    """The OpenAI door."""

    port: Port = 8090
    """TCP port; 0 takes a free one."""


class Listen(Section):
    """Which doors are open, and where. null switches a door off."""

    openai: OpenAiDoor | None = OpenAiDoor()
    """The OpenAI API, Anthropic's Messages and llama-swap's endpoints."""


class ModelEntry(Section):
    """Settings of one model: a command of the owner's, or changes to a discovered model."""

    cmd: str = ""
    """Command that serves the model on `${PORT}`. Without it the id names a discovered GGUF."""
    proxy: str = "http://127.0.0.1:${PORT}"
    """Where `cmd` listens: loopback, plain HTTP."""
    check_endpoint: str = "/health"
    """Path that answers 200 once `cmd` is ready; `none`: ready as soon as it runs."""
    env: list[str] = []
    """Environment for the child, as NAME=value."""
    name: str = ""
    """Name to show."""
    description: str = ""
    """Text to show."""
    aliases: list[str] = []
    """Other names for the model."""
    unlisted: bool = False
    """Leave it out of `/v1/models`; it still answers to its name."""
    ttl: Seconds | None = None
    """Seconds idle before it leaves memory; 0 = never. Default: `defaultTtl`."""
    health_check_timeout: Seconds | None = None
    """Seconds it may take to get ready. Default: `healthCheckTimeout`."""
    concurrency_limit: Annotated[int, Field(ge=0)] = 0
    """Requests served at once; the rest queue. 0: the engine's slots, or 10 for a `cmd`."""
    engine: str | None = None
    """Engine to run it on. Default: `engine`."""
    args: str = ""
    """Engine flags for a discovered model, after `defaultModelArgs`; the last one given wins."""
    context_length: Annotated[int, Field(ge=0)] | None = None
    """Tokens per request, prompt and answer together; 0 = all the model was trained for."""
    parallel: Annotated[int, Field(ge=1, le=512)] | None = None
    """Requests the engine works on at once; each has its own `contextLength`."""


class Config(Section):
    """Everything the owner can say."""

    models_dir: Folders = []
    """Folder, or list of folders, watched with all below; every GGUF in it is a model."""
    state_dir: Folder = Path()
    """Where Paddock keeps what it must remember. Default: $STATE_DIRECTORY, else the XDG folder."""
    default_model_args: str = "--no-webui"
    """Engine flags for discovered models. Placement is the engine's choice unless given here."""
    default_ttl: Seconds = 300
    """Seconds idle before a discovered model leaves memory; 0 = never."""
    health_check_timeout: Annotated[Seconds, Field(ge=1)] = 120
    """Seconds a model may take to get ready."""
    context_length: Annotated[int, Field(ge=0)] = 8192
    """Tokens per request unless a model says otherwise; never more than it was trained for."""
    parallel: Annotated[int, Field(ge=1, le=512)] = 2
    """Requests that one model works on at once unless it says otherwise."""
    max_loaded_models: Annotated[int, Field(ge=1)] = 1
    """Models in memory at once."""
    max_queue: Annotated[int, Field(ge=1)] = 512
    """Requests that may wait at once; beyond it the answer is 503."""
    queue_timeout: Annotated[Seconds, Field(ge=1)] = 600
    """Seconds a request may wait for its model before the answer is 503."""
    max_overtake: Seconds = 15
    """Seconds that requests for a loaded model may go before older ones that need another model."""
    drain_timeout: Seconds = 30
    """Seconds that running requests get to end before a stop or an unload cuts them."""
    stop_timeout: Annotated[Seconds, Field(ge=0.1)] = 5
    """Seconds between asking a child to end and killing it."""
    stall_timeout: Annotated[Seconds, Field(ge=1)] = 60
    """Seconds a client may read nothing of its answer before it is dropped and its slot freed."""
    rescan_interval: Annotated[Seconds, Field(ge=1)] = 30
    """Seconds between full looks at the models folders (network file systems tell no changes)."""
    log_level: LogLevel = "info"
    """How much the daemon says on stderr."""
    engines: dict[str, EngineEntry] = {}
    """Named engines, besides `llama-server` (the one on PATH) and `embedded`."""
    engine: str | None = None
    """Default engine, by name. Default: the first of `engines`; without any, llama-server on PATH,
    else the embedded engine."""
    listen: Listen = Listen()
    """Which doors are open, and where."""
    api_keys: list[SecretStr] = []
    """Keys that open the doors: `Authorization: Bearer`, Basic password, or `x-api-key`."""
    allowed_hosts: list[str] = []
    """Names under which this machine may be called, besides its own; `*.example.lan` works."""
    allowed_origins: list[str] = []
    """Web pages, as `https://host:port`, that may call the doors from a browser."""
    models: dict[str, ModelEntry] = {}
    """Settings by model id."""
