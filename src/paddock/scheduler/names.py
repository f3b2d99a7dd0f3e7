"""What stands for a model in the owner's rules, however the owner names it."""

from __future__ import annotations

from collections.abc import Callable

from paddock.config.schema import Config
from paddock.library.naming import lookup_key


def keys_of(config: Config) -> Callable[[str], str]:
    """A function from ids and aliases, as the owner writes them, to the key of the model's id.

    A name that no entry has is taken for the id of a discovered model.
    """
    ids = {lookup_key(model_id) for model_id in config.models}
    aliases: dict[str, str] = {}
    for model_id, entry in config.models.items():
        for alias in (*entry.aliases, *entry.filters.set_params_by_id):
            aliases.setdefault(lookup_key(alias), lookup_key(model_id))

    def key(name: str) -> str:
        own = lookup_key(name)
        return own if own in ids else aliases.get(own, own)

    return key
