"""The owner's configuration as types: every key, its default, its unit and what it is for.

A superset of llama-swap's `config.yaml`. Keys are camelCase in YAML and snake_case here. Unknown
keys are errors. Durations are seconds, or text like `5m`. The JSON schema (`paddock config schema`)
and `docs/reference/config.md` are made from this file and the ones beside it: the text below a
field is its documentation (`config/described.py` reads it), its example is shown in errors.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, PrivateAttr, SecretStr

from paddock.config.chat import Chat
from paddock.config.gpus import Reservations
from paddock.config.masking import Masking, secrets_among, secrets_in
from paddock.config.model_entry import ModelEntry
from paddock.config.ollama import OllamaSettings
from paddock.config.origins import Origins
from paddock.config.peers import Peer
from paddock.config.pulls import Pulls
from paddock.config.routing import Group, Matrix, Profile, Routing, Selector
from paddock.config.section import (
    File,
    Folder,
    Folders,
    LogLevel,
    Port,
    Program,
    Scalar,
    Seconds,
    Section,
)


class EngineEntry(Section):
    """A way to run models. Without `llamaServer` it is the embedded engine."""

    llama_server: Program | None = None
    """The llama-server program: a path, or a name to look up on PATH."""
    env: dict[str, str] = {}
    """Environment variables for this engine's children, such as GGML_VK_VISIBLE_DEVICES."""
    args: str = ""
    """Flags for every child of this engine, before the model's own."""


class Tls(Section):
    """A door's certificate."""

    cert: File
    """PEM file with the certificate and those that vouch for it."""
    key: File
    """PEM file with its private key."""


class Door(Section):
    """A listening port."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port
    """TCP port; 0 takes a free one."""
    tls: Tls | None = None
    """Speak HTTPS with this certificate."""


class ModelDoor(Door):
    """A door for programs, where models are asked."""

    host: str = "127.0.0.1"
    """Address to listen on. Other than loopback needs `apiKeys`, or another `auth`."""
    auth: Literal["keys", "accounts", "none"] = "keys"
    """`keys`: ask for one of `apiKeys`, or a key of an account, where there are any `apiKeys`.
    `accounts`: always ask for one of these. `none`: open to all who reach it."""


class OpenAiDoor(ModelDoor):
    """The OpenAI door."""

    port: Port = 8090
    """TCP port; 0 takes a free one."""


class OllamaDoor(ModelDoor):
    """The Ollama door."""

    port: Port = 11434
    """TCP port; 0 takes a free one."""


class ChatDoor(Door):
    """The web chat. Who comes in there has an account."""

    port: Port = 3001
    """TCP port; 0 takes a free one."""


class Listen(Section):
    """Which doors are open, and where. null switches a door off."""

    openai: OpenAiDoor | None = OpenAiDoor()
    """The OpenAI API, Anthropic's Messages and llama-swap's endpoints."""
    ollama: OllamaDoor | None = OllamaDoor()
    """Ollama's API. As long as nothing is said about it here, it stays closed, with a warning,
    where its port is taken, and takes a free port where the OpenAI door does."""
    chat: ChatDoor | None = ChatDoor()
    """The web chat. As long as nothing is said about it here, it gives way as Ollama's does."""

    def is_said(self, door: str) -> bool:
        """Whether the owner wrote something about this door: then it must open."""
        return door in self.model_fields_set


class OnStartup(Section):
    """What happens when the daemon starts, and after each reload."""

    preload: list[str] = []
    """Models to load, one after the other."""


class Hooks(Section):
    """What is done when something happens."""

    on_startup: Annotated[OnStartup, Field(alias="on_startup")] = OnStartup()
    """When the daemon starts, and after each reload."""


class Store(Section):
    """Where the list of past requests is kept."""

    path: File | None = None
    """SQLite file; without it they are kept in memory and end with the daemon."""


class ActivityUi(Section):
    """What is shown about requests."""

    session_id: Annotated[list[str], Field(alias="session_id")] = [
        "X-Session-ID",
        "X-Litellm-Session-Id",
    ]
    """Headers of which the first that is there names the client's session; [] for none."""


class Ui(Section):
    """What is shown."""

    activity: ActivityUi = ActivityUi()
    """About requests."""


