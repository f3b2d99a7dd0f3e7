"""What a pull will do, file by file, before it does anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from paddock.acquire import here, targets
from paddock.acquire.placing import CannotPlace, landing, part_of
from paddock.acquire.remote import RemoteFile
from paddock.acquire.room import missing
from paddock.errors import InvalidManifest
from paddock.library.digest import Hashed
from paddock.library.library import Library
from paddock.library.manifest import Manifest
from paddock.library.ollama_name import OllamaName
from paddock.library.store import room

Headers = Callable[[], Awaitable[Mapping[str, str]]]


class Stored(NamedTuple):
    """A model of a registry: what the store will have."""

    name: OllamaName
    data: bytes
    """The manifest as it was served, which is what its id is made of."""
    manifest: Manifest


class Listing(NamedTuple):
    """What a request leads to at a hub."""

    name: str
    """A name that leads to the same again."""
    note: str
    """What was chosen, and why, where nobody said exactly."""
    files: tuple[RemoteFile, ...]
    headers: Callable[[RemoteFile], Headers]
    """What a file is asked for with."""
    page: str = ""
    """Where people read about it, and ask for access."""
    repository: str = ""
    """`user/repo` at Hugging Face, or a host; empty for a registry's model."""
    revision: str = ""
    """The commit, where there is one."""
    stored: Stored | None = None
    """Set for a registry's model, which comes into the store."""


class How(StrEnum):
    """How a file gets its place."""

    FETCH = "fetch"
    RESUME = "resume"
    """Some of it came before."""
    LINK = "link"
    """The bytes are here under another name."""
    HERE = "here"


class Item(NamedTuple):
    """One file of a plan."""

    file: RemoteFile
    target: Path
    how: How
    in_store: bool = False
    source: Hashed | None = None
    """What to link, where it is that."""

    @property
    def part(self) -> Path:
        """Where its bytes are until they are whole."""
        return part_of(self.target, in_store=self.in_store)

    @property
    def comes(self) -> bool:
        """Whether bytes of it come over the line."""
        return self.how in {How.FETCH, How.RESUME}


class Plan(NamedTuple):
    """All files of a pull, with their places."""

    listing: Listing
    folder: Path
    """Where they come to: the models folder, or the store's blobs."""
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(item.file.size for item in self.items)

    @property
    def fetch(self) -> int:
        """Bytes of the files that come over the line, with what came of them before."""
        return sum(item.file.size for item in self.items if item.comes)

    def needed(self) -> int:
        """Bytes that it will still take on the disk. Blocking."""
        return sum(missing(item.part, item.file.size) for item in self.items if item.comes)

    def told(self, quota_left: int | None) -> dict[str, Any]:
        """As clients are told it. Blocking."""
        free = room(self.folder)
        return {
            "name": self.listing.name,
            "note": self.listing.note,
            "free": free,
            "left": free - self.needed(),
            "quota": quota_left,
            "total": self.total,
            "fetch": self.fetch,
            "files": [
                {
                    "path": item.file.path,
                    "size": item.file.size,
                    "target": str(item.target),
                    "how": str(item.how),
                }
                for item in self.items
            ],
        }


async def make(listing: Listing, library: Library, models_dirs: list[Path]) -> Plan:
    """The plan for a listing, by what is here now.

    It may have to read files whose digest nobody knows: some seconds for each that could be the
    same. Raises AcquireError.
    """
    if listing.stored is not None:
        return await _for_store(listing, library)
    folder = await asyncio.to_thread(landing, models_dirs)
    sizes = await asyncio.to_thread(here.by_size, library.catalog.models.values())
    names = targets.names_of(listing.files, listing.repository)
    items = await _placed(listing, library, folder, names, sizes)
    if any(item is None for item in items):
        others = {path: targets.with_publisher(n, listing.repository) for path, n in names.items()}
        items = await _placed(listing, library, folder, others, sizes)
    for item, file in zip(items, listing.files, strict=True):
        if item is None:
            raise CannotPlace(
                f"{folder / names[file.path]} is another file",
                hint="move it away or remove its model, and pull again",
            )
    return Plan(listing, folder, tuple(item for item in items if item is not None))


async def _placed(
    listing: Listing,
    library: Library,
    folder: Path,
    names: Mapping[str, str],
    sizes: here.BySize,
) -> list[Item | None]:
    """The files with these names in the folder; None for one whose name another file has."""
    items: list[Item | None] = []
    for file in listing.files:
        target = folder / names[file.path]
        if not await asyncio.to_thread(os.path.lexists, target):
            items.append(await _item(library, file, target, sizes, in_store=False))
        elif await here.is_same(library, target, file):
            items.append(Item(file, target, How.HERE))
        else:
            items.append(None)
    return items


async def _for_store(listing: Listing, library: Library) -> Plan:
    store = library.store
    await asyncio.to_thread(store.check_writable)
    sizes = await asyncio.to_thread(here.by_size, library.catalog.models.values())
    items = []
    for file in listing.files:
        if file.digest is None:
            raise InvalidManifest(f"{file.path} has no digest")
        target = store.blob(file.digest)
        if await here.is_same(library, target, file):
            items.append(Item(file, target, How.HERE, in_store=True))
        else:
            items.append(await _item(library, file, target, sizes, in_store=True))
    return Plan(listing, store.blobs, tuple(items))


async def _item(
    library: Library, file: RemoteFile, target: Path, sizes: here.BySize, *, in_store: bool
) -> Item:
    source = await here.find(library, file, sizes)
    if source is not None and await asyncio.to_thread(_can_link, source.path, target, in_store):
        return Item(file, target, How.LINK, in_store, source)
    part = part_of(target, in_store=in_store)
    came = await asyncio.to_thread(os.path.lexists, part)
    return Item(file, target, How.RESUME if came else How.FETCH, in_store)


def _can_link(source: Path, target: Path, in_store: bool) -> bool:
    """The store may refer to a file on another disk; a models folder may not."""
    folder = next(one for one in target.parents if one.exists())
    return in_store or source.stat().st_dev == folder.stat().st_dev
