"""From folders to models: walk, read what is new, put together what belongs together.

Rules, in this order: shards become one model, projectors go to the models they serve, and of two
models with one id the first in the order of their paths keeps it. Every file that claims to be a
GGUF and is no model is left out with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Event
from typing import Final

from paddock.config.model_entry import ModelEntry
from paddock.errors import GgufError
from paddock.library.cache import HeaderCache, Known
from paddock.library.facts import Facts, read_facts
from paddock.library.gguf_arrays import Steps
from paddock.library.model import LeftOut, Model
from paddock.library.naming import model_id
from paddock.library.projectors import Candidate, pair
from paddock.library.shards import Sisters, group, problem, whole
from paddock.library.walk import Found, Walk, walk


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in the folders at one moment."""

    models: tuple[Model, ...]
    """By id, without the owner's settings."""
    left_out: tuple[LeftOut, ...]
    """By path."""
    folders: frozenset[tuple[str, int, int]]
    """Path, device and inode of every folder that was looked into."""


NOTHING: Final = Scan((), (), frozenset())
"""Before the first look."""

_NO_SETTINGS: Final = ModelEntry()


class ScanStopped(Exception):
    """The scan was asked to stop."""


def scan(roots: Sequence[Path], cache: HeaderCache, stop: Event) -> Scan:
    """Look at all files under `roots`. Blocking, a fraction of a millisecond per known file.

    Raises ScanStopped between two files once `stop` is set, and nothing else.
    """
    walked = walk(roots)
    facts = _read_all(walked, cache, stop)
    models = _unique(_models(walked, facts), walked)
    return Scan(
        models=tuple(sorted(models, key=lambda model: model.id)),
        left_out=tuple(sorted(walked.left_out, key=lambda left: str(left.path))),
        folders=frozenset((path, *identity) for identity, path in walked.folders.items()),
    )


def _read_all(walked: Walk, cache: HeaderCache, stop: Event) -> dict[str, Facts]:
    """What each readable file tells, by path; the others are left out."""
    steps = Steps()
    facts = {}
    for file in walked.files:
        if stop.is_set():
            raise ScanStopped
        known = cache.get(file) or _read(file, cache, steps)
        if isinstance(known, Facts):
            facts[file.path] = known
        elif known:
            walked.leave_out(file.path, known)
    cache.keep_only({file.path for file in walked.files})
    cache.save()
    return facts


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
    return Model(
        id=model_id(files[0].name),
        path=Path(files[0].path),
        shards=tuple(Path(file.path) for file in files),
        projector=Path(projector.file.path) if projector else None,
        header=whole(facts),
        traits=facts[0].traits | (projector.facts.traits if projector else frozenset()),
        size=sum(file.size for file in files),
        modified=max(file.mtime_ns for file in files) / 1e9,
        fingerprint=_fingerprint(parts),
        settings=_NO_SETTINGS,
    )


def _fingerprint(files: Sequence[Found]) -> str:
    told = [(file.path, file.size, file.mtime_ns, file.inode) for file in files]
    return blake2b(repr(told).encode(), digest_size=16).hexdigest()


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
