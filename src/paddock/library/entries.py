"""With which settings a model runs: those of its own entry, or of the file it was made of.

What the owner says about how a file is loaded holds for the store's models of that file too: one
that is made of a model runs as that one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.library.fingerprint import fingerprint
from paddock.library.model import Model
from paddock.library.naming import lookup_key

LOADING: Final = (
    "args", "env", "engine", "context_length", "parallel", "timeouts", "unload_timeout",
    "health_check_timeout",
)  # fmt: skip
"""What an entry says about the child. Names, texts, filters and limits are its own model's."""


def settled(
    models: Iterable[Model], entries: Mapping[str, ModelEntry], config: Config
) -> list[Model]:
    """The models with their settings, and fingerprints that know them.

    `entries` are those of found models, by the lookup key of their ids.
    """
    found = list(models)
    of_files = {
        model.fingerprint: entry
        for model in found
        if model.recipe is None and (entry := entries.get(lookup_key(model.id)))
    }
    return [_settled(model, entries.get(lookup_key(model.id)), of_files, config) for model in found]


def _settled(
    model: Model, entry: ModelEntry | None, of_files: Mapping[str, ModelEntry], config: Config
) -> Model:
    settings = model.settings if entry is None or model.path is None else entry
    if model.recipe is not None:
        base = of_files.get(model.fingerprint) if entry is None else None
        settings = _stored(settings, base, model, config)
    digest = fingerprint(model.fingerprint, settings, config, model.options)
    return replace(model, settings=settings, fingerprint=digest)


def _stored(
    settings: ModelEntry, base: ModelEntry | None, model: Model, config: Config
) -> ModelEntry:
    """The settings of a store's model; `base` is the entry of the file it was made of."""
    said = {field: getattr(base, field) for field in LOADING} if base else {}
    if model.options.context is not None:
        said.pop("context_length", None)  # its own PARAMETER says more
    engine = said.get("engine") or settings.engine or config.ollama.engine
    if engine:
        said["engine"] = engine
    return settings.model_copy(update=said) if said else settings
