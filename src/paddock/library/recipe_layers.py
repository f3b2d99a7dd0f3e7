"""What a manifest's small layers and its config say: template, system prompt, parameters, messages.

All of it comes from somewhere else: texts have a limit, and parameters of a wrong type are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from paddock.errors import InvalidManifest
from paddock.library import manifest as kinds
from paddock.library.manifest import MAX_TEXT, Manifest
from paddock.library.model import LoadOptions, Recipe, Said
from paddock.library.modelfile import PARAMETERS, ROLES
from paddock.library.store import Store
from paddock.library.variant import possible

MAX_PARAMS: Final = 256 * 1024
MAX_MESSAGES: Final = 4 * 1024 * 1024
MAX_CONFIG: Final = 1024 * 1024
"""A config lists the digests of all layers, and some list every tensor."""
MAX_STOPS: Final = 256
_MAX_NAME: Final = 100


def read_recipe(store: Store, manifest: Manifest) -> Recipe:
    """What the manifest adds to its weights. Blocking; raises InvalidManifest with the reason."""
    config = _object(store.read_blob(manifest.config.digest, MAX_CONFIG), "config")
    if config.get("remote_host"):
        raise InvalidManifest(
            "a cloud model: it runs on another machine, and its weights are there"
        )
    return Recipe(
        template=_last_text(store, manifest, kinds.TEMPLATE, kinds.PROMPT),
        system=_last_text(store, manifest, kinds.SYSTEM),
        parameters=_parameters(store, manifest),
        messages=_messages(store, manifest),
        renderer=_name(config, "renderer"),
        parser=_name(config, "parser"),
        requires=_name(config, "requires"),
    )


def load_options(parameters: Mapping[str, Any]) -> LoadOptions:
    """Those parameters that decide how a model is loaded; what leaves it to the engine is none."""

    def at_least(least: int, name: str) -> int | None:
        value = parameters.get(name)
        return value if value is not None and value >= least else None

    said = LoadOptions(
        context=at_least(1, "num_ctx"),
        gpu_layers=at_least(0, "num_gpu"),
        batch=at_least(1, "num_batch"),
        threads=at_least(1, "num_thread"),
        mmap=parameters.get("use_mmap"),
        main_gpu=at_least(0, "main_gpu"),
    )
    return possible(said)


def _last_text(store: Store, manifest: Manifest, *media_types: str) -> str:
    layers = manifest.of_type(*media_types)
    return _text(store.read_blob(layers[-1].digest, MAX_TEXT)) if layers else ""


def _parameters(store: Store, manifest: Manifest) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for layer in manifest.of_type(kinds.PARAMS):
        told = _object(store.read_blob(layer.digest, MAX_PARAMS), "params")
        said |= {
            key: read for key, value in told.items() if (read := _typed(key, value)) is not None
        }
    return said


def _typed(key: str, value: Any) -> Any:
    """The value as the parameter's type; None when it is no such parameter, or of another type."""
    kind = PARAMETERS.get(key)
    if kind is list:
        texts = [value] if isinstance(value, str) else value
        whole = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        return [_clean(text) for text in texts[:MAX_STOPS]] if whole else None
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind is None or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not -(1 << 63) < value < 1 << 63:  # infinities and what is no number, too
        return None
    return int(value) if kind is int else float(value)


def _messages(store: Store, manifest: Manifest) -> tuple[Said, ...]:
    said: list[Said] = []
    for layer in manifest.of_type(kinds.MESSAGES):
        try:
            told = json.loads(store.read_blob(layer.digest, MAX_MESSAGES))
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, list):
            raise InvalidManifest("its messages are damaged")
        said += [Said(one["role"], _clean(one["content"])) for one in told if _is_message(one)]
    return tuple(said)


def _is_message(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and told.get("role") in ROLES
        and isinstance(told.get("content"), str)
    )


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise InvalidManifest(f"its {what} is damaged")
    return told


def _name(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    return _clean(value) if isinstance(value, str) and len(value) <= _MAX_NAME else ""


def _clean(text: str) -> str:
    """The text with a mark for what JSON can escape and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
