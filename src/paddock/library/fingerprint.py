"""What a child of a model is made from: while that stays the same, a running child serves on.

All else that the owner can say about a model (names, time to live, filters, limits, texts) is taken
in without touching its process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.library.model import NOT_SAID, LoadOptions, Trait
from paddock.library.walk import Found


def of_files(
    weights: Sequence[Found], projector: Found | None = None, adapters: Sequence[Found] = ()
) -> str:
    """What stands for a model's files: the same for the same ones, whatever leads to them."""
    told = [tuple(map(_identity, files)) for files in (weights, adapters)]
    return _digest((told, projector and _identity(projector)))


def shown_digest(files: Iterable[Found], traits: Iterable[Trait]) -> str:
    """64 hexadecimal digits for a model of the folders, the same after a restart of the machine.

    They change with what its files look like, and with what it can do.
    """
    told = [(file.size, file.mtime_ns, file.inode) for file in files], sorted(traits)
    return blake2b(repr(told).encode(), digest_size=32).hexdigest()


def _identity(file: Found) -> tuple[int, int, int, int]:
    return file.device, file.inode, file.size, file.mtime_ns


def _digest(told: Any) -> str:
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


def fingerprint(
    files: str, settings: ModelEntry, config: Config, options: LoadOptions = NOT_SAID
) -> str:
    """A digest of all that decides what a model's child is.

    `files` stands for the content of its files (empty for a command), `settings` is its entry,
    `options` are its own PARAMETERs.
    """
    decides = _of_command(settings) if settings.cmd else _of_found(settings, config, options)
    return _digest((files, settings.env, decides))


def _of_command(settings: ModelEntry) -> tuple[Any, ...]:
    return settings.cmd, settings.proxy, settings.check_endpoint


def _of_found(settings: ModelEntry, config: Config, options: LoadOptions) -> tuple[Any, ...]:
    own = options.context if settings.context_length is None else settings.context_length
    return (
        *_engine(settings, config),
        config.default_model_args,
        settings.args,
        config.context_length if own is None else own,
        settings.parallel or config.parallel,
        *options[1:],
    )


def _engine(settings: ModelEntry, config: Config) -> tuple[Any, ...]:
    """The engine by name, and what the owner says about it. Which of this machine's own engines
    runs a model is not the configuration's to change."""
    name = settings.engine or config.engine or next(iter(config.engines), "")
    entry = config.engines.get(name)
    return name, entry and (entry.llama_server, entry.env, entry.args)
