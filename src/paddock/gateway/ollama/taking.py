"""Files as parts of a model of the store: told apart, hashed, and taken in without a copy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from paddock.errors import GgufError, InvalidRequest, StoreError
from paddock.gateway.ollama.contained import inside
from paddock.gateway.ollama.progress import Status
from paddock.library import manifest as kinds
from paddock.library.digest import Digest, Hashed
from paddock.library.gguf import read_header
from paddock.library.header import Header
from paddock.library.library import Library
from paddock.library.manifest import Layer
from paddock.library.model import HeaderSummary, Model
from paddock.library.naming import lookup_key, showable
from paddock.library.ollama_name import OllamaName
from paddock.library.store import Store
from paddock.library.traits import is_projector
from paddock.tasks import cancel_and_wait, spawn


class Part(NamedTuple):
    """A file, and what it is of a model."""

    kind: str
    """The media type of its layer."""
    path: Path
    digest: Digest | None = None
    """Known of a blob; a file of the owner's is hashed."""
    header: HeaderSummary = HeaderSummary()


def check_free(library: Library, name: OllamaName, param: str, made_of: Path | None = None) -> None:
    """Raise InvalidRequest when a file of the owner's or a command has this name.

    A file may get its own name in the store: `made_of` is what the model is made of. Blocking.
    """
    holder = library.catalog.find(str(name))
    if (
        holder is None
        or holder.recipe is not None
        or lookup_key(holder.id) != lookup_key(str(name))
    ):
        return
    if made_of is not None and holder.path is not None and made_of.samefile(holder.path):
        return
    what = f"the file {holder.path}" if holder.path else "an entry of the configuration"
    raise InvalidRequest(
        f"{name} is the name of {what} already", param=param, hint="choose another name"
    )


def parts_of(model: Model) -> tuple[Part, ...]:
    """The files of a model that is not in the store. Raises InvalidRequest where that cannot be."""
    if model.path is None:
        raise InvalidRequest(
            f"{model.id} is a command of the configuration and has no file", param="from"
        )
    if len(model.shards) > 1:
        raise _sharded(model.id, len(model.shards))
    weights = Part(kinds.MODEL, model.path, header=model.header)
    eyes = (Part(kinds.PROJECTOR, model.projector),) if model.projector else ()
    adapters = (Part(kinds.ADAPTER, path) for path in model.adapters)
    return (weights, *eyes, *adapters)


def blob_part(store: Store, digest: Digest, place: str, *, adapter: bool = False) -> Part:
    """A blob as a part of a model. Blocking. Raises InvalidRequest that names `place`."""
    if not store.has(digest):
        raise InvalidRequest(
            f"`{place}`: the blob {digest} is not in the store",
            param=place,
            hint=f"send it with POST /api/blobs/{digest}",
        )
    return _part(store.blob(digest), digest, place, adapter=adapter)


def file_part(text: str, folders: Iterable[Path], place: str, *, adapter: bool = False) -> Part:
    """A file of the models folders as a part of a model. Blocking. Raises InvalidRequest."""
    path = Path(text)
    if "\0" in text or not path.is_absolute() or not inside(path, folders):
        raise InvalidRequest(
            f"`{place}`: {text[:200]!r} is not in a models folder",
            param=place,
            hint="send the file with POST /api/blobs/sha256:…, or move it into a models folder",
        )
    return _part(path, None, place, adapter=adapter)


def _part(path: Path, digest: Digest | None, place: str, *, adapter: bool) -> Part:
    header = _header(path, place)
    is_adapter = header.text("general.type") == "adapter"
    if is_adapter != adapter:
        wrong = "is a LoRA adapter: name it in `adapters`" if is_adapter else "is no LoRA adapter"
        raise InvalidRequest(f"`{place}` {wrong}", param=place)
    if (count := header.number("split.count")) > 1:
        raise _sharded(place, count)
    if is_adapter:
        return Part(kinds.ADAPTER, path, digest)
    kind = kinds.PROJECTOR if is_projector(header) else kinds.MODEL
    if not header.tensors:
        raise InvalidRequest(f"`{place}` is a vocabulary without weights", param=place)
    return Part(kind, path, digest, header.summary())


def _header(path: Path, place: str) -> Header:
    try:
        return read_header(Path(os.path.realpath(path)))
    except GgufError as error:
        hint = error.hint or "models are made of GGUF files; convert others with llama.cpp"
        raise InvalidRequest(f"`{place}`: {error.message}", param=place, hint=hint) from error
    except OSError as error:
        raise InvalidRequest(f"`{place}` cannot be read: {error.strerror}", param=place) from error


def _sharded(name: str, count: int) -> InvalidRequest:
    return InvalidRequest(
        f"{name} is split into {count} files, and a model of the store is one",
        param="from",
        hint="merge them with `llama-gguf-split --merge`, or leave them in the models folder and "
        "give the model settings under `models:`",
    )


async def hash_files(
    library: Library, parts: Iterable[Part], found: dict[Path, Hashed]
) -> AsyncGenerator[Status]:
    """Put what each file of the owner's holds into `found`, and tell which one is looked at.

    A file that was hashed before, and has not changed, takes no time. Raises StoreError.
    """
    for part in parts:
        if part.digest is not None:
            continue
        status = f"hashing {showable(part.path.name)}"
        yield {"status": status}
        steps: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()
        hashing = spawn(_hash(library, part.path, steps), name=f"hash {part.path.name}")
        try:
            while step := await steps.get():
                yield {"status": status, "completed": step[0], "total": step[1]}
            found[part.path] = _result(await hashing)
        finally:
            await cancel_and_wait([hashing])


async def _hash(
    library: Library, path: Path, steps: asyncio.Queue[tuple[int, int] | None]
) -> Hashed | StoreError:
    """Puts bytes read and bytes there are into `steps`, and None at the end."""
    try:
        return await library.hashes.sha256_of(path, lambda *step: steps.put_nowait(step))
    except StoreError as error:  # for whoever asked, and no crash of the task
        return error
    finally:
        steps.put_nowait(None)


def _result(hashed: Hashed | StoreError) -> Hashed:
    if isinstance(hashed, StoreError):
        raise hashed
    return hashed


def take_in(store: Store, parts: Iterable[Part], found: Mapping[Path, Hashed]) -> list[Layer]:
    """Make all parts blobs that are none yet; their layers. Blocking; with the store's lock.

    Raises StoreError.
    """
    layers = []
    for part in parts:
        if part.digest is not None:
            size = store.blob(part.digest).stat().st_size
            layers.append(Layer(part.kind, part.digest, size))
            continue
        hashed = found[part.path]
        store.adopt(hashed)
        layers.append(Layer(part.kind, hashed.digest, hashed.stamp.size))
    return layers
