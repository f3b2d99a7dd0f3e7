"""What is left of downloads and models, and nobody needs: found, and removed when asked to.

Ours are parts of files on their way that no pull goes on with, and blobs that no manifest names. Of
other programs only what Hugging Face's `hf download` forgot in a models folder: it never goes on
with it. What is young and may be another program's is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from paddock.errors import InvalidDigest, InvalidManifest
from paddock.library.digest import Digest
from paddock.library.manifest import MAX_BYTES, Manifest
from paddock.library.store import JOURNAL, PARTIAL, Store, read_small

_PART = re.compile(r"\..+\.part(?:\.json)?", re.DOTALL)
_HUB_CACHE: Final = (".cache", "huggingface", "download")
_ORPHAN: Final = ".incomplete"
_TEMPORARY: Final = (".adopt-", ".new-")
_SETTLED: Final = 3600.0
"""Seconds without a change after which another program is done with a file."""
_FORGOTTEN: Final = 24 * 3600.0
_UNIT: Final = 512
"""Bytes of the blocks that stat tells."""


class Remnant(NamedTuple):
    """A file that is of no model."""

    path: Path
    size: int
    """Bytes of the disk that it takes: a part has its whole length from the beginning."""
    why: str
    part: Path
    """The part that it is, or belongs to; else the path itself."""


def remnants(folders: Sequence[Path], store: Store, *, now: float | None = None) -> list[Remnant]:
    """Everything of that kind in the models folders and in a store of ours. Blocking.

    Those of pulls that are under way are among them: see `split`. Links are not followed.
    `now`: seconds since the epoch, for tests.
    """
    moment = datetime.now(UTC).timestamp() if now is None else now
    inside = {store.blobs.absolute(), store.manifests.absolute()}
    found = [one for folder in folders for one in _in_folder(folder.absolute(), inside, moment)]
    if store.blobs.is_dir() and store.writable:
        found += _in_store(store, moment)
    return sorted({one.path: one for one in found}.values())


def split(found: Iterable[Remnant], busy: Collection[Path]) -> tuple[list[Remnant], list[Remnant]]:
    """Those that belong to the parts of pulls under way, and those that nobody needs."""
    known = list(found)
    return [one for one in known if one.part in busy], [
        one for one in known if one.part not in busy
    ]


def remove(doomed: Iterable[Remnant]) -> list[Remnant]:
    """Remove these; gives those that are gone. Blocking; what cannot be removed stays."""
    return [one for one in doomed if _removed(one.path)]


def _removed(path: Path) -> bool:
    with suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
    return False


def _in_folder(folder: Path, passed_by: set[Path], now: float) -> Iterator[Remnant]:
    """Parts in a models folder and below. Hidden folders are not entered, but for the Hub's."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        yield from _forgotten(current.joinpath(*_HUB_CACHE), now)
        for entry in _entries(current):
            if _is_folder(entry):
                path = Path(entry.path)
                waiting += [] if entry.name.startswith(".") or path in passed_by else [path]
            elif _PART.fullmatch(entry.name):
                yield _part(Path(entry.path), _blocks(entry), "a download that was not finished")


def _forgotten(cache: Path, now: float) -> Iterator[Remnant]:
    """What `hf download --local-dir` left when it was ended: it never goes on with it."""
    waiting = [cache] if cache.is_dir() and not cache.is_symlink() else []
    while waiting:
        for entry in _entries(waiting.pop()):
            if _is_folder(entry):
                waiting.append(Path(entry.path))
            elif entry.name.endswith(_ORPHAN) and _age(entry, now) > _FORGOTTEN:
                why = "`hf download` was ended, and does not go on with it"
                yield Remnant(Path(entry.path), _blocks(entry), why, Path(entry.path))


def _in_store(store: Store, now: float) -> Iterator[Remnant]:
    needed = _needed(store)
    entries = {entry.name: entry for entry in _entries(store.blobs)}
    for name, entry in entries.items():
        path, age = Path(entry.path), _age(entry, now)
        digest, mark, rest = name.partition(PARTIAL)
        if name.startswith(_TEMPORARY):
            if age > _SETTLED:
                yield Remnant(path, _blocks(entry), "left by a program that was ended", path)
        elif not _is_digest(digest):
            continue
        elif mark:
            ours = rest == JOURNAL or (not rest and f"{name}{JOURNAL}" in entries)
            if ours or age > _SETTLED:
                yield _part(path, _blocks(entry), "a download that was not finished")
        elif needed is not None and digest not in needed and age > _SETTLED:
            yield Remnant(path, _blocks(entry), "no model needs it", path)


def _part(path: Path, size: int, why: str) -> Remnant:
    return Remnant(path, size, why, path.with_name(path.name.removesuffix(JOURNAL)))


def _needed(store: Store) -> frozenset[str] | None:
    """Names of all blobs that manifests name; None while one cannot be read: it may name any."""
    needed: set[str] = set()
    try:
        for folder, _, files in os.walk(store.manifests, onerror=_raise):
            for file in files:
                if not file.startswith("."):
                    manifest = Manifest.parse(read_small(Path(folder, file), MAX_BYTES))
                    needed |= {digest.file_name for digest in manifest.digests}
    except (InvalidManifest, OSError):
        return None
    return frozenset(needed)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_digest(name: str) -> bool:
    try:
        return Digest.parse(name).file_name == name
    except InvalidDigest:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):
        return entry.is_dir(follow_symlinks=False)
    return False


def _blocks(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_blocks * _UNIT
    return 0


def _age(entry: os.DirEntry[str], now: float) -> float:
    with suppress(OSError):
        return now - entry.stat(follow_symlinks=False).st_mtime
    return 0.0
