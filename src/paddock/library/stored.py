"""From the store's manifests to models: each name whose files are there and can be run.

What cannot be run is left out with its reason. Manifests and their texts are read again when the
manifest's file changed; blobs, which have their content's name, only have to be there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from paddock.config.model_entry import ModelEntry
from paddock.errors import InvalidManifest, InvalidName
from paddock.library import manifest as kinds
from paddock.library.digest import Digest, Stamp
from paddock.library.facts import Facts
from paddock.library.fingerprint import of_files
from paddock.library.manifest import MAX_BYTES, Layer, Manifest
from paddock.library.model import LeftOut, LoadOptions, Model, Recipe
from paddock.library.naming import lookup_key, showable
from paddock.library.ollama_name import OllamaName
from paddock.library.recipe_layers import load_options, read_recipe
from paddock.library.store import Store, read_small
from paddock.library.walk import Found

MOST: Final = 10_000
"""Names that are looked at."""
_DEPTH: Final = 3
"""Folders below `manifests` on the way to a tag: host, namespace, model."""
_NO_SETTINGS: Final = ModelEntry()

Read = Callable[[Found], Facts | str]
"""What a file's header tells, or why it is no model."""


class Shelved:
    """What is in the store at one moment."""

    __slots__ = ("files", "folders", "left_out", "models")

    def __init__(self) -> None:
        self.models: list[Model] = []
        self.left_out: list[LeftOut] = []
        self.folders: set[tuple[str, int, int]] = set()
        """Path, device and inode of every folder whose changes matter."""
        self.files: set[str] = set()
        """Paths of the blobs whose headers count."""


class _Told(NamedTuple):
    """What a manifest and its small layers say, and how its file looked."""

    stamp: Stamp
    manifest: Manifest
    digest: str
    recipe: Recipe
    options: LoadOptions


