"""Several sources of configuration as one, by llama-swap's rules.

What is known by a name (a model, a group, …) may be in one source only; other mappings are joined
key by key, lists are put one after the other, and a single value may be said twice only if it is
the same. null gives way to anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from paddock.config.document import Document, Mark, Place, dotted
from paddock.errors import ConfigProblem

_ROUTER: Final = ("routing", "router", "settings")
_NAMED: Final[frozenset[Place]] = frozenset(
    {
        ("models",),
        ("groups",),
        ("profiles",),
        ("selectors",),
        ("peers",),
        ("matrix",),
        (*_ROUTER, "groups"),
        (*_ROUTER, "matrix"),
    }
)
"""Mappings whose keys are names: each may be in one source only."""


def merge(documents: Iterable[Document]) -> tuple[Document, list[ConfigProblem]]:
    """The sources as one, and where they contradict each other; there the first one counts."""
    first, *others = [*documents] or [Document()]
    if not others:
        return first, []
    merger = _Merger()
    for document in (first, *others):
        merger.take(document)
    anchored = frozenset(key for document in (first, *others) for key in document.anchored)
    secrets = frozenset[str]().union(*(document.secrets for document in (first, *others)))
    return Document(merger.values, merger.marks, anchored, secrets), merger.problems


class _Merger:
    """What was taken so far."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.marks: dict[Place, Mark] = {}
        self.problems: list[ConfigProblem] = []
        self._from = Document()

    def take(self, document: Document) -> None:
        """Add what one more source says."""
        self._from = document
        self.values = self._mapping(self.values, document.values, ())

    def _mapping(
        self, ours: dict[str, Any], theirs: dict[str, Any], place: Place
    ) -> dict[str, Any]:
        merged = dict(ours)
        for key, value in theirs.items():
            inner = (*place, key)
            if merged.get(key) is None:
                merged[key] = value
                self._mark(inner, inner, value)
            elif value is not None and place in _NAMED:
                self._refuse(inner, "is already defined")
            elif value is not None:
                merged[key] = self._value(merged[key], value, inner)
        return merged

    def _value(self, ours: Any, theirs: Any, place: Place) -> Any:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            return self._mapping(ours, theirs, place)
        if isinstance(ours, list) and isinstance(theirs, list):
            for index, item in enumerate(theirs):
                self._mark((*place, index), (*place, len(ours) + index), item)
            return [*ours, *theirs]
        if type(ours) is not type(theirs) or ours != theirs:
            self._refuse(place, "has another value")
        return ours

    def _mark(self, source: Place, place: Place, value: Any) -> None:
        """Note where `value` and all in it stand: at `source` in its file, at `place` now."""
        if mark := self._from.marks.get(source):
            self.marks[place] = mark
        for step, inner in _steps(value):
            self._mark((*source, step), (*place, step), inner)

    def _refuse(self, place: Place, message: str) -> None:
        first, line = Document(marks=self.marks).mark_of(place)
        file, here = self._from.mark_of(place)
        self.problems.append(
            ConfigProblem(
                f"{message} in {first}:{line}",
                file=file,
                line=here,
                key=dotted(place),
                suggestion="say it in one file only",
            )
        )


def _steps(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()
