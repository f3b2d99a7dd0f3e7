"""`/api/create`: a model of the store, made from another model or from files.

What is made shares the bytes of what it is made from: weights are never rewritten, unless another
quantization is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from paddock.config.current import Current
from paddock.errors import InvalidRequest, StoreError
from paddock.gateway.body import parse_json_async
from paddock.gateway.door import sent_body
from paddock.gateway.event_stream import EventStreams
from paddock.gateway.ollama import create_request, fields, progress
from paddock.gateway.ollama.create_layers import Base, base_of, config_of, make
from paddock.gateway.ollama.create_request import Wanted
from paddock.gateway.ollama.progress import SUCCESS, Status
from paddock.gateway.ollama.quantizing import (
    Quantized,
    Quantizing,
    drop_folder,
    keep,
    quantize,
    scratch_folder,
)
from paddock.gateway.ollama.taking import (
    Part,
    blob_part,
    check_free,
    file_part,
    hash_files,
    parts_of,
    take_in,
)
from paddock.gateway.ollama.transfer import Transfer
from paddock.gateway.routes import Call, Route
from paddock.library import manifest as kinds
from paddock.library.digest import Hashed
from paddock.library.library import Library
from paddock.library.manifest import Layer
from paddock.library.model import HeaderSummary
from paddock.library.ollama_name import OllamaName
from paddock.tasks import finished

BODY_BYTES: Final = 16 << 20


class Plan(NamedTuple):
    """What a model will be made of. Nothing was changed yet."""

    base: Base
    parts: tuple[Part, ...]
    """Files, in place of the base's of their kinds."""
    weights: Path
    header: HeaderSummary
    """Of the weights."""


