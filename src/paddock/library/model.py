"""What a model is: one GGUF with its shards, projector and settings, or the owner's own command.

Everything here is immutable and small: a thousand of these live in memory for as long as the daemon
does. What is large (the tensor table, the chat template) is read again from the file when it is
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from paddock.config.model_entry import ModelEntry


class Trait(StrEnum):
    """Something a model can do, as its header tells."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    VISION = "vision"
    AUDIO = "audio"
    TOOLS = "tools"
    THINKING = "thinking"
    INFILL = "infill"


@dataclass(frozen=True, slots=True)
class HeaderSummary:
    """The part of a GGUF header that is kept in memory and in the cache. 0 or "" = not told."""

    architecture: str = ""
    name: str = ""
    size_label: str = ""
    """As the file says: `8B`, `270M`, `8x7B`."""
    quantization: str = ""
    """As people write it: `Q4_K_M`, `F16`, `MXFP4`."""
    parameters: int = 0
    context_length: int = 0
    """Trained context in tokens."""
    block_count: int = 0
    embedding_length: int = 0
    head_counts: tuple[int, ...] = ()
    """Attention heads; one number, or one per layer."""
    kv_head_counts: tuple[int, ...] = ()
    key_length: int = 0
    value_length: int = 0
    sliding_window: int = 0
    mla_ranks: tuple[int, int] = (0, 0)
    """Query and key/value LoRA ranks of multi-head latent attention."""
    recurrent_state: tuple[int, int, int, int] = (0, 0, 0, 0)
    """ssm.conv_kernel, ssm.inner_size, ssm.state_size, ssm.group_count."""
    expert_count: int = 0
    expert_used_count: int = 0
    vocabulary: int = 0
    pooling: int = -1
    """llama.cpp's pooling type: 0 none, 1 mean, 2 cls, 3 last, 4 rank; -1 = not told."""
    has_chat_template: bool = False
    tensor_bytes: int = 0
    split_count: int = 0
    """Number of shards that belong together; 0 or 1 for a single file."""


class Said(NamedTuple):
    """A message of a model's own: what a MESSAGE of its Modelfile put before every conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


class Recipe(NamedTuple):
    """What a model of the store adds to its weights, as its Modelfile said."""

    template: str = ""
    """TEMPLATE, in Go's template language; "": only the GGUF's own."""
    system: str = ""
    parameters: Mapping[str, Any] = MappingProxyType({})
    """PARAMETER by name: numbers, booleans and texts, and for `stop` a list of texts."""
    messages: tuple[Said, ...] = ()
    renderer: str = ""
    """Names of Ollama's built-in renderer and parser: told again, and otherwise without use."""
    parser: str = ""
    requires: str = ""


class LoadOptions(NamedTuple):
    """What a request or a PARAMETER says about how a model is loaded. None: not said."""

    context: int | None = None
    """Tokens per request (`num_ctx`)."""
    gpu_layers: int | None = None
    """`num_gpu`; below 0 is not said."""
    batch: int | None = None
    """`num_batch`."""
    threads: int | None = None
    """`num_thread`."""
    mmap: bool | None = None
    """`use_mmap`."""
    main_gpu: int | None = None


NOT_SAID: Final = LoadOptions()


@dataclass(frozen=True, slots=True)
class Model:
    """Something that can be asked for by name. On disk, not in memory.

    `path` is None for a model that is only the owner's command (`settings.cmd`).
    """

    id: str
    path: Path | None = None
    """The GGUF, or its first shard."""
    shards: tuple[Path, ...] = ()
    """All files of the weights in order, `path` first; empty for a command."""
    projector: Path | None = None
    header: HeaderSummary = field(default_factory=HeaderSummary)
    traits: frozenset[Trait] = frozenset()
    size: int = 0
    """Bytes of all shards."""
    modified: float = 0.0
    """Wall-clock seconds since the epoch: the newest file's mtime."""
    fingerprint: str = ""
    """Changes when a running child of the model is out of date: see `library/fingerprint.py`."""
    aliases: tuple[str, ...] = ()
    settings: ModelEntry = field(default_factory=ModelEntry)
    recipe: Recipe | None = None
    """Set for a model of the store."""
    adapters: tuple[Path, ...] = ()
    """LoRA adapters, each with full weight."""
    options: LoadOptions = NOT_SAID
    """How it is to be loaded, beyond `settings`: its PARAMETERs, or what a request asked for."""
    origin: str = ""
    """Of a variant made for a request: the fingerprint of the model it was made of."""
    digest: str = ""
    """64 hexadecimal digits that change with what the model is: of the store's manifest, else of
    what its files look like."""
    twin: str = ""
    """The id of the model whose instance serves this one too: same files, loaded in the same way.
    Empty: its own instance."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not a model, and the reason to show."""

    path: Path
    reason: str
