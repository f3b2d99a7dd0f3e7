"""What a repository holds: models with their shards and projectors, and what is none.

One entry is one model in one quantization, with all files that it takes. Names tell most of it
(`acquire/hub_names.py`); where they leave it open, sizes and sisters decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from paddock.acquire.hub_names import HubName, Kind, parse, runs_elsewhere_only
from paddock.acquire.hub_projectors import File, Projectors
from paddock.acquire.remote import RemoteFile
from paddock.library.naming import family

_IMATRIX_MOST: Final = 4 << 30
"""Bytes; what is larger and called imatrix was made with one, and is a model."""
_SIDECAR_PART: Final = 0.2
"""Of a sister's size: a file with `mtp` in its name below that is not the whole model."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One model in one quantization."""

    model: str
    """As its files are called, without quantization."""
    quant: str
    """Empty when no name tells."""
    folder: str
    files: tuple[RemoteFile, ...]
    """The weights alone, shards in order."""
    projector: RemoteFile | None = None
    broken: str = ""
    """Why nothing can use it as it is; empty: it is whole."""
    foreign: str = ""
    """Why only other engines can use it; empty: ours can."""

    @property
    def problem(self) -> str:
        """Why it is not offered to be used here; empty: it is."""
        return self.broken or self.foreign

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(file.size for file in self.files)

    @property
    def all_files(self) -> tuple[RemoteFile, ...]:
        """The weights and the projector."""
        return (*self.files, self.projector) if self.projector else self.files

    @property
    def label(self) -> str:
        """What it is called in a table: its quantization, else its file's name."""
        return self.quant or self.files[0].path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Contents:
    """A repository, sorted out."""

    weights: tuple[Weights, ...] = ()
    """In the order of the listing's paths."""
    sidecars: tuple[RemoteFile, ...] = ()
    """GGUF files that are no model by themselves."""
    pieces: tuple[Weights, ...] = ()
    """Models that were cut into pieces, which have to be joined before use."""

    @property
    def models(self) -> tuple[str, ...]:
        """The different models, each once; with and without layers for MTP is one."""
        found: dict[str, str] = {}
        for one in self.weights:
            found.setdefault(family(one.model).removesuffix("mtp"), one.model)
        return tuple(found.values())


def sort_out(listing: Iterable[RemoteFile]) -> Contents:
    """Sort a repository's files. Never raises, whatever they are called.

    Takes time in proportion to their number: some 20 ms for a thousand.
    """
    by_path = {remote.path: remote for remote in listing}
    files = [File(by_path[path], parse(path)) for path in sorted(by_path)]
    files = [file for file in files if file.name.kind is not Kind.OTHER]
    models = _models(files)
    taken = {file.remote.path for file in models}
    beside = [f for f in files if f.remote.path not in taken and f.name.kind is not Kind.BYTES]
    projectors = Projectors(files, {file.family for file in models})
    return Contents(
        weights=tuple(_weights(group, projectors) for group in _groups(models)),
        sidecars=tuple(file.remote for file in beside if file.name.kind is not Kind.IMATRIX),
        pieces=tuple(map(_pieces, _groups([f for f in files if f.name.kind is Kind.BYTES]))),
    )


def _models(files: Sequence[File]) -> list[File]:
    """The files that are weights: by their names, else by their sizes."""
    named = [file for file in files if file.name.kind is Kind.MODEL]
    whole: dict[str, int] = defaultdict(int)
    for file in named:
        if not _has_mtp(file):
            whole[file.name.quant] = max(whole[file.name.quant], file.remote.size)
    models = [file for file in named if not _is_part(file, whole)]
    models += [file for file in files if _is_model_in_spite(file)]
    if models:
        return sorted(models, key=lambda file: file.remote.path)
    # a repository of nothing else offers these
    return [file for file in files if file.name.kind in {Kind.DRAFT, Kind.MTP}]


def _is_part(file: File, whole: Mapping[str, int]) -> bool:
    """Whether a file with `mtp` in its name is only that part of a sister of these sizes."""
    sister = whole.get(file.name.quant, 0)
    return _has_mtp(file) and file.remote.size < sister * _SIDECAR_PART


def _has_mtp(file: File) -> bool:
    return "mtp" in _words(file.name.base)


def _words(base: str) -> list[str]:
    return base.lower().replace(".", "-").replace("_", "-").split("-")


def _is_model_in_spite(file: File) -> bool:
    is_imatrix = file.name.kind is Kind.IMATRIX and file.name.base.lower().endswith(".gguf")
    return is_imatrix and file.remote.size > _IMATRIX_MOST


def _groups(files: Iterable[File]) -> list[list[File]]:
    """The files that belong together: a file alone, or the shards of one set."""
    groups: dict[tuple[object, ...], list[File]] = defaultdict(list)
    for file in files:
        groups[_group(file.name)].append(file)
    return [sorted(group, key=lambda file: file.name.shard) for group in groups.values()]


def _group(name: HubName) -> tuple[object, ...]:
    """What all files of one set have in common."""
    if not name.shard:
        return (name.path,)
    if name.kind is Kind.BYTES:
        return name.folder, name.model, name.quant, name.shards
    prefix, _, total = name.base.rpartition("-of-")
    return name.folder, prefix[:-5], total


def _weights(group: Sequence[File], projectors: Projectors) -> Weights:
    first = group[0]
    return Weights(
        model=first.name.model,
        quant=first.name.quant,
        folder=first.name.folder,
        files=tuple(file.remote for file in group),
        projector=projectors.of(first),
        broken=_missing(group),
        foreign=_not_ours(first.name),
    )


def _missing(group: Sequence[File]) -> str:
    total = group[0].name.shards
    present = {file.name.shard for file in group}
    missing = next((n for n in range(1, total + 1) if n not in present), 0)
    if missing:
        return f"incomplete: shard {missing} of {total} is missing"
    return "its shards have numbers that cannot be" if len(present) > max(1, total) else ""


def _not_ours(name: HubName) -> str:
    if runs_elsewhere_only(name.quant):
        return f"{name.quant} runs only in ik_llama.cpp or other patched engines"
    return ""


def _pieces(group: Sequence[File]) -> Weights:
    first = group[0].name
    why = "cut into pieces that have to be joined before use (cat), which Paddock does not do"
    files = tuple(file.remote for file in group)
    return Weights(first.model, first.quant, first.folder, files, broken=why)
