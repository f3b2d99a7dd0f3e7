"""The store of pulled and created models: Ollama's folder layout as it is.

    manifests/<host>/<namespace>/<model>/<tag>     JSON that names blobs
    blobs/sha256-<64 hex>                          bytes, named by what they are

Both programs can use one folder: everything is written as Ollama writes it, in one step each. A
store that somebody else owns is only read. Below `root` links are never followed when something is
written or removed; a blob may be a link to a file of the owner's, and only the link is removed.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from paddock.errors import (
    DigestMismatch,
    InvalidDigest,
    InvalidManifest,
    InvalidName,
    StoreError,
    StoreReadOnly,
    UnknownModel,
)
from paddock.library import adopt
from paddock.library.digest import Digest, Hashed
from paddock.library.durable import flush_folder, make_folders, replace, seal
from paddock.library.manifest import LICENSE, MAX_BYTES, MAX_TEXT, Layer, Manifest
from paddock.library.ollama_name import OllamaName

PARTIAL: Final = "-partial"
"""What the name of a blob on its way has after its digest."""
JOURNAL: Final = ".json"
"""What is added to that for the file that tells how far it is."""
_OLD: Final = 24 * 3600.0
"""Seconds after which nobody goes on with a partial blob."""
_NOT_FOLLOWED: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class Receiving:
    """A blob on its way into the store. Nothing has its name before `commit`."""

    def __init__(self, file: IO[bytes], temporary: Path, digest: Digest, blob: Path) -> None:
        self._file = file
        self._temporary = temporary
        self._digest = digest
        self._blob = blob
        self._hash = sha256()
        self.size = 0
        """Bytes so far."""
        self.committed = False

    def write(self, piece: bytes) -> None:
        """Take some more bytes. Blocking; raises StoreError when the disk does not take them."""
        with _told(f"the blob {self._digest} cannot be written"):
            self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def commit(self) -> None:
        """Give the blob its name. Blocking; raises DigestMismatch when the bytes are others."""
        if self._hash.hexdigest() != self._digest.hex:
            raise DigestMismatch(
                f"digest mismatch, expected {self._digest}, got sha256:{self._hash.hexdigest()}",
                hint="send the file again",
            )
        with _told(f"the blob {self._digest} cannot be written"):
            self._file.flush()
            seal(self._file.fileno())
            self._temporary.replace(self._blob)
            flush_folder(self._blob.parent)
        self.committed = True


class Store:
    """The store below `root`, which need not exist. Blocking; from any thread, one writer at once.

    Writing raises StoreReadOnly when the store is another program's, and StoreError when the disk
    refuses.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.manifests = self.root / "manifests"
        self.blobs = self.root / "blobs"

    @property
    def writable(self) -> bool:
        """Whether it is ours: nobody else owns it, and the system lets us write."""
        return not self._why_not()

    # --- names -----------------------------------------------------------------------------------

    def names(self) -> Iterator[OllamaName]:
        """Every name that has a manifest, in no particular order. Unreadable folders are empty."""
        for host in _folders(self.manifests):
            for namespace in _folders(host.path):
                for model in _folders(namespace.path):
                    for tag in _files(model.path):
                        parts = (host.name, namespace.name, model.name, tag.name)
                        with suppress(InvalidName):
                            yield OllamaName.of(*parts)

    def find(self, name: OllamaName) -> OllamaName | None:
        """The name as the store has it: case does not count, the same case wins. None: absent."""
        if _is_file(self.path_of(name)):
            return name
        wanted = tuple(part.casefold() for part in name)
        alike = (n for n in self.names() if tuple(part.casefold() for part in n) == wanted)
        return min(alike, default=None)

    def path_of(self, name: OllamaName) -> Path:
        """Where the manifest of exactly this name is."""
        return self.manifests / name.path

    def read(self, name: OllamaName) -> Manifest | None:
        """The manifest of a name, whatever its case. None: absent. Raises InvalidManifest."""
        found = self.find(name)
        return Manifest.parse(self.raw(found)) if found else None

    def raw(self, name: OllamaName) -> bytes:
        """The manifest's bytes, of exactly this name. Raises InvalidManifest."""
        return read_small(self.path_of(name), MAX_BYTES)

    def licenses(self, name: str) -> tuple[str, ...]:
        """The licences' texts of a name. Raises InvalidName and InvalidManifest."""
        manifest = self.read(OllamaName.parse(name))
        layers = manifest.of_type(LICENSE) if manifest else ()
        texts = (self.read_blob(layer.digest, MAX_TEXT) for layer in layers)
        return tuple(text.decode("utf-8", "replace") for text in texts)

    def write(self, name: OllamaName, manifest: Manifest) -> tuple[Digest, ...]:
        """Make a name lead to a manifest; a name that is there keeps its case.

        Gives the blobs that were let go: those of the manifest before that no other one names.
        """
        return self._write(name, manifest.to_json())

    def write_verbatim(self, name: OllamaName, data: bytes) -> tuple[Digest, ...]:
        """As `write`, with a manifest's bytes as a registry served them: its id is their digest."""
        return self._write(name, data)

    def copy(self, source: OllamaName, destination: OllamaName) -> tuple[Digest, ...]:
        """Make another name lead to the same manifest, byte for byte.

        Raises UnknownModel when there is no such source; gives what `write` gives.
        """
        found = self.find(source)
        if found is None:
            raise UnknownModel(str(source))
        return self._write(destination, self.raw(found))

    def remove(self, name: OllamaName) -> tuple[Digest, ...]:
        """Take a name away, and the blobs that no other manifest names; gives those.

        Raises UnknownModel.
        """
        found = self.find(name)
        if found is None:
            raise UnknownModel(str(name))
        self.check_writable()
        named = self._digests(found)
        path = self.path_of(found)
        self._check_inside(path)
        with _told(f"{found} cannot be removed"):
            path.unlink()
            flush_folder(path.parent)
        self._drop_empty_folders(path.parent)
        return self.drop(named)

    def _write(self, name: OllamaName, data: bytes) -> tuple[Digest, ...]:
        self.check_writable()
        before = self.find(name)
        old = self._digests(before) if before else frozenset()
        path = self.path_of(before or name)
        self._check_inside(path)
        with _told(f"the manifest of {name} cannot be written"):
            make_folders(path.parent)
            replace(path, data, beside=self.manifests)
        return self.drop(old) if old else ()

    def _digests(self, name: OllamaName) -> frozenset[Digest]:
        """What a name's manifest names; nothing when it cannot be read: then nothing is let go."""
        with suppress(InvalidManifest):
            return Manifest.parse(self.raw(name)).digests
        return frozenset()

    def _drop_empty_folders(self, folder: Path) -> None:
        while folder != self.manifests and self.manifests in folder.parents:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    # --- blobs -----------------------------------------------------------------------------------

    def blob(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.blobs / digest.file_name

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there, as a file or as a link to one."""
        with suppress(OSError):
            return self.blob(digest).is_file()
        return False

    def read_blob(self, digest: Digest, limit: int) -> bytes:
        """A small blob's bytes. Raises InvalidManifest when it is missing, or larger than that."""
        return read_small(self.blob(digest), limit)

    def put(self, data: bytes, media_type: str) -> Layer:
        """Keep these few bytes as a blob; gives its layer."""
        digest = Digest.of(data)
        if not self._has_whole(digest, len(data)):
            self.check_writable()
            with _told(f"the blob {digest} cannot be written"):
                make_folders(self.blobs)
                replace(self.blob(digest), data, beside=self.blobs)
        return Layer(media_type, digest, len(data))

    @contextmanager
    def receive(self, digest: Digest) -> Iterator[Receiving]:
        """Take a blob piece by piece; without `commit` nothing of it stays."""
        self.check_writable()
        blob = self.blob(digest)
        with _told(f"the blob {digest} cannot be written"):
            make_folders(self.blobs)
            handle, temporary = tempfile.mkstemp(
                dir=self.blobs, prefix=f"{digest.file_name}{PARTIAL}-"
            )
        try:
            with os.fdopen(handle, "wb") as file:
                yield Receiving(file, Path(temporary), digest, blob)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def adopt(self, hashed: Hashed) -> adopt.How:
        """Make a file of the owner's a blob without copying it: see `library/adopt.py`."""
        blob = self.blob(hashed.digest)
        if self.has(hashed.digest) and (not blob.is_symlink() or adopt.is_same(hashed, blob)):
            return adopt.How.PRESENT
        self.check_writable()
        with _told(f"{hashed.path} cannot become a part of the store"):
            make_folders(self.blobs)
            return adopt.adopt(hashed, blob)

    def drop(self, digests: Iterable[Digest]) -> tuple[Digest, ...]:
        """Remove those of the blobs that no manifest names; gives them.

        As long as one manifest cannot be read nothing is removed: it may name any of them.
        """
        self.check_writable()
        doomed = set(digests)
        try:
            for name in self._all_manifests():
                doomed -= Manifest.parse(read_small(name, MAX_BYTES)).digests
        except (InvalidManifest, OSError):
            return ()
        return tuple(digest for digest in sorted(doomed) if self._unlink(self.blob(digest)))

    def prune(self) -> None:
        """Remove partial blobs that nobody went on with for a day, if the store is ours.

        Those with a journal beside them stay: a pull goes on with them, however late.
        """
        if not self.blobs.is_dir() or not self.writable:
            return
        now = datetime.now(UTC).timestamp()
        entries = _entries(self.blobs)
        journals = {entry.name for entry in entries if entry.name.endswith(JOURNAL)}
        kept = {*journals, *(name.removesuffix(JOURNAL) for name in journals)}
        for entry in entries:
            if entry.name in kept:
                continue
            digest, mark, _ = entry.name.partition(PARTIAL)
            with suppress(InvalidDigest, OSError):
                age = now - entry.stat(follow_symlinks=False).st_mtime
                if mark and Digest.parse(digest) and age > _OLD:
                    self._unlink(Path(entry.path))

    def _has_whole(self, digest: Digest, size: int) -> bool:
        with suppress(OSError):
            status = self.blob(digest).stat(follow_symlinks=False)
            return stat.S_ISREG(status.st_mode) and status.st_size == size
        return False

    def _unlink(self, path: Path) -> bool:
        """Whether this name is gone now that was there. What a link leads to stays."""
        self._check_inside(path)
        with suppress(OSError):
            path.unlink()
            return True
        return False

    def _all_manifests(self) -> Iterator[Path]:
        """Everything below the manifests folder, whatever its name and depth. Raises OSError."""
        waiting = [self.manifests] if self.manifests.is_dir() else []
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif not entry.name.startswith("."):
                        yield Path(entry.path)

    # --- whose it is -----------------------------------------------------------------------------

    def check_writable(self) -> None:
        """Raise StoreReadOnly, with the reason, when it is not ours."""
        if why := self._why_not():
            raise StoreReadOnly(
                f"the store {self.root} is only read: {why}",
                hint="set ollama.models to a folder of Paddock's own, or manage these models with "
                "the program that owns them",
            )

    def _why_not(self) -> str:
        """Why nothing may be written here; "" when it may."""
        try:
            return self._owner_says()
        except OSError as error:
            return f"{self.root} cannot be looked at: {(error.strerror or str(error)).lower()}"

    def _owner_says(self) -> str:
        existing = [folder for folder in (self.root, self.manifests, self.blobs) if folder.exists()]
        for folder in existing:
            if folder != self.root and folder.is_symlink():
                return f"{folder} is a link"
            if folder.stat().st_uid != os.geteuid():
                return f"{folder} belongs to another user"
        for folder in existing or [_nearest(self.root)]:
            if not os.access(folder, os.W_OK | os.X_OK):
                return f"{folder} cannot be written"
        return ""

    def _check_inside(self, path: Path) -> None:
        """Raise StoreReadOnly when a link below `root` is on the way to `path`."""
        if Path(os.path.realpath(path.parent)) != Path(
            os.path.realpath(self.root), path.parent.relative_to(self.root)
        ):
            raise StoreReadOnly(f"{path.parent} is reached by a link, so nothing is changed there")


def room(folder: Path) -> int:
    """Bytes that are free where the folder is, or would be."""
    return shutil.disk_usage(_nearest(folder)).free


def read_small(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes; links are not followed.

    Raises InvalidManifest, which says what is wrong with it.
    """
    try:
        fd = os.open(path, _NOT_FOLLOWED)
    except OSError as error:
        reason = "a link" if error.errno == errno.ELOOP else error.strerror or str(error)
        raise InvalidManifest(f"{path.name} cannot be read: {reason.lower()}") from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidManifest(f"{path.name} is not a regular file")
        if status.st_size > limit:
            raise InvalidManifest(f"{path.name} is larger than {limit} bytes")
        with os.fdopen(os.dup(fd), "rb") as file:
            return file.read(limit)
    finally:
        os.close(fd)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Tell what the system refuses as an error of ours."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StoreError(
            f"{what}: {error.strerror or error}", hint="make room on that disk" if full else ""
        ) from error


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without hidden names; nothing when it cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]
    return []


def _folders(folder: str | Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]


def _files(folder: str) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder) if not entry.is_dir(follow_symlinks=False)]


def _is_file(path: Path) -> bool:
    with suppress(OSError):
        return not stat.S_ISDIR(path.lstat().st_mode)
    return False


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    return next(one for one in (folder, *folder.parents) if one.exists())
