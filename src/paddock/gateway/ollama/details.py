"""What all of Ollama's listings tell of a model, in its words: names, sizes, times, abilities."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from paddock.errors import PaddockError
from paddock.library.model import Model, Trait

FOREVER_YEARS: Final = 292
"""What Ollama adds to now for a model that never leaves: as much as an int64 of ns holds."""

_WORDS: Final = (
    ("completion", frozenset({Trait.COMPLETION, Trait.CHAT})),
    ("tools", frozenset({Trait.TOOLS})),
    ("insert", frozenset({Trait.INFILL})),
    ("vision", frozenset({Trait.VISION})),
    ("embedding", frozenset({Trait.EMBEDDING})),
    ("thinking", frozenset({Trait.THINKING})),
    ("audio", frozenset({Trait.AUDIO})),
    ("rerank", frozenset({Trait.RERANK})),
)
"""Ollama's words for traits, in its order, and one of ours."""
_MENTIONED: Final = ((".Tools", "tools"), (".Suffix", "insert"), (".Thinking", "thinking"))
"""What a Go template that uses this lets a model do."""
_PROJECTOR: Final = "clip"


def told_name(model_id: str) -> str:
    """A model's id as Ollama's clients know it: always with a tag."""
    return model_id if ":" in model_id.rpartition("/")[2] else f"{model_id}:latest"


def told_digest(model: Model) -> str:
    """64 hexadecimal digits that change with what the model is and can do."""
    return model.digest or stand_in_digest(f"{model.id} {model.fingerprint}")


def stand_in_digest(text: str) -> str:
    """A digest for what has no manifest: the same for as long as `text` is."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def details(model: Model) -> dict[str, Any]:
    """The `details` object. What no header tells is empty, or left out as Ollama does."""
    header = model.header
    family = header.architecture
    told: dict[str, Any] = {
        "parent_model": "",
        "format": "gguf" if model.path is not None else "",
        "family": family,
        "families": _families(model),
        "parameter_size": parameter_size(header.parameters) if header.parameters else "",
        "quantization_level": header.quantization,
    }
    lengths = {
        "context_length": header.context_length,
        "embedding_length": header.embedding_length,
    }
    return told | {key: number for key, number in lengths.items() if number}


NO_DETAILS: Final[Mapping[str, Any]] = {
    "parent_model": "",
    "format": "",
    "family": "",
    "families": None,
    "parameter_size": "",
    "quantization_level": "",
}
"""The details of what runs elsewhere."""


def _families(model: Model) -> list[str] | None:
    if not model.header.architecture:
        return None
    return [model.header.architecture, *([_PROJECTOR] if model.projector else ())]


def parameter_size(count: int) -> str:
    """`3.2B`, `134.52M`, `20K`: a number of parameters as Ollama prints it."""
    for size, unit, decimals in ((10**9, "B", 1), (10**6, "M", 2), (10**3, "K", 0)):
        if count >= size:
            places = decimals if count % size else 0
            return f"{count / size:.{places}f}{unit}"
    return str(count)


def capabilities(model: Model) -> list[str]:
    """What the model can do: told by its header, its projector, and the template it was given.

    A command of the owner's, of which nothing is known, completes unless the owner says otherwise.
    """
    if model.path is None:
        return _declared(model)
    words = {word for word, traits in _WORDS if model.traits & traits}
    if "completion" in words and model.recipe and model.recipe.template:
        words |= _mentioned(model.recipe.template)
    return [word for word, _ in _WORDS if word in words]


def _declared(model: Model) -> list[str]:
    can = model.settings.capabilities
    if can.reranker:
        return ["rerank"]
    words = {
        "completion": not can.outputs or "text" in can.outputs,
        "tools": can.tools,
        "vision": "image" in can.inputs,
        "audio": "audio" in can.inputs,
    }
    return [word for word, it_can in words.items() if it_can]


@lru_cache(1024)
def _mentioned(template: str) -> frozenset[str]:
    """What a Go template has a place for. One that cannot be parsed has none."""
    from paddock.gotemplate import parse  # noqa: PLC0415 - only models with a template need it

    try:
        parsed = parse(template)
    except PaddockError:
        return frozenset()
    return frozenset(word for field, word in _MENTIONED if parsed.mentions(field))


def local_time(seconds: float) -> str:
    """A wall-clock time (seconds since the epoch) as RFC 3339, in local time with its offset."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat()


def forever() -> str:
    """The time at which what never leaves is told to leave."""
    now = datetime.now().astimezone()
    return now.replace(year=now.year + FOREVER_YEARS, day=min(now.day, 28)).isoformat()
