"""A request's `options`: checked as Ollama checks them, and told in llama-server's words.

What is not said is Ollama's default and no one else's, so every sampling field is always sent.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from paddock.errors import InvalidOption
from paddock.library.model import LoadOptions

log = logging.getLogger(__name__)

DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "num_keep": 4,
        "seed": -1,
        "num_predict": -1,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_last_n": 64,
        "temperature": 0.8,
        "repeat_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop": (),
    }
)
"""Options about the answer, and what they are when nobody says."""

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {"num_keep": "n_keep", "num_predict": "n_predict"}
)
"""Options that llama-server calls otherwise."""

LOADING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "num_ctx": "context",
        "num_gpu": "gpu_layers",
        "num_batch": "batch",
        "num_thread": "threads",
        "use_mmap": "mmap",
        "main_gpu": "main_gpu",
    }
)
"""Options about how a model is loaded, and their names in `LoadOptions`."""

MOST_SHOWN: Final = 20
"""Unknown options in the log."""
_LARGEST: Final = (1 << 31) - 1
"""Of a count: engines hold them in 32 bits, and more is wrapped around to less than nothing."""
_LARGEST_SEED: Final = (1 << 63) - 1

_WORDS: Final = {int: "integer", float: "float32", bool: "boolean", list: "array"}


def checked(options: Any) -> dict[str, Any]:
    """The options of a request that are known and said, with their types.

    Unknown ones are passed by, as Ollama does. Raises InvalidOption, with Ollama's text, for a
    wrong type.
    """
    from paddock.library.modelfile import PARAMETERS  # noqa: PLC0415 - not needed at the start

    if options is None:
        return {}
    if not isinstance(options, dict):
        raise InvalidOption("`options` must be an object", param="options")
    unknown = (name[:40] for name in options if name not in PARAMETERS)
    if shown := list(islice(unknown, MOST_SHOWN)):
        log.debug("options without effect: %s", ", ".join(shown))
    return {
        name: _typed(name, options[name], kind)
        for name, kind in PARAMETERS.items()
        if options.get(name) is not None
    }


def sampling(options: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """All of a child's sampling fields: the request's, else the model's PARAMETERs, else Ollama's
    defaults. Both hold only known options of the right type.
    """
    return {
        FIELDS.get(name, name): _plain(options.get(name, parameters.get(name, default)))
        for name, default in DEFAULTS.items()
    }


def own_sampling(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A child's sampling fields for the model's PARAMETERs alone."""
    return {
        FIELDS.get(name, name): _plain(value)
        for name, value in parameters.items()
        if name in DEFAULTS
    }


def loading(options: Mapping[str, Any]) -> LoadOptions:
    """What the options of a request say about how the model is loaded, as they say it: what is
    possible, and what leaves it to the engine, is known to `library/variant.py`.
    """
    told = {LOADING[name]: value for name, value in options.items() if name in LOADING}
    return LoadOptions(**told)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _typed(name: str, value: Any, kind: type) -> Any:
    if kind is list:
        return _texts(name, value)
    is_number = type(value) in {int, float}
    if kind is bool and type(value) is bool:
        return value
    if kind is int and is_number and math.isfinite(value):
        return _count(name, int(value))
    if kind is float and is_number:
        return _float(name, value)
    raise InvalidOption(f'option "{name}" must be of type {_WORDS[kind]}', param=f"options.{name}")


def _count(name: str, value: int) -> int:
    """A number that the engine can hold: the largest one stands for all that are larger."""
    if name in LOADING:
        return value  # refused where it is too much
    most = _LARGEST_SEED if name == "seed" else _LARGEST
    return max(-most, min(value, most))


def _float(name: str, value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        raise InvalidOption(
            f'option "{name}" must be of type float32', param=f"options.{name}"
        ) from None


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise InvalidOption(f'option "{name}" must be of type array', param=f"options.{name}")
    if not all(isinstance(text, str) for text in value):
        raise InvalidOption(
            f'option "{name}" must be of an array of strings', param=f"options.{name}"
        )
    return value
