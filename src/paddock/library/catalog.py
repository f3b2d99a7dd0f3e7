"""The library at one moment: all models, all names, and what was left out. Never changes.

What the owner wrote comes together here with what was found:

- an entry with `cmd` is a model of its own, and wins over a found one of the same id;
- an entry without changes the found model of that id, and waits while there is none;
- the names of `setParamsByID` are aliases too;
- an id beats an alias, and of two equal aliases the first entry's counts; the other is dropped;
- a model of the store that is the same file as another one, loaded in the same way, is its twin.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config
from paddock.errors import UnknownModel
from paddock.events import CatalogChanged
from paddock.library.entries import settled
from paddock.library.model import LeftOut, Model
from paddock.library.naming import lookup_key, nearest, short_key


@dataclass(frozen=True, slots=True)
class DroppedAlias:
    """An alias that the owner wrote and that does not lead to its model."""

    alias: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """A snapshot of the library. Safe to keep and to share."""

    models: Mapping[str, Model]
    """By id, sorted."""
    left_out: tuple[LeftOut, ...]
    """By path."""
    dropped_aliases: tuple[DroppedAlias, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict, repr=False)
    """From the lookup key of every name to the id."""

    def resolve(self, name: str) -> Model:
        """The model of this name: its id, else an alias; case and `:latest` do not count.

        Raises UnknownModel with the nearest names.
        """
        model = self.find(name)
        if model is None:
            raise UnknownModel(name, nearest(name, self._offered()))
        return model

    def find(self, name: str) -> Model | None:
        """The model of this name as `resolve` finds it, or None."""
        key = lookup_key(name)
        model_id = self.names.get(key) or ("/" in key and self.names.get(short_key(key))) or ""
        return self.models.get(name) or self.models.get(model_id)

    def _offered(self) -> list[str]:
        aliases = (alias for model in self.models.values() for alias in model.aliases)
        return [*self.models, *aliases]

    def changes_since(self, before: Catalog) -> CatalogChanged | None:
        """How this one differs from an earlier one; None when nobody needs to know."""
        old, new = before.models, self.models
        kept = old.keys() & new.keys()
        other = frozenset(i for i in kept if old[i] != new[i])
        replaced = frozenset(i for i in other if old[i].fingerprint != new[i].fingerprint)
        changed = CatalogChanged(
            added=frozenset(new.keys() - old.keys()),
            removed=frozenset(old.keys() - new.keys()),
            replaced=replaced,
            refreshed=other - replaced,
        )
        return changed if changed.added or changed.removed or other else None


EMPTY: Final = Catalog(MappingProxyType({}), ())


def build(found: Sequence[Model], left_out: Sequence[LeftOut], config: Config) -> Catalog:
    """Put together what was found and what the owner wrote."""
    entries = config.models
    commands = {i: Model(i, settings=entry) for i, entry in entries.items() if entry.cmd}
    changes = {lookup_key(i): entry for i, entry in entries.items() if not entry.cmd}
    taken = {lookup_key(i) for i in commands}
    shadowed = [model for model in found if lookup_key(model.id) in taken]
    models = [*commands.values(), *(m for m in found if lookup_key(m.id) not in taken)]
    models = settled(models, changes, config)
    names = {lookup_key(model.id): model.id for model in models}
    kept, dropped = _aliases(models, entries, names)
    ordered = sorted(models, key=lambda model: model.id)
    left = [*left_out, *map(_shadow, shadowed)]
    return Catalog(
        models=MappingProxyType(
            _with_twins(
                {m.id: replace(m, aliases=kept[m.id]) if m.id in kept else m for m in ordered},
                changes,
            )
        ),
        left_out=tuple(sorted(left, key=lambda left: str(left.path))),
        dropped_aliases=tuple(dropped),
        names=MappingProxyType(names),
    )


def _with_twins(models: dict[str, Model], entries: Container[str]) -> dict[str, Model]:
    """The models by id, and of each of the store that another one runs for, which that is.

    It is one that the owner wrote an entry for, else one of the folders, else the oldest: so a copy
    of a model that runs changes nothing for it.
    """
    stored = (model for model in models.values() if model.recipe is not None)
    alike: dict[str, list[Model]] = {model.fingerprint: [] for model in stored}
    if not alike:
        return models
    for model in models.values():
        if model.fingerprint in alike:
            alike[model.fingerprint].append(model)
    twins = {}
    for same in alike.values():
        first, *others = sorted(same, key=lambda model: _precedence(model, entries))
        twins.update({model.id: replace(model, twin=first.id) for model in others})
    return {model_id: twins.get(model_id, model) for model_id, model in models.items()}


def _precedence(model: Model, entries: Container[str]) -> tuple[bool, bool, float, str]:
    own_entry = lookup_key(model.id) in entries
    return not own_entry, model.recipe is not None, model.modified, model.id


def _shadow(model: Model) -> LeftOut:
    reason = f"the model {model.id} of the configuration, with a cmd of its own, has the same id"
    return LeftOut(model.path or Path(), reason)


def _aliases(
    models: Sequence[Model], entries: Mapping[str, ModelEntry], names: dict[str, str]
) -> tuple[dict[str, tuple[str, ...]], list[DroppedAlias]]:
    """The aliases of each model that has some, and the dropped ones; adds them to `names`."""
    ids = {lookup_key(model.id): model.id for model in models}
    kept: dict[str, list[str]] = {}
    dropped = []
    for key, entry in entries.items():
        owner = ids.get(lookup_key(key))
        if owner is None:
            continue
        for alias in (*entry.aliases, *entry.filters.set_params_by_id):
            holder = names.setdefault(lookup_key(alias), owner)
            if holder != owner:
                dropped.append(DroppedAlias(alias, owner, f"it leads to {holder} already"))
            elif lookup_key(alias) != lookup_key(owner):
                kept.setdefault(owner, []).append(alias)
    return {model_id: tuple(dict.fromkeys(aliases)) for model_id, aliases in kept.items()}, dropped
