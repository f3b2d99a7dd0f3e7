"""Whose the bytes are: by model, alone or shared, and what removing a model would give back.

A file may have several names: hard links of one inode, and symbolic links to it. Its bytes are free
again when the last hard link is gone, so that is what is counted, and a link from outside the
library counts too. Blocks that file systems share behind our back (reflinks, compression,
snapshots) are not told to anybody, so sizes are those that files claim.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from paddock.errors import InvalidManifest, UnknownModel
from paddock.library.catalog import Catalog
from paddock.library.manifest import Manifest
from paddock.library.naming import lookup_key
from paddock.library.store import Store

ELSEWHERE: Final = "another link to the same file"
"""Said instead of a model's name where no model of ours holds the same bytes, but somebody does."""


class Holder(NamedTuple):
    """A model, and every file that it needs."""

    name: str
    files: tuple[Path, ...]
    """As they are called, links not followed. Those that are absent do not count."""


class Share(NamedTuple):
    """What a model takes of the disk, in bytes."""

    name: str
    size: int
    """Of all its files, each once."""
    unique: int
    """That only this model holds."""
    shared: int
    """That something else holds too."""
    others: tuple[str, ...]
    """The models that share with it, and ELSEWHERE."""


class Sized(NamedTuple):
    """A file and its bytes."""

    path: Path
    size: int


class Kept(NamedTuple):
    """A file that stays when a model goes."""

    path: Path
    size: int
    others: tuple[str, ...]
    """Who needs it: models, and ELSEWHERE."""


class Removal(NamedTuple):
    """What removing a model would do."""

    name: str
    freed: int
    """Bytes that the disk has again."""
    files: tuple[Sized, ...]
    """Names that would go; bytes count once, and not where they stay under another name."""
    shared: tuple[Kept, ...]
    """Bytes that stay, though some lose this name, and because of whom."""
    breaks: tuple[str, ...]
    """Models that lead to a file that would go, by a symbolic link: they could run no more."""


class _File(NamedTuple):
    """The bytes behind a name."""

    identity: tuple[int, int]
    size: int
    links: int
    by_reference: bool
    """Whether the name is a symbolic link, and goes without the bytes."""
    place: str
    """The path without links."""


