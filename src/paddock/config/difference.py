"""What a reload changes, key by key, and what of it has to wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from paddock.config.document import Place, dotted
from paddock.config.schema import Config, Door, Listen, ModelDoor
from paddock.config.section import Section
from paddock.events import CatalogChanged

AT_START: Final = ("stateDir", "logTimeFormat", "logToStdout", "store", "metricsMaxInMemory")
"""Keys that are read when the daemon starts. So are `ollama.models`, `chat.database`, and `listen`
but for each door's `auth`."""


class Kind(StrEnum):
    """What happened to a key."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One key that is not what it was. Tells no values: they may be secrets."""

    key: str
    """Dotted, as the owner writes it: `models.qwen.ttl`."""
    kind: Kind

    def __str__(self) -> str:
        return self.key if self.kind is Kind.CHANGED else f"{self.key} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Difference:
    """Between the configuration in force and another one."""

    config: Config
    """The other one, with what is read only at the start as it is now: what can be in force."""
    changes: tuple[Change, ...]
    """What is different in `config`, in the schema's order."""
    needs_restart: tuple[str, ...]
    """Keys that are different in the other one and not in `config`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reload did."""

    changes: tuple[Change, ...]
    needs_restart: tuple[str, ...]
    models: CatalogChanged | None
    """What it meant for models; those `replaced` start anew when they are next asked for."""


def difference(old: Config, new: Config) -> Difference:
    """What taking in `new` while `old` is in force would do. Pure; some milliseconds."""
    found = list(_of_section((), old, new))
    return Difference(
        config=_with_start_of(old, new),
        changes=tuple(change for place, change in found if not _is_read_at_start(place)),
        needs_restart=tuple(change.key for place, change in found if _is_read_at_start(place)),
    )


def _is_read_at_start(place: Place) -> bool:
    if place[:2] in {("ollama", "models"), ("chat", "database")}:
        return True
    return place[0] in AT_START or (place[0] == "listen" and place[-1] != "auth")


def _with_start_of(old: Config, new: Config) -> Config:
    doors = {name: _door(getattr(old.listen, name), getattr(new.listen, name)) for name in _DOORS}
    # The others stay as they are, also in whether the owner wrote something about them.
    listen = {name: door for name, door in doors.items() if door != getattr(old.listen, name)}
    kept = {name: getattr(old, name) for name in _FIELDS_AT_START}
    kept["ollama"] = new.ollama.model_copy(update={"models": old.ollama.models})
    kept["chat"] = new.chat.model_copy(update={"database": old.chat.database})
    return new.model_copy(update={**kept, "listen": old.listen.model_copy(update=listen)})


def _door(old: Door | None, new: Door | None) -> Door | None:
    if isinstance(old, ModelDoor) and isinstance(new, ModelDoor):
        return old.model_copy(update={"auth": new.auth})
    return old


_DOORS = tuple(Listen.model_fields)
_FIELDS_AT_START = tuple(n for n, field in Config.model_fields.items() if field.alias in AT_START)

Found = Iterator[tuple[Place, Change]]


def _of_section(place: Place, old: Section, new: Section) -> Found:
    for name, field in type(old).model_fields.items():
        yield from _of_value((*place, field.alias or name), getattr(old, name), getattr(new, name))


def _of_value(place: Place, old: Any, new: Any) -> Found:
    if isinstance(old, Section) and isinstance(new, Section):
        yield from _of_section(place, old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _of_mapping(place, old, new)
    elif old != new:
        yield _found(place, Kind.CHANGED)


def _of_mapping(place: Place, old: dict[str, Any], new: dict[str, Any]) -> Found:
    for key, value in old.items():
        if key in new:
            yield from _of_value((*place, key), value, new[key])
        else:
            yield _found((*place, key), Kind.REMOVED)
    yield from (_found((*place, key), Kind.ADDED) for key in new if key not in old)
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        yield _found(place, Kind.CHANGED)  # an order has meaning, as that of `engines`


def _found(place: Place, kind: Kind) -> tuple[Place, Change]:
    return place, Change(dotted(place), kind)