class Shelf:
    """Looks at one store again and again. Not for two threads at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._told: dict[str, _Told] = {}

    def look(self, read: Read) -> Shelved:
        """What is there now. Blocking; never raises. A store that is absent is empty."""
        shelved = Shelved()
        paths = self._manifests(shelved)
        names: dict[str, str] = {}
        for path in sorted(paths):
            try:
                model = self._model(path, read, shelved)
                _take_name(names, model.id)
            except FileNotFoundError:
                continue  # gone since the folder was read
            except InvalidManifest as error:
                shelved.left_out.append(_left_out(path, error.message))
            except OSError as error:
                reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
                shelved.left_out.append(_left_out(path, reason))
            else:
                shelved.models.append(model)
        self._told = {path: self._told[path] for path in paths if path in self._told}
        return shelved

    def _manifests(self, shelved: Shelved) -> set[str]:
        """The paths of all tags; notes the folders on the way."""
        paths: set[str] = set()
        waiting = [(str(self.store.manifests), 0)]
        while waiting and len(paths) <= MOST:
            path, depth = waiting.pop()
            for entry in _entries(path, shelved):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False) and depth < _DEPTH:
                    waiting.append((entry.path, depth + 1))
                elif depth == _DEPTH:
                    paths.add(entry.path)
                elif entry.is_symlink():
                    shelved.left_out.append(_left_out(entry.path, "a link, which is not followed"))
        return paths

    def _model(self, path: str, read: Read, shelved: Shelved) -> Model:
        """The model of one manifest. Raises InvalidManifest with the reason why it is none."""
        name = _name_of(path)
        told = self._read(path)
        manifest = told.manifest
        weights = self._file(_one(manifest), shelved)
        projectors = [self._file(one, shelved) for one in manifest.of_type(kinds.PROJECTOR)]
        adapters = [self._file(one, shelved) for one in manifest.of_type(kinds.ADAPTER)]
        facts = _facts(weights, read)
        eyes = [_facts_of_projector(one, read) for one in projectors[:1]]
        projector = projectors[0] if projectors else None
        return Model(
            id=str(name),
            path=Path(weights.path),
            shards=(Path(weights.path),),
            projector=Path(projector.path) if projector else None,
            header=facts.summary,
            traits=facts.traits.union(*(one.traits for one in eyes)),
            size=manifest.size,
            modified=told.stamp.mtime_ns / 1e9,
            fingerprint=of_files([weights], projector, adapters),
            settings=_NO_SETTINGS,
            recipe=told.recipe,
            adapters=tuple(Path(adapter.path) for adapter in adapters),
            options=told.options,
            digest=told.digest,
        )

    def _read(self, path: str) -> _Told:
        """What the manifest says, read again only when its file changed."""
        stamp = Stamp.of(os.stat(path, follow_symlinks=False))  # noqa: PTH116
        known = self._told.get(path)
        if known is not None and known.stamp == stamp:
            return known
        data = read_small(Path(path), MAX_BYTES)
        manifest = Manifest.parse(data)
        recipe = read_recipe(self.store, manifest)
        options = load_options(recipe.parameters)
        told = _Told(stamp, manifest, Digest.of(data).hex, recipe, options)
        self._told[path] = told
        return told

    def _file(self, layer: Layer, shelved: Shelved) -> Found:
        """The blob of a layer. Raises InvalidManifest when it is not whole."""
        blob = self.store.blob(layer.digest)
        shelved.files.add(str(blob))
        try:
            target = os.path.realpath(blob, strict=True)
            status = os.stat(target, follow_symlinks=False)  # noqa: PTH116
        except FileNotFoundError:
            raise InvalidManifest(f"its blob {layer.digest} is missing") from None
        if not stat.S_ISREG(status.st_mode):
            raise InvalidManifest(f"its blob {layer.digest} is not a regular file")
        if status.st_size != layer.size:
            raise InvalidManifest(
                f"its blob {layer.digest} has {status.st_size} bytes, and {layer.size} belong to it"
            )
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
        return Found(str(blob), blob.name, target, *stamp)


def _take_name(names: dict[str, str], name: str) -> None:
    first = names.setdefault(lookup_key(name), name)
    if first != name:
        raise InvalidManifest(f"{first} has the same name, but for its case")


def _one(manifest: Manifest) -> Layer:
    """The layer with the weights."""
    weights = manifest.of_type(kinds.MODEL)
    if len(weights) == 1:
        return weights[0]
    if weights:
        raise InvalidManifest(
            f"its weights are {len(weights)} files: llama.cpp finds the parts of a model by their "
            "names, which blobs do not have"
        )
    if manifest.of_type(kinds.TENSOR):
        raise InvalidManifest(
            "its weights are single tensors, not a GGUF, and llama.cpp loads none"
        )
    raise InvalidManifest("its manifest names no weights")


def _facts(weights: Found, read: Read) -> Facts:
    facts = read(weights)
    if isinstance(facts, str):
        raise InvalidManifest(facts or "its weights are gone")
    if facts.projector:
        raise InvalidManifest("a projector, and no weights that it could serve")
    if facts.patched:
        raise InvalidManifest(facts.patched)
    if facts.summary.split_count > 1:
        raise InvalidManifest(
            f"its weights are one of {facts.summary.split_count} parts: llama.cpp finds the others "
            "by their names, which blobs do not have"
        )
    return facts


def _facts_of_projector(projector: Found, read: Read) -> Facts:
    facts = read(projector)
    if isinstance(facts, str):
        raise InvalidManifest(f"its projector: {facts or 'it is gone'}")
    return facts


def _name_of(path: str) -> OllamaName:
    try:
        return OllamaName.of(*path.rsplit("/", 4)[1:])
    except InvalidName as error:
        raise InvalidManifest(error.message) from None


def _entries(path: str, shelved: Shelved) -> Sequence[os.DirEntry[str]]:
    try:
        status = os.stat(path)  # noqa: PTH116
        with os.scandir(path) as entries:
            shelved.folders.add((path, status.st_dev, status.st_ino))
            return list(entries)
    except FileNotFoundError:
        return ()
    except OSError as error:
        reason = f"this folder cannot be read: {(error.strerror or str(error)).lower()}"
        shelved.left_out.append(_left_out(path, reason))
        return ()


def _left_out(path: str, reason: str) -> LeftOut:
    return LeftOut(Path(showable(path)), reason)
