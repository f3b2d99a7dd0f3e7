"""What a child of a model is made from: while that stays the same, a running child serves on.

All else that the owner can say about a model (names, time to live, filters, limits, texts) is taken
in without touching its process.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config


def fingerprint(files: str, settings: ModelEntry, config: Config) -> str:
    """A digest of all that decides what a model's child is.

    `files` stands for the content of its files (empty for a command), `settings` is its entry.
    """
    decides = _of_command(settings) if settings.cmd else _of_found(settings, config)
    return blake2b(repr((files, settings.env, decides)).encode(), digest_size=16).hexdigest()


def _of_command(settings: ModelEntry) -> tuple[Any, ...]:
    return settings.cmd, settings.proxy, settings.check_endpoint


def _of_found(settings: ModelEntry, config: Config) -> tuple[Any, ...]:
    own = settings.context_length
    return (
        *_engine(settings, config),
        config.default_model_args,
        settings.args,
        config.context_length if own is None else own,
        settings.parallel or config.parallel,
    )


def _engine(settings: ModelEntry, config: Config) -> tuple[Any, ...]:
    """The engine by name, and what the owner says about it. Which of this machine's own engines
    runs a model is not the configuration's to change."""
    name = settings.engine or config.engine or next(iter(config.engines), "")
    entry = config.engines.get(name)
    return name, entry and (entry.llama_server, entry.env, entry.args)
