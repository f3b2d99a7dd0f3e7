"""What llama-swap's files say in words of their own, in the words of the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from paddock.config.schema import Config

_KNOWN = frozenset(field.alias or name for name, field in Config.model_fields.items())


def modernize(values: dict[str, Any], anchored: Iterable[str]) -> None:
    """Change the values of a config file in place, of any type as they may be.

    `anchored` are the top-level keys with an anchor in them: one that the schema does not know is
    there for its anchor.
    """
    for key in anchored:
        if key not in _KNOWN:
            values.pop(key, None)
    if values.get("unloadTimeout") == 0:
        del values["unloadTimeout"]
    for section in (*_entries(values.get("models")), *_entries(values.get("peers"))):
        if isinstance(filters := section.get("filters"), dict) and "strip_params" in filters:
            words = filters.pop("strip_params")
            filters.setdefault("stripParams", words)


def _entries(section: Any) -> Iterator[dict[str, Any]]:
    named = section.values() if isinstance(section, dict) else ()
    return (entry for entry in named if isinstance(entry, dict))
