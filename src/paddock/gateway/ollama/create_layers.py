"""From what a model is made of to its manifest: layers kept, replaced and added. Blocking, no I/O
but the store's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from paddock.errors import InvalidManifest
from paddock.gateway.body import dump_json
from paddock.gateway.ollama.create_request import Wanted
from paddock.gateway.ollama.details import parameter_size
from paddock.library import manifest as kinds
from paddock.library.manifest import Layer, Manifest
from paddock.library.model import HeaderSummary
from paddock.library.store import Store

LARGEST_TEXT: Final = 4 << 20
"""Bytes of a layer that is a text: a template, a license, parameters."""


class Base(NamedTuple):
    """What a model is made from."""

    layers: tuple[Layer, ...]
    config: Mapping[str, Any]


class Made(NamedTuple):
    """A manifest whose blobs are all there."""

    manifest: Manifest
    statuses: tuple[str, ...]
    """What happened to each layer, in words."""


def base_of(store: Store, manifest: Manifest) -> Base:
    """A model of the store as a base. A config that cannot be read tells nothing."""
    config: Any = {}
    with suppress(InvalidManifest, ValueError, RecursionError):
        config = json.loads(store.read_blob(manifest.config.digest, LARGEST_TEXT))
    return Base(manifest.layers, config if isinstance(config, dict) else {})


def config_of(header: HeaderSummary, *, sees: bool) -> dict[str, Any]:
    """The store's config of a model with this header."""
    family = header.architecture
    told = {
        "model_format": "gguf",
        "model_family": family,
        "model_families": [family, *(["clip"] if sees else ())],
        "model_type": parameter_size(header.parameters),
        "file_type": header.quantization,
        "context_length": header.context_length,
        "embedding_length": header.embedding_length,
    }
    return {key: value for key, value in told.items() if value}


def make(store: Store, base: Base, wanted: Wanted) -> Made:
    """Write the small layers and the config of a model. Raises StoreError, and for a base whose
    texts cannot be read InvalidManifest.
    """
    there = [layer for layer in base.layers if layer.media_type not in _replaced(wanted)]
    texts = [(kind, text) for kind, text in _texts(store, base, wanted) if text]
    statuses = [f"using existing layer {layer.digest}" for layer in there]
    for kind, text in texts:
        layer = store.put(text, kind)
        statuses.append(f"creating new layer {layer.digest}")
        there.append(layer)
    there.sort(key=_place)
    config = store.put(dump_json(_config(base, wanted, there)), kinds.CONFIG)
    return Made(Manifest(config, _each_once(there)), tuple(dict.fromkeys(statuses)))


def _replaced(wanted: Wanted) -> frozenset[str]:
    """The kinds of layers that the base gives nothing of."""
    given = (
        (kinds.TEMPLATE, wanted.template),
        (kinds.PROMPT, wanted.template),
        (kinds.SYSTEM, wanted.system),
        (kinds.PARAMS, wanted.parameters),
        (kinds.MESSAGES, wanted.messages),
    )
    return frozenset(kind for kind, value in given if value)


def _texts(store: Store, base: Base, wanted: Wanted) -> list[tuple[str, bytes]]:
    messages = [said._asdict() for said in wanted.messages or ()]
    return [
        (kinds.TEMPLATE, wanted.template.encode()),
        (kinds.SYSTEM, wanted.system.encode()),
        (kinds.PARAMS, _parameters(store, base, wanted)),
        (kinds.MESSAGES, dump_json(messages) if messages else b""),
        *((kinds.LICENSE, text.encode()) for text in wanted.licenses),
    ]


def _parameters(store: Store, base: Base, wanted: Wanted) -> bytes:
    """The base's, with those that are given instead of it."""
    if not wanted.parameters:
        return b""
    merged: dict[str, Any] = {}
    for layer in base.layers:
        if layer.media_type == kinds.PARAMS:
            with suppress(ValueError, RecursionError):
                merged |= json.loads(store.read_blob(layer.digest, LARGEST_TEXT))
    return dump_json(merged | dict(wanted.parameters))


def _config(base: Base, wanted: Wanted, layers: list[Layer]) -> dict[str, Any]:
    """The config's `rootfs` is what Docker's registries look for."""
    diffs = [str(layer.digest) for layer in layers]
    fixed = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diffs},
    }
    return {**base.config, **wanted.config, **fixed}


def _place(layer: Layer) -> int:
    return (
        kinds.ORDER.index(layer.media_type) if layer.media_type in kinds.ORDER else len(kinds.ORDER)
    )


def _each_once(layers: list[Layer]) -> tuple[Layer, ...]:
    """A license that the base has already is not appended again."""
    return tuple({(layer.media_type, layer.digest): layer for layer in layers}.values())
