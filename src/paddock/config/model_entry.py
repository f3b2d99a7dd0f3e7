"""What the owner can say about one model."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from paddock.config.section import Scalar, Seconds, Section, TtlSeconds


def _words(value: object) -> object:
    """`a, b` as a list of its words."""
    if isinstance(value, str):
        return [word for part in value.split(",") if (word := part.strip())]
    return value


Words = Annotated[
    list[str],
    BeforeValidator(_words, json_schema_input_type=str | list[str]),
    Field(examples=["temperature, top_p"]),
]
"""Words as a list, or as one text with commas between them."""


class Filters(Section):
    """Changes to the JSON body of a request before the model sees it. `model` is never touched."""

    strip_params: Words = []
    """Keys to take out, as `temperature, top_p`. A dotted key reaches into mappings."""
    set_params: dict[str, Any] = {}
    """Keys to set, whatever the client sent. A dotted key reaches into mappings."""
    set_params_by_id: Annotated[dict[str, dict[str, Any]], Field(alias="setParamsByID")] = {}
    """Keys to set when the model was asked for by this name; each name becomes an alias."""


class Timeouts(Section):
    """How long the connection to a model's server may take for each step; 0 = no limit."""

    connect: Seconds = 30
    """To connect."""
    keepalive: Seconds = 30
    """Between probes of a silent TCP connection."""
    response_header: Seconds = 0
    """From the request's end to the answer's first byte."""
    tls_handshake: Seconds = 10
    """To agree on encryption, where `proxy` is https."""
    expect_continue: Seconds = 1
    """Read, and without effect: we never ask for leave to send a body."""
    idle_conn: Seconds = 90
    """How long an unused connection is kept."""


class Capabilities(Section):
    """What a model can do, for listings, where no header tells."""

    inputs: Annotated[list[str], Field(alias="in", examples=[["text", "image"]])] = []
    """What goes in: `text`, `audio`, `image`."""
    outputs: Annotated[list[str], Field(alias="out", examples=[["text"]])] = []
    """What comes out: `text`, `audio`, `image`."""
    tools: bool = False
    """It can call tools."""
    reranker: bool = False
    """It ranks documents."""
    context: Annotated[int, Field(ge=0)] = 0
    """Tokens per request; 0 = not told."""


class Compat(Section):
    """Peculiarities of a model's server."""

    ignore_websockets: bool = False
    """A WebSocket to it does not count as a request: it keeps no slot and no model in memory."""


class ModelEntry(Section):
    """Settings of one model: a command of the owner's, or changes to a discovered model."""

    cmd: str = ""
    """Command that serves the model on `${PORT}`. Without it the id names a discovered GGUF."""
    cmd_stop: str = ""
    """Command that ends it, where SIGTERM does not; `${PID}` is its process."""
    proxy: str = "http://127.0.0.1:${PORT}"
    """Where `cmd` listens: an http or https URL, with a path if need be."""
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
    use_model_name: str = ""
    """The model's name as its server knows it, put into every request."""
    filters: Filters = Filters()
    """Changes to requests."""
    macros: dict[str, Scalar] = {}
    """Macros of this model; they win over the global ones."""
    metadata: dict[str, Any] = {}
    """Anything; shown with the model in listings."""
    capabilities: Capabilities = Capabilities()
    """What it can do, for a model that is only a `cmd`."""
    ttl: TtlSeconds | None = None
    """Seconds idle before it leaves memory; 0 = never, -1 = the default: `defaultTtl` for a
    discovered model, `globalTTL` for a `cmd`."""
    pinned: bool = False
    """Once loaded it stays when others need its memory. It still leaves when its `ttl` is over, and
    when `maxLoadedModels` is reached and all that are loaded are pinned."""
    unload_timeout: Seconds = 0
    """Seconds between asking it to end and killing it; 0: `unloadTimeout` of the top level."""
    health_check_timeout: Seconds | None = None
    """Seconds it may take to get ready. Default: `healthCheckTimeout` of the top level."""
    timeouts: Timeouts = Timeouts()
    """Limits of the connection to its server."""
    compat: Compat = Compat()
    """Peculiarities of its server."""
    send_loading_state: bool | None = None
    """Show clients that stream how far it has loaded. Default: `sendLoadingState`."""
    concurrency_limit: Annotated[int, Field(ge=0)] = 0
    """Requests served at once; the rest queue. 0: the engine's slots, or 10 for a `cmd`."""
    queue_limit: Annotated[int, Field(ge=0)] | None = None
    """Requests that may wait for it; beyond it the answer is 429. Default: `queueLimit`."""
    queue_timeout: Annotated[Seconds, Field(ge=1)] | None = None
    """Seconds a request may wait for it. Default: `queueTimeout`."""
    engine: str | None = None
    """Engine to run it on. Default: `engine`."""
    args: str = ""
    """Engine flags for a discovered model, after `defaultModelArgs`. The last wins, and outdoes a
    plan."""
    context_length: Annotated[int, Field(ge=0)] | None = None
    """Tokens per request, prompt and answer together; 0 = all the model was trained for."""
    parallel: Annotated[int, Field(ge=1, le=512)] | None = None
    """Requests the engine works on at once; each has its own `contextLength`."""