class Usage:
    """Who holds what at one moment. Made by looking at every file once: blocking."""

    def __init__(self, holders: Iterable[Holder]) -> None:
        self._holders = {holder.name: holder for holder in holders}
        self._files: dict[Path, _File] = {}
        self._by_path: dict[Path, set[str]] = defaultdict(set)
        self._by_identity: dict[tuple[int, int], set[str]] = defaultdict(set)
        for holder in self._holders.values():
            for path in holder.files:
                self._note(path, holder.name)
        self._known_links: dict[tuple[int, int], int] = defaultdict(int)
        for file in self._files.values():
            self._known_links[file.identity] += not file.by_reference

    @property
    def total(self) -> int:
        """Bytes of all files, each once."""
        return sum({file.identity: file.size for file in self._files.values()}.values())

    def inside(self, folder: Path) -> int:
        """Bytes of the files whose names are below a folder, each once."""
        below = {
            file.identity: file.size
            for path, file in self._files.items()
            if folder in path.parents and not file.by_reference
        }
        return sum(below.values())

    def shares(self) -> tuple[Share, ...]:
        """Every model's, the largest first."""
        found = (self._share(name) for name in self._holders)
        return tuple(sorted(found, key=lambda share: (-share.size, share.name)))

    def removal(self, name: str) -> Removal:
        """What removing this model would do. Raises UnknownModel."""
        if name not in self._holders:
            raise UnknownModel(name)
        own = self._own(name)
        going = [path for path in own if self._by_path[path] == {name}]
        gone = self._gone(going)
        kept = [path for path, file in own.items() if file.identity not in gone]
        return Removal(
            name=name,
            freed=sum(gone.values()),
            files=tuple(self._sized(going, gone)),
            shared=tuple(self._kept(kept, name)),
            breaks=tuple(sorted(self._led_to(going) - {name})),
        )

    def _note(self, path: Path, name: str) -> None:
        file = self._files.get(path) or _look(path)
        if file is not None:
            self._files[path] = file
            self._by_path[path].add(name)
            self._by_identity[file.identity].add(name)

    def _own(self, name: str) -> dict[Path, _File]:
        paths = dict.fromkeys(self._holders[name].files)
        return {path: self._files[path] for path in paths if path in self._files}

    def _gone(self, going: Sequence[Path]) -> dict[tuple[int, int], int]:
        """The bytes whose last hard link is among these names, with their sizes."""
        links: dict[tuple[int, int], int] = defaultdict(int)
        sizes = {}
        for path in going:
            file = self._files[path]
            links[file.identity] += not file.by_reference
            sizes[file.identity] = (file.size, file.links)
        return {one: size for one, (size, total) in sizes.items() if 0 < total == links[one]}

    def _led_to(self, going: Sequence[Path]) -> set[str]:
        """The models that have a symbolic link to one of these names."""
        files = (self._files[path] for path in going)
        places = {file.place for file in files if not file.by_reference}
        return {
            name
            for path, file in self._files.items()
            if file.by_reference and file.place in places
            for name in self._by_path[path]
        }

    def _share(self, name: str) -> Share:
        own = self._own(name)
        sizes = {file.identity: file.size for file in own.values()}
        others: set[str] = set()
        shared = 0
        for identity, file in {file.identity: file for file in own.values()}.items():
            holders = self._others(identity, file, name)
            others |= holders
            shared += sizes[identity] if holders else 0
        size = sum(sizes.values())
        return Share(name, size, size - shared, shared, tuple(sorted(others)))

    def _others(self, identity: tuple[int, int], file: _File, name: str) -> set[str]:
        outside = {ELSEWHERE} if file.links > self._known_links[identity] else set()
        return (self._by_identity[identity] - {name}) | outside

    def _sized(self, going: list[Path], gone: dict[tuple[int, int], int]) -> Iterable[Sized]:
        left = dict(gone)
        for path in going:
            file = self._files[path]
            yield Sized(path, 0 if file.by_reference else left.pop(file.identity, 0))

    def _kept(self, paths: list[Path], name: str) -> Iterable[Kept]:
        for path in paths:
            file = self._files[path]
            yield Kept(path, file.size, tuple(sorted(self._others(file.identity, file, name))))


def holders(catalog: Catalog, store: Store) -> tuple[Holder, ...]:
    """Every model of the library, and every name of the store that can be read. Blocking."""
    found = [
        Holder(model.id, (*model.shards, *((model.projector,) if model.projector else ())))
        for model in catalog.models.values()
        if model.path is not None and model.recipe is None
    ]
    return (*found, *_stored(store))


def resolve(name: str, known: Iterable[Holder]) -> Holder | None:
    """The holder that a name means, whatever its case, with or without `:latest`."""
    wanted = lookup_key(name)
    return next((holder for holder in known if lookup_key(holder.name) == wanted), None)


def _stored(store: Store) -> Iterable[Holder]:
    for name in sorted(store.names()):
        with suppress(InvalidManifest, OSError):
            digests = Manifest.parse(store.raw(name)).digests
            yield Holder(str(name), tuple(store.blob(digest) for digest in sorted(digests)))


def _look(path: Path) -> _File | None:
    """The bytes behind a name; None when there are none."""
    try:
        named = path.lstat()
        by_reference = stat.S_ISLNK(named.st_mode)
        status = path.stat() if by_reference else named
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    identity = (status.st_dev, status.st_ino)
    place = os.path.realpath(path)
    return _File(identity, status.st_size, status.st_nlink, by_reference, place)


class Room(NamedTuple):
    """The room that a folder's file system gives, in bytes. A ZFS dataset tells its own."""

    path: Path
    used: int
    """By models in this folder."""
    free: int
    """For us."""
    total: int
    """Of the file system, or of the dataset up to its quota."""


def room_of(folder: Path, used: int) -> Room:
    """What the file system tells of a folder, or of the nearest one above. Blocking."""
    for one in (folder, *folder.parents):
        with suppress(OSError):
            told = os.statvfs(one)
            return Room(folder, used, told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)
    return Room(folder, used, 0, 0)