class Create:
    """Makes models."""

    def __init__(
        self,
        current: Current,
        library: Library,
        transfer: Transfer,
        quantizing: Quantizing,
        streams: EventStreams,
    ) -> None:
        """`transfer` brings a base in that is not here."""
        self._current = current
        self._library = library
        self._transfer = transfer
        self._quantizing = quantizing
        self._streams = streams

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (Route("POST", "/api/create", self.create),)

    async def create(self, call: Call) -> web.StreamResponse:
        """Make a model, and tell how it goes."""
        body = await parse_json_async(await sent_body(call.request, BODY_BYTES))
        stream = fields.truth(body, "stream", default=True)
        wanted = await asyncio.to_thread(create_request.read, body)
        return await progress.answer(call, self.made(wanted), self._streams, stream=stream)

    async def made(self, wanted: Wanted) -> AsyncGenerator[Status]:
        """Make a model; the last status is told once it can be asked for.

        Raises InvalidRequest and UnknownModel before anything is changed, later StoreError,
        LibraryError and EngineError. Closing it leaves no half a model.
        """
        if wanted.base and self._library.catalog.find(wanted.base) is None:
            async with aclosing(self._transfer.brought(wanted.base)) as statuses:
                async for status in statuses:
                    if status != SUCCESS:
                        yield status
        plan = await asyncio.to_thread(self._checked, wanted)
        async with aclosing(self._built(plan, wanted)) as statuses:
            async for status in statuses:
                yield status
        await self._library.rescan()
        _check_usable(self._library, wanted.name)
        yield SUCCESS

    async def _built(self, plan: Plan, wanted: Wanted) -> AsyncGenerator[Status]:
        if not wanted.quantize:
            async with aclosing(self._written(plan, wanted, None)) as statuses:
                async for status in statuses:
                    yield status
            return
        job = await asyncio.to_thread(
            self._quantizing.prepare, plan.weights, plan.header, wanted.quantize
        )
        folder = await finished(scratch_folder, self._library.store)
        made: list[Quantized] = []
        try:
            async with aclosing(quantize(job, folder, made)) as statuses:
                async for status in statuses:
                    yield status
            async with aclosing(self._written(plan, wanted, made[0])) as statuses:
                async for status in statuses:
                    yield status
        finally:
            await finished(drop_folder, folder)

    async def _written(
        self, plan: Plan, wanted: Wanted, quantized: Quantized | None
    ) -> AsyncGenerator[Status]:
        parts = plan.parts
        if quantized:
            parts = tuple(part for part in parts if part.kind != kinds.MODEL)
        hashes: dict[Path, Hashed] = {}
        async with aclosing(hash_files(self._library, parts, hashes)) as statuses:
            async for status in statuses:
                yield status
        async with self._library.changing() as store:
            layers = await finished(take_in, store, parts, hashes)
            if quantized:
                layers.append(await finished(keep, store, quantized))
            header = quantized.header if quantized else plan.header
            base = _completed(plan.base, layers, header)
            made = await finished(make, store, base, wanted)
            for text in made.statuses:
                yield {"status": text}
            yield {"status": "writing manifest"}
            await finished(store.write, wanted.name, made.manifest)

    # --- what it is made of

    def _plan(self, wanted: Wanted) -> Plan:
        """Look at everything that a model will be made of. Blocking.

        Raises InvalidRequest, and UnknownModel for a base that is not there.
        """
        store, folders = self._library.store, self._current.config.models_dir
        base, parts = self._of_base(wanted.base) if wanted.base else (Base((), {}), ())
        given = [
            *(blob_part(store, to, f"files.{name}") for name, to in wanted.files.items()),
            *(file_part(to, folders, f"paths.{name}") for name, to in wanted.paths.items()),
            *(
                blob_part(store, to, f"adapters.{name}", adapter=True)
                for name, to in wanted.adapters.items()
            ),
            *(
                file_part(to, folders, f"adapter_paths.{name}", adapter=True)
                for name, to in wanted.adapter_paths.items()
            ),
        ]
        _check_given(given, has_base=bool(wanted.base))
        replaced = {part.kind for part in given}
        parts = (*(part for part in parts if part.kind not in replaced), *given)
        weights = next((part for part in parts if part.kind == kinds.MODEL), None)
        if weights is not None:
            return Plan(base, parts, weights.path, weights.header)
        model = self._library.resolve(wanted.base)
        return Plan(base, parts, model.path or Path(), model.header)

    def _checked(self, wanted: Wanted) -> Plan:
        """The plan, if the model may have its name. Blocking; raises as `_plan` does."""
        plan = self._plan(wanted)
        check_free(self._library, wanted.name, "model", plan.weights)
        return plan

    def _of_base(self, name: str) -> tuple[Base, tuple[Part, ...]]:
        """Another model as a base: of the store its layers, else its files."""
        model = self._library.resolve(name)
        if model.recipe is None:
            return Base((), {}), parts_of(model)
        manifest = self._library.store.read(OllamaName.parse(model.id))
        if manifest is None:
            raise InvalidRequest(f"the base {model.id} is gone", param="from")
        return base_of(self._library.store, manifest), ()


def _check_usable(library: Library, name: OllamaName) -> None:
    """Raise StoreError when the library has no use for what was made."""
    if library.catalog.find(str(name)) is not None:
        return
    path = library.store.path_of(name)
    reasons = (left.reason for left in library.catalog.left_out if left.path == path)
    raise StoreError(f"{name} was made and cannot be run: {next(reasons, 'it is not there')}")


def _check_given(given: list[Part], *, has_base: bool) -> None:
    """Raises InvalidRequest for files that make no model, or more than one."""
    weights = sum(part.kind == kinds.MODEL for part in given)
    if weights > 1:
        raise InvalidRequest("`files` hold the weights of more than one model", param="files")
    if has_base and weights:
        raise InvalidRequest("`files` hold weights, and `from` has its own", param="files")
    if not has_base and not weights:
        raise InvalidRequest("`files` hold no model's weights", param="files")
    if sum(part.kind == kinds.PROJECTOR for part in given) > 1:
        raise InvalidRequest("`files` hold more than one projector", param="files")


def _completed(base: Base, layers: list[Layer], header: HeaderSummary) -> Base:
    """The base with these layers in place of its own of their kinds."""
    replaced = {layer.media_type for layer in layers}
    kept = [layer for layer in base.layers if layer.media_type not in replaced]
    whole = (*layers, *kept)
    config: Mapping[str, object] = base.config
    if kinds.MODEL in replaced or kinds.PROJECTOR in replaced:
        sees = any(layer.media_type == kinds.PROJECTOR for layer in whole)
        config = {**config, **config_of(header, sees=sees)}
    return Base(whole, config)
