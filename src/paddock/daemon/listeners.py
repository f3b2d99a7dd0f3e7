"""Who hears of what: the parts that must know of a change the moment it is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from paddock.access.grants import Grants
from paddock.access.hosts import HostRules, is_local_page, machine_name
from paddock.access.keys import KeyRing
from paddock.config.current import Current
from paddock.config.ollama import origin_pattern
from paddock.config.schema import Config, ModelDoor
from paddock.engine.instance import Instance
from paddock.engine.launcher import Launcher
from paddock.events import CatalogChanged, ConfigChanged, Event, GpusChanged, Listener
from paddock.gateway.door import Door
from paddock.gateway.gate import Gate
from paddock.library.library import Library
from paddock.observe.captures import Captures
from paddock.scheduler.coexist import rules_of
from paddock.scheduler.limits import Limits
from paddock.scheduler.scheduler import Scheduler


def tell_scheduler(
    library: Library, scheduler: Scheduler[Instance], launcher: Launcher
) -> Listener:
    """Models that went, and models that are no longer the same."""

    def tell(event: Event) -> None:
        if isinstance(event, CatalogChanged):
            models = library.catalog.models
            replaced = [models[model_id] for model_id in sorted(event.replaced)]
            refreshed = [models[model_id] for model_id in sorted(event.refreshed)]
            launcher.refresh(refreshed)
            scheduler.catalog_changed(removed=event.removed, replaced=replaced, refreshed=refreshed)

    return tell


def tell_gpus(scheduler: Scheduler[Instance]) -> Listener:
    """What the owner keeps of the GPUs."""

    def tell(event: Event) -> None:
        if isinstance(event, GpusChanged):
            scheduler.gpus_changed()

    return tell


def tell_limits(current: Current, scheduler: Scheduler[Instance]) -> Listener:
    """Other limits, and other rules about which models run together."""

    def tell(event: Event) -> None:
        if isinstance(event, ConfigChanged):
            scheduler.reconfigure(Limits.of(current.config), rules_of(current.config))

    return tell


def tell_doors(current: Current, doors: Iterable[Door], grants: Grants) -> Listener:
    """Other keys, hosts and origins count from the next request on."""

    def tell(event: Event) -> None:
        if isinstance(event, ConfigChanged):
            for door in doors:
                door.gate = gate(current.config, door.name, grants)

    return tell


def tell_log(current: Current) -> Listener:
    """Another log level counts at once."""

    def tell(event: Event) -> None:
        if isinstance(event, ConfigChanged):
            logging.getLogger().setLevel(current.config.log_level.upper())

    return tell


def tell_captures(captures: Captures) -> Listener:
    """Less room for captures counts at once: who turns them off wants none to be left."""

    def tell(event: Event) -> None:
        if isinstance(event, ConfigChanged):
            captures.trim()

    return tell


def gate(config: Config, name: str, grants: Grants) -> Gate:
    """Who may come in at the door of this name, as `config` says, and the keys of accounts."""
    if name == "chat":  # its pages are its own, and its accounts are looked up behind it
        return Gate(HostRules(machine_name(), config.allowed_hosts), (), KeyRing(()))
    door: ModelDoor | None = getattr(config.listen, name)
    auth = door.auth if door is not None else "keys"
    keys = [] if auth == "none" else [key.get_secret_value() for key in config.api_keys]
    is_ollama = name == "ollama"
    return Gate(
        HostRules(machine_name(), config.allowed_hosts, network_names=is_ollama),
        config.allowed_origins,
        KeyRing(keys, is_locked=auth == "accounts"),
        _ollama_pages(config.ollama.origins) if is_ollama else None,
        grants=grants,
        door=name,
    )


def _ollama_pages(origins: Iterable[str]) -> Callable[[str], bool]:
    """Which pages may call Ollama's door: those of this machine, and the owner's."""
    patterns = [origin_pattern(origin) for origin in origins]

    def is_allowed(origin: str) -> bool:
        return is_local_page(origin) or any(pattern.fullmatch(origin) for pattern in patterns)

    return is_allowed