class Performance(Section):
    """Looking at the machine from time to time."""

    disabled: bool = False
    """Do not look."""
    every: Annotated[Seconds, Field(ge=1)] = 5
    """Seconds between two looks; an hour of them is kept."""


class Upstream(Section):
    """Rules for `/upstream/{model}/{path}`."""

    ignore_paths: list[str] = [
        r"(?i)\.(css|js|mjs|map|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|otf|txt|webmanifest)$"
    ]
    """Regular expressions: a path that one of them finds never starts a model. Clients choose the
    paths, so they meet only those of up to 1024 characters; one that repeats repetitions, as in
    `(a+)+$`, can still hold up the whole daemon."""


class Config(Section):
    """Everything the owner can say."""

    # Its parts are built with it, and it when it is imported: that is when the start is hastened.
    model_config = ConfigDict(defer_build=False)

    models_dir: Folders = []
    """Folder, or list of folders, watched with all below; every GGUF in it is a model."""
    state_dir: Folder = Path()
    """Where Paddock keeps what it must remember. Default: $STATE_DIRECTORY, else the XDG folder."""
    presets: list[File] = []
    """llama-server's `models.ini` files; each section becomes an entry of `models`."""
    default_model_args: str = "--no-webui"
    """Engine flags for discovered models. Placement comes from the plan unless given here."""
    default_ttl: Seconds = 300
    """Seconds idle before a discovered model leaves memory; 0 = never."""
    global_ttl: Annotated[Seconds, Field(alias="globalTTL")] = 0
    """Seconds idle before a model with a `cmd` leaves memory; 0 = never."""
    health_check_timeout: Annotated[Seconds, Field(ge=1)] = 120
    """Seconds a model may take to get ready, counted anew whenever it tells progress."""
    unload_timeout: Annotated[Seconds, Field(ge=0.1)] = 10
    """Seconds between asking a child to end and killing it."""
    context_length: Annotated[int, Field(ge=0)] = 8192
    """Tokens per request unless a model says otherwise; never more than it was trained for."""
    parallel: Annotated[int, Field(ge=1, le=512)] = 2
    """Requests that one model works on at once unless it says otherwise."""
    max_loaded_models: Annotated[int, Field(ge=1)] | None = None
    """Models in memory at once. Default: as many as fit, and a command alone."""
    max_queue: Annotated[int, Field(ge=1)] = 512
    """Requests that may wait at once; beyond it the answer is 503."""
    queue_limit: Annotated[int, Field(ge=0)] | None = None
    """Requests that may wait for one model; beyond it the answer is 429. Default: `maxQueue`."""
    queue_timeout: Annotated[Seconds, Field(ge=1)] = 600
    """Seconds a request may wait for its model before the answer is 503."""
    max_overtake: Seconds = 15
    """Seconds that requests for a loaded model may go before older ones that need another model."""
    min_residency: Seconds = 10
    """Seconds a model that was swapped out and came back within a minute may stay at least, so that
    two clients of two models do not swap at every request; 0 = none."""
    drain_timeout: Seconds = 30
    """Seconds that running requests get to end before a stop or an unload cuts them."""
    stall_timeout: Annotated[Seconds, Field(ge=1)] = 60
    """Seconds a client may read nothing of its answer before it is dropped and its slot freed."""
    rescan_interval: Annotated[Seconds, Field(ge=1)] = 30
    """Seconds between full looks at the models folders (network file systems tell no changes)."""
    watch_config: bool = True
    """Take in changes of the configuration file as soon as it is saved."""
    log_level: LogLevel = "info"
    """How much the daemon says on stderr."""
    log_time_format: str = ""
    """Time in front of each log line: `rfc3339`, `kitchen`, `stampmilli`, … Default: none."""
    log_to_stdout: Literal["proxy", "upstream", "both", "none"] = "proxy"
    """Whose lines are written to stderr: the daemon's, those of the models' servers, or both."""
    log_requests: bool = False
    """Read, and without effect: `/api/metrics/activity` has every request."""
    start_port: Annotated[int, Field(ge=1024, le=65000)] = 5800
    """First port for the `${PORT}` of a `cmd`."""
    send_loading_state: bool = False
    """Show clients that stream how far their model has loaded."""
    include_aliases_in_list: bool = False
    """List aliases as models of their own."""
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
    macros: dict[str, Scalar] = {}
    """Texts to use as `${name}` in models and peers; a later one may use those before it."""
    models: dict[str, ModelEntry] = {}
    """Settings by model id."""
    groups: dict[str, Group] = {}
    """Which models run together, by group."""
    matrix: Matrix | None = None
    """Which models run together, as sets; instead of `groups`."""
    routing: Routing = Routing()
    """llama-swap's newer place for `groups`, `matrix` and priorities."""
    profiles: dict[str, Profile] = {}
    """Sets of names that can be switched on at run time. None is on after a start or a reload."""
    selectors: dict[str, Selector] = {}
    """Names that lead to one of several models."""
    peers: dict[str, Peer] = {}
    """Other servers whose models are offered here too, as `peer/model`."""
    hooks: Hooks = Hooks()
    """What is done when something happens."""
    store: Store = Store()
    """Where the list of past requests is kept."""
    metrics_max_in_memory: Annotated[int, Field(ge=1)] = 1000
    """Past requests that are remembered."""
    capture_buffer: Annotated[int, Field(ge=0)] = 5
    """Megabytes of requests and answers that are kept in memory to look at; 0 = none."""
    ui: Ui = Ui()
    """What is shown."""
    performance: Performance = Performance()
    """Looking at the machine from time to time."""
    upstream: Upstream = Upstream()
    """Rules for `/upstream/{model}/{path}`."""
    ollama: OllamaSettings = OllamaSettings()
    """Models that were pulled or created, and what is peculiar to the Ollama door."""
    chat: Chat = Chat()
    """The web chat. What is not written here, an admin may set in the chat."""
    gpus: Annotated[
        dict[str, Reservations],
        Field(examples=[{"Vulkan1": {"reserve": "4GiB"}}]),
    ] = {}
    """What models may not use of a GPU, always or by the clock: by the engine's name for it, its
    PCI address, or a part of its description that no other has. One rule, or a list of them."""
    pulls: Pulls = Pulls()
    """How models are brought in."""
    registries: Annotated[list[str], Field(examples=[["http://127.0.0.1:5000"]])] = []
    """Origins that models may be pulled from and pushed to, besides Hugging Face and Ollama's
    registry: `scheme://host:port`. One that is listed may have a private address and speak plain
    http."""
    registry_mirror: Annotated[str, Field(examples=["https://mirror.example.lan"])] = ""
    """An origin that is asked instead of Ollama's registry, `https://registry.ollama.ai`."""

    _from_environment: frozenset[str] = PrivateAttr(default=frozenset())
    _origins: Origins = PrivateAttr(default=Origins())

    def written_in(self, origins: Origins) -> None:
        """Remember what says which key."""
        self._origins = origins

    def origin(self, key: str) -> str:
        """What says a key of `chat`, such as `chat.title`; empty: nobody, and its default holds."""
        return self._origins.named.get(key, "")

    def hide(self, secrets: frozenset[str]) -> None:
        """These texts came from the environment, and are not shown. Call it before `masking`."""
        self._from_environment = secrets

    @cached_property
    def masking(self) -> Masking:
        """Hides variables and macros whose names sound secret, and keys in commands."""
        macros = [self.macros, *(model.macros for model in self.models.values())]
        commands = [self.default_model_args, *(engine.args for engine in self.engines.values())]
        commands += [
            text for one in self.models.values() for text in (one.cmd, one.cmd_stop, one.args)
        ]
        found = (*map(secrets_among, macros), *map(secrets_in, commands), self.chat.secrets)
        return Masking(self._from_environment.union(*found))

    @property
    def store_dir(self) -> Path:
        """Where pulled and created models are kept, in Ollama's layout."""
        return self.ollama.models or self.state_dir / "ollama"

    @property
    def group_rules(self) -> dict[str, Group]:
        """The groups in force, wherever they were written; none where the matrix rules."""
        return {} if self.matrix_rules else self.routing.router.settings.groups or self.groups

    @property
    def matrix_rules(self) -> Matrix | None:
        """The matrix in force, wherever it was written."""
        if self.matrix is not None:
            return self.matrix
        router = self.routing.router
        return router.settings.matrix if router.use == "matrix" else None

    @property
    def priorities(self) -> dict[str, int]:
        """Model id to priority in the queue; higher goes first."""
        return self.routing.scheduler.settings.fifo.priority
