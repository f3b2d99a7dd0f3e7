"""`quantize` of `/api/create`: the weights of a model, written anew with fewer bits."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from paddock.config.nearest import nearest
from paddock.engine.engines import Engines
from paddock.engine.quantize import Quantizer
from paddock.errors import EngineMissing, GgufError, InvalidRequest, StoreError
from paddock.gateway.ollama.progress import Status
from paddock.library import manifest as kinds
from paddock.library.digest import Digest
from paddock.library.durable import flush_folder, make_folders, seal
from paddock.library.ggml_types import FILE_TYPES, FLOAT_TYPES
from paddock.library.gguf import read_header
from paddock.library.manifest import Layer
from paddock.library.model import HeaderSummary
from paddock.library.store import Store
from paddock.tasks import finished


class Quantized(NamedTuple):
    """Weights that were written anew and are not in the store yet."""

    file: Path
    digest: Digest
    header: HeaderSummary


class Job(NamedTuple):
    """Weights to write anew, and who does it."""

    quantizer: Quantizer
    tool: Path
    source: Path
    before: str
    """Its quantization, and the new one."""
    kind: str


class Quantizing:
    """Knows how weights are written anew."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def prepare(self, source: Path, header: HeaderSummary, kind: str) -> Job:
        """How to write `source`, which has this header, as `kind`. Blocking.

        Raises InvalidRequest when that cannot be done.
        """
        if kind not in FILE_TYPES.values():
            meant = nearest(kind, FILE_TYPES.values())
            raise InvalidRequest(
                f"unsupported quantization type {kind[:40]!r}",
                param="quantize",
                hint=f"did you mean {meant}?" if meant else "Q4_K_M is a good choice",
            )
        if header.quantization not in FLOAT_TYPES:
            raise InvalidRequest(
                "quantization is only supported for F16 and F32 models, and this one is "
                f"{header.quantization or 'of an unknown type'}",
                param="quantize",
            )
        try:
            quantizer = Quantizer(self._engines.named(self._engines.default()))
            return Job(quantizer, quantizer.tool(), source, header.quantization, kind)
        except EngineMissing as error:
            raise InvalidRequest(error.message, param="quantize", hint=error.hint) from error


async def quantize(job: Job, folder: Path, made: list[Quantized]) -> AsyncGenerator[Status]:
    """Write the weights anew into `folder`, tell how it goes, and add the file to `made`.

    Raises EngineError and StoreError.
    """
    size = (await asyncio.to_thread(job.source.stat)).st_size
    target = folder / "quantized.gguf"
    status = f"quantizing {job.before} model to {job.kind}"
    yield {"status": status}
    async with aclosing(job.quantizer.run(job.tool, job.source, target, job.kind)) as steps:
        async for done, of in steps:
            moved = size * done // of if of else 0
            yield {"status": status, "total": size, "completed": moved}
    yield {"status": "verifying conversion"}
    made.append(await finished(_looked_at, target))


def _looked_at(target: Path) -> Quantized:
    """What was written, made safe. Blocking."""
    try:
        header = read_header(target).summary()
        with target.open("rb") as file:
            digest = Digest(file_digest(file, "sha256").hexdigest())
            seal(file.fileno())
    except (GgufError, OSError) as error:
        raise StoreError(f"llama-quantize wrote no usable file: {error}") from error
    return Quantized(target, digest, header)


def scratch_folder(store: Store) -> Path:
    """A new folder on the store's disk. Blocking. Raises StoreError."""
    if not store.writable:
        raise StoreError(f"the store {store.root} cannot be written")
    try:
        make_folders(store.blobs)
        return Path(tempfile.mkdtemp(dir=store.blobs, prefix=".quantize-"))
    except OSError as error:
        raise StoreError(f"the store cannot be written: {error.strerror}") from error


def drop_folder(folder: Path) -> None:
    """Remove it with all in it. Blocking."""
    shutil.rmtree(folder, ignore_errors=True)


def keep(store: Store, quantized: Quantized) -> Layer:
    """Make the new weights a blob. Blocking; whoever holds the store's lock."""
    size = quantized.file.stat().st_size
    quantized.file.replace(store.blob(quantized.digest))
    flush_folder(store.blobs)
    return Layer(kinds.MODEL, quantized.digest, size)
