"""From folders to models: walk, read what is new, put together what belongs together.

Rules, in this order: shards become one model, projectors go to the models they serve, and of two
models with one id the first in the order of their paths keeps it. The store's models come beside
them; a name that is in the store is the store's. Every file that claims to be a GGUF and is no
model is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from paddock.config.model_entry import ModelEntry
from paddock.errors import GgufError
from paddock.library.cache import HeaderCache, Known
from paddock.library.facts import Facts, read_facts
from paddock.library.fingerprint import of_files, shown_digest
from paddock.library.gguf_arrays import Steps
from paddock.library.model import LeftOut, Model
from paddock.library.naming import lookup_key, model_id
from paddock.library.projectors import Candidate, pair
from paddock.library.shards import Sisters, group, problem, whole
from paddock.library.walk import Found, Walk, walk

if TYPE_CHECKING:
    from paddock.library.stored import Shelf


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in the folders at one moment."""

    models: tuple[Model, ...]
    """By id, without the owner's settings."""
    left_out: tuple[LeftOut, ...]
    """By path."""
    folders: frozenset[tuple[str, int, int]]
    """Path, device and inode of every folder that was looked into, the store's too."""


NOTHING: Final = Scan((), (), frozenset())
"""Before the first look."""

_NO_SETTINGS: Final = ModelEntry()


class ScanStopped(Exception):
    """The scan was asked to stop."""


def scan(
    roots: Sequence[Path], cache: HeaderCache, stop: Event, shelf: Shelf | None = None
) -> Scan:
    """Look at all files under `roots`, and at the store of `shelf`. Blocking.

    Takes a fraction of a millisecond per known file. Raises ScanStopped between two files once
    `stop` is set, and nothing else.
    """
    reader = _Reader(cache, stop)
    walked = walk(roots, [shelf.store.manifests, shelf.store.blobs] if shelf else ())
    facts = _read_all(walked, reader)
    paths = {file.path for file in walked.files}
    folders = {(path, *identity) for identity, path in walked.folders.items()}
    stored: list[Model] = []
    if shelf is not None:
        shelved = shelf.look(reader.read)
        stored, paths, folders = shelved.models, paths | shelved.files, folders | shelved.folders
        walked.left_out += shelved.left_out
    cache.keep_only(paths)
    cache.save()
    models = _outside_store(_unique(_models(walked, facts), walked), stored, walked)
    return Scan(
        models=tuple(sorted((*models, *stored), key=lambda model: model.id)),
        left_out=tuple(sorted(walked.left_out, key=lambda left: str(left.path))),
        folders=frozenset(folders),
    )


class _Reader:
    """Reads headers, each file once for as long as it stays the same."""

    def __init__(self, cache: HeaderCache, stop: Event) -> None:
        self._cache = cache
        self._stop = stop
        self._steps = Steps()

    def read(self, file: Found) -> Known:
        """What the file tells; "" when it is gone. Raises ScanStopped."""
        if self._stop.is_set():
            raise ScanStopped
        return self._cache.get(file) or _read(file, self._cache, self._steps)


def _read_all(walked: Walk, reader: _Reader) -> dict[str, Facts]:
    """What each readable file tells, by path; the others are left out."""
    facts = {}
    for file in walked.files:
        known = reader.read(file)
        if isinstance(known, Facts):
            facts[file.path] = known
        elif known:
            walked.leave_out(file.path, known)
    return facts


def _outside_store(models: list[Model], stored: list[Model], walked: Walk) -> list[Model]:
    """The folders' models whose name the store does not have.

    One that is the store's very file is the same model, and is found by the store's name.
    """
    if not stored:
        return models
    in_store = {lookup_key(model.id): model for model in stored}
    kept = []
    for model in models:
        other = in_store.get(model.id)
        if other is None:
            kept.append(model)
        elif other.fingerprint != model.fingerprint:
            walked.leave_out(str(model.path), f"{other.id} of the store has the same name")
    return kept


def _read(file: Found, cache: HeaderCache, steps: Steps) -> Known:
    """Read a file that is new or changed. "": it is gone. What the system refuses is not kept."""
    try:
        known: Known = read_facts(Path(file.target), steps)
    except GgufError as error:
        known = error.message
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    cache.put(file, known)
    return known


def _models(walked: Walk, facts: dict[str, Facts]) -> list[Model]:
    readable = [file for file in walked.files if file.path in facts]
    projectors = [
        Candidate(file, facts[file.path]) for file in readable if _is_projector(file, facts)
    ]
    weights: dict[str, Sisters] = {}
    for files in group(file for file in readable if not _is_projector(file, facts)):
        if why := problem(files, [facts[file.path] for file in files]):
            walked.leave_out(files[0].path, why)
        else:
            weights[files[0].path] = files
    firsts = [Candidate(files[0], facts[path]) for path, files in weights.items()]
    pairs, alone = pair(firsts, projectors)
    for projector in alone:
        walked.leave_out(
            projector.file.path,
            "a projector, and which model it is for cannot be told: name it mmproj-<model>.gguf",
        )
    return [
        _model(files, [facts[file.path] for file in files], pairs.get(path))
        for path, files in weights.items()
    ]


def _is_projector(file: Found, facts: dict[str, Facts]) -> bool:
    return facts[file.path].projector or file.name.lower().startswith("mmproj")


def _model(files: Sisters, facts: Sequence[Facts], projector: Candidate | None) -> Model:
    parts = [*files, projector.file] if projector else files
    can = facts[0].traits | (projector.facts.traits if projector else frozenset())
    return Model(
        id=model_id(files[0].name),
        path=Path(files[0].path),
        shards=tuple(Path(file.path) for file in files),
        projector=Path(projector.file.path) if projector else None,
        header=whole(facts),
        traits=can,
        size=sum(file.size for file in files),
        modified=max(file.mtime_ns for file in files) / 1e9,
        fingerprint=of_files(files, projector.file if projector else None),
        settings=_NO_SETTINGS,
        digest=shown_digest(parts, can),
    )


def _unique(models: list[Model], walked: Walk) -> list[Model]:
    """The models whose id is theirs."""
    taken: dict[str, Model] = {}
    for model in sorted(models, key=lambda model: str(model.path)):
        if not model.id:
            walked.leave_out(str(model.path), "its name has no letter or digit to call it by")
        elif winner := taken.get(model.id):
            walked.leave_out(str(model.path), f"{winner.path} has the same id, {model.id}")
        else:
            taken[model.id] = model
    return list(taken.values())
