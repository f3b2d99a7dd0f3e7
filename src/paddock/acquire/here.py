"""What of a hub's files is here already, under whatever name: then it need not come again."""

from __future__ import annotations

import asyncio
import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from typing import Final

from paddock.acquire.remote import RemoteFile
from paddock.errors import StoreError
from paddock.library.digest import Hashed, Stamp
from paddock.library.library import Library
from paddock.library.model import Model

_SMALL: Final = 16 << 20
"""Bytes up to which a file of git is looked at to tell whether it is the same."""
_SMALLEST: Final = 1 << 20
"""Of the folders' files, those below are not compared with what the hub has: they come quickly."""


async def is_same(library: Library, path: Path, file: RemoteFile) -> bool:
    """Whether the bytes at `path` are the file's. Reads them, unless they are known."""
    size = await asyncio.to_thread(_size, path)
    if size != file.size:
        return False
    if file.digest is not None:
        with suppress(StoreError):
            return (await library.hashes.sha256_of(path)).digest == file.digest
        return False
    if not file.git_sha1 or size > _SMALL:
        return False
    return await asyncio.to_thread(_git_sha1, path) == file.git_sha1.lower()


async def find(library: Library, file: RemoteFile, sizes: BySize) -> Hashed | None:
    """A file here that has the bytes, looked at now. None: they must come."""
    if file.digest is None:
        return None
    paths = [library.store.blob(file.digest)]
    if known := library.hashes.find(file.digest):
        paths.insert(0, known.path)
    if file.size >= _SMALLEST:
        paths += sizes.get(file.size, ())
    for path in dict.fromkeys(paths):
        if await asyncio.to_thread(_size, path) != file.size:
            continue
        with suppress(StoreError):
            hashed = await library.hashes.sha256_of(path)
            if hashed.digest == file.digest:
                return hashed
    return None


BySize = dict[int, list[Path]]
"""The library's files by their size in bytes."""


def by_size(models: Iterable[Model]) -> BySize:
    """The files of these models, but for the store's. Blocking."""
    sizes: BySize = defaultdict(list)
    for model in models:
        if model.recipe is not None:
            continue
        for path in (*model.shards, *filter(None, [model.projector])):
            size = _size(path)
            if size >= 0 and path not in sizes[size]:
                sizes[size].append(path)
    return sizes


def stamp(path: Path) -> Stamp:
    """How a file looks now. Blocking; raises OSError."""
    return Stamp.of(path.stat())


def _size(path: Path) -> int:
    """-1: no regular file."""
    with suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return status.st_size
    return -1


def _git_sha1(path: Path) -> str:
    """As git names a blob; "" when it cannot be read."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            data = file.read(_SMALL + 1)
        return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return ""
