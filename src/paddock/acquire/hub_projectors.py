"""Which projector of a repository belongs to which model of it: names and folders tell.

One of the model's own name counts first, then one without a name; the nearest to the model's folder
is taken, and of those the finest that runs everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from paddock.acquire.hub_names import HubName, Kind
from paddock.acquire.remote import RemoteFile
from paddock.library.naming import family
from paddock.library.projectors import NAMELESS, agreement, preference

_MOST: Final = 200
"""Projectors that are looked at: no publisher has as many."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository, and what its name tells."""

    remote: RemoteFile
    name: HubName

    @property
    def family(self) -> str:
        """The letters and digits of its model's name."""
        return family(self.name.model)


class Projectors:
    """The projectors of one repository."""

    def __init__(self, files: Iterable[File], families: set[str]) -> None:
        """`families`: those of the models that are there."""
        found = [file for file in files if file.name.kind is Kind.MMPROJ]
        self._known = [(file, file.family) for file in sorted(found, key=_rank)[:_MOST]]
        self._related = _related(families)

    def of(self, model: File) -> RemoteFile | None:
        """The projector of a model; None when there is none that is surely its own."""
        folder = model.name.folder
        near = [one for one in self._known if _is_above(one[0].name.folder, folder)]
        fitting = self._fitting(model, near)
        return min(fitting, key=_rank).remote if fitting else None

    def _fitting(self, model: File, near: list[tuple[File, str]]) -> list[File]:
        own = model.family
        agreements = [_agreed(own, theirs) for _, theirs in near]
        if best := max(agreements, default=0):
            return [
                one for (one, _), agreed in zip(near, agreements, strict=True) if agreed == best
            ]
        nameless = [one for one, theirs in near if theirs in NAMELESS]
        if not self._related:  # one in the model's own folder is meant for that
            return [one for one in nameless if one.name.folder == model.name.folder != ""]
        alike = len({theirs for _, theirs in near}) == 1
        return nameless or ([one for one, _ in near] if alike else [])


def _rank(file: File) -> tuple[int, int, str]:
    return -len(file.name.folder), preference(file.name.quant), file.remote.path


def _related(families: set[str]) -> bool:
    """Whether all are one family: `x` and `x-MTP`."""
    root = min(families, key=len, default="")
    return all(one.startswith(root) for one in families)


def _is_above(folder: str, other: str) -> bool:
    return not folder or other == folder or other.startswith(f"{folder}/")


def _agreed(one: str, other: str) -> int:
    """How many letters of two families agree; those that tell nothing agree with nothing."""
    return 0 if NAMELESS & {one, other} else agreement(one, other)
