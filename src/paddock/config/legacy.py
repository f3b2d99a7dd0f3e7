"""What llama-swap's files say in words of their own, in the words of the schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any


def modernize(values: dict[str, Any], anchored: Collection[str], known: Collection[str]) -> None:
    """Change the values of a config file in place, of any type as they may be.

    `anchored` are the top-level keys with an anchor in them, `known` those of the schema.
    """
    for key in anchored:
        if key not in known:
            values.pop(key, None)  # it is there for its anchor
    if values.get("unloadTimeout") == 0:
        del values["unloadTimeout"]
    for section in (*_entries(values.get("models")), *_entries(values.get("peers"))):
        if isinstance(filters := section.get("filters"), dict) and "strip_params" in filters:
            words = filters.pop("strip_params")
            filters.setdefault("stripParams", words)


def _entries(section: Any) -> Iterator[dict[str, Any]]:
    named = section.values() if isinstance(section, dict) else ()
    return (entry for entry in named if isinstance(entry, dict))
