"""Which projector belongs to which model: they lie in one folder, and only names and widths tell.

A projector's name without `mmproj` and quantization is a model's name without quantization, or the
beginning of it, or the other way round; the longest agreement wins. Where no name agrees, the
projector belongs to the models of its width, if those are one family. A name that says nothing
(`mmproj-F16.gguf`) needs no width where the folder holds one family only. Of several that fit a
model alike the finest that runs everywhere is taken: F16, then BF16, Q8_0, F32 and the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paddock.library.facts import Facts
from paddock.library.naming import family
from paddock.library.walk import Found

NAMELESS: Final = frozenset({"", "model"})
"""Families of names that tell nothing."""
_PREFERRED: Final = ("F16", "BF16", "Q8_0", "F32")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model (by its first file) or a projector, and what its header tells."""

    file: Found
    facts: Facts

    @property
    def family(self) -> str:
        """What its name has in common with its relatives."""
        return family(self.file.name)


def pair(
    models: Sequence[Candidate], projectors: Sequence[Candidate]
) -> tuple[dict[str, Candidate], list[Candidate]]:
    """Each model path's projector, and the projectors that no model can be found for."""
    in_folder: dict[str, list[Candidate]] = defaultdict(list)
    for model in models:
        in_folder[model.file.folder].append(model)
    fitting: dict[str, list[tuple[int, int, str, Candidate]]] = defaultdict(list)
    alone = []
    for projector in projectors:
        served = _served(projector, in_folder[projector.file.folder])
        liked = preference(projector.facts.summary.quantization)
        for agreed, model in served:
            rank = (-agreed, liked, projector.file.path, projector)
            fitting[model.file.path].append(rank)
        if not served:
            alone.append(projector)
    return {
        path: min(ranks, key=lambda rank: rank[:3])[3] for path, ranks in fitting.items()
    }, alone


def _served(projector: Candidate, models: list[Candidate]) -> list[tuple[int, Candidate]]:
    """The models that the projector may serve, with the length of the names' agreement."""
    own = projector.family
    agreements = [agreement(own, model.family) for model in models]
    if best := max(agreements, default=0):
        return [(best, m) for m, agreed in zip(models, agreements, strict=True) if agreed == best]
    if own not in NAMELESS or len(_families(models)) > 1:
        width = projector.facts.summary.embedding_length
        models = [m for m in models if width and m.facts.summary.embedding_length == width]
    return [(0, model) for model in models] if len(_families(models)) == 1 else []


def _families(models: list[Candidate]) -> set[str]:
    return {model.family for model in models}


def agreement(one: str, other: str) -> int:
    """Letters that both begin with, when that is all of one of them; else 0."""
    return min(len(one), len(other)) if one.startswith(other) or other.startswith(one) else 0


def preference(quantization: str) -> int:
    """The place of a projector among those that fit alike: the finest that runs everywhere is 0."""
    return _PREFERRED.index(quantization) if quantization in _PREFERRED else len(_PREFERRED)
