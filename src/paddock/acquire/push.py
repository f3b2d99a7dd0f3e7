"""Giving a model of the store to a registry: what it lacks of the blobs, then the manifest.

Blobs go in pieces from the disk, so that a broken connection costs one piece; the registry says how
far it is. The manifest goes last and as it is, so the model there has the same identity.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from paddock.acquire.addresses import joined, origin_of
from paddock.acquire.ollama_registry import OCI_TYPE, Registry, repository_of
from paddock.acquire.patience import patiently
from paddock.acquire.web import Answer, Body
from paddock.errors import (
    AcquireError,
    AddressRefused,
    HubBroken,
    HubUnreachable,
    InvalidName,
    NotThere,
    StoreError,
    UnknownModel,
)
from paddock.library.manifest import MEDIA_TYPE, Layer, Manifest
from paddock.library.ollama_name import OllamaName
from paddock.library.store import Store

PIECE_BYTES: Final = 16 << 20
"""Of a blob, in one request."""
_READ_BYTES: Final = 1 << 20
_SHOWN_DIGITS: Final = 12
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")

Status = dict[str, Any]
"""What Ollama tells: `status`, and of a blob `digest`, `total` and `completed` bytes."""


async def push(
    registry: Registry, store: Store, name: OllamaName, *, piece_bytes: int = PIECE_BYTES
) -> AsyncGenerator[Status]:
    """Push the model of a name to the registry, under the same namespace, model and tag.

    Tells how it goes; the last status is `success`. Cancelling leaves at most blobs there that
    nothing names. Raises UnknownModel, StoreError, and what `Registry.manifest` raises.
    """
    yield {"status": "retrieving manifest"}
    data, manifest = await asyncio.to_thread(_read, store, name)
    sent = set()
    for layer in (*manifest.layers, manifest.config):
        if layer.digest not in sent:
            sent.add(layer.digest)
            async for completed in _Upload(registry, name, layer, store, piece_bytes).steps():
                yield {
                    "status": f"pushing {layer.digest.hex[:_SHOWN_DIGITS]}",
                    "digest": str(layer.digest),
                    "total": layer.size,
                    "completed": completed,
                }
    yield {"status": "pushing manifest"}
    await patiently(lambda: _put_manifest(registry, name, data), registry.pauses)
    yield {"status": "success"}


def _read(store: Store, name: OllamaName) -> tuple[bytes, Manifest]:
    """The manifest of a name. Blocking."""
    found = store.find(name)
    if found is None:
        raise UnknownModel(str(name))
    data = store.raw(found)
    return data, Manifest.parse(data)


async def _put_manifest(registry: Registry, name: OllamaName, data: bytes) -> None:
    url = f"{registry.base}/v2/{repository_of(name)}/manifests/{name.tag}"
    headers = {"Content-Type": _media_type(data)}
    async with registry.ask(name, url, method="PUT", headers=headers, body=data) as answer:
        if answer.status not in {200, 201, 202}:
            raise _refusal(registry, answer, name, "push manifest")


def _media_type(manifest: bytes) -> str:
    told = json.loads(manifest).get("mediaType")
    return told if told in (MEDIA_TYPE, OCI_TYPE) else MEDIA_TYPE


class _Upload:
    """One blob on its way to a registry."""

    def __init__(
        self, registry: Registry, name: OllamaName, layer: Layer, store: Store, piece_bytes: int
    ) -> None:
        self._registry = registry
        self._name = name
        self._layer = layer
        self._path = store.blob(layer.digest)
        self._piece_bytes = piece_bytes
        self._blobs = f"{registry.base}/v2/{repository_of(name)}/blobs"
        self._where = ""
        """The address of the upload, as the registry told it last."""
        self._done = 0

    async def steps(self) -> AsyncIterator[int]:
        """Bring the blob there; yields the bytes that are, from 0 or the last time."""
        if await patiently(self._is_there, self._registry.pauses):
            yield self._layer.size
            return
        await asyncio.to_thread(_check_file, self._path, self._layer)
        if await patiently(self._begin, self._registry.pauses):
            yield self._layer.size
            return
        yield 0
        while self._done < self._layer.size:
            await self._some()
            yield self._done
        await self._finish()

    async def _is_there(self) -> bool:
        url = f"{self._blobs}/{self._layer.digest}"
        async with self._registry.ask(self._name, url, method="HEAD") as answer:
            if answer.status == 404:
                return False
            if answer.status != 200:
                raise self._refused(answer)
            return True

    async def _begin(self) -> bool:
        """Open an upload. True: the registry took the blob from another repository of its own."""
        url = f"{self._blobs}/uploads/{self._mount()}"
        async with self._registry.ask(self._name, url, method="POST") as answer:
            if answer.status == 201:
                return True
            if answer.status != 202:
                raise self._refused(answer)
            self._move_to(answer, url)
        self._done = 0
        return False

    def _mount(self) -> str:
        with suppress(InvalidName):
            if self._layer.from_:
                source = repository_of(OllamaName.parse(self._layer.from_))
                return f"?mount={self._layer.digest}&from={quote(source, safe='')}"
        return ""

    async def _some(self) -> None:
        """Send the next piece, or find out how far the registry is and send it again."""
        before = self._done
        for pause in (*self._registry.pauses, None):
            try:
                await self._send()
            except HubUnreachable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
                await self._look()
            if self._done > before:
                return
        raise HubUnreachable(f"{self._registry.origin.host} takes nothing more of the blob")

    async def _send(self) -> None:
        end = min(self._done + self._piece_bytes, self._layer.size)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - self._done),
            "Content-Range": f"{self._done}-{end - 1}",
        }
        body = _reader(self._path, self._done, end)
        where = self._where
        async with self._registry.ask(
            self._name, where, method="PATCH", headers=headers, body=body
        ) as answer:
            if answer.status == 416:
                raise HubUnreachable("the registry is further, or not so far")
            if answer.status not in {202, 204}:
                raise self._refused(answer)
            self._move_to(answer, where)
            self._done = self._told(answer, end)

    async def _look(self) -> None:
        """Ask how far the registry is; an upload that it does not know any more begins again."""
        where = self._where
        async with self._registry.ask(self._name, where) as answer:
            if answer.status == 204:
                self._move_to(answer, where)
                self._done = self._told(answer, 0)
                return
            if answer.status != 404:
                raise self._refused(answer)
        await self._begin()

    async def _finish(self) -> None:
        mark = "&" if "?" in self._where else "?"
        url = f"{self._where}{mark}digest={self._layer.digest}"
        headers = {"Content-Length": "0", "Content-Type": "application/octet-stream"}
        async with self._registry.ask(self._name, url, method="PUT", headers=headers) as answer:
            if answer.status == 400:
                raise StoreError(
                    f"the blob {self._layer.digest} is damaged: the registry refuses it",
                    hint="pull the model again",
                )
            if answer.status not in {201, 204}:
                raise self._refused(answer)

    def _move_to(self, answer: Answer, before: str) -> None:
        """Remember where the upload goes on: nowhere but at the registry."""
        told = answer.headers.get("Location")
        if told is None:
            raise HubBroken(f"{self._registry.origin.host} tells no place for an upload")
        where = joined(before, told)
        if origin_of(where) != self._registry.origin:
            raise AddressRefused(
                f"{self._registry.origin} sends what is uploaded to {origin_of(where)}"
            )
        self._where = where

    def _told(self, answer: Answer, otherwise: int) -> int:
        """How many bytes the registry says that it has."""
        found = _RANGE.fullmatch(answer.headers.get("Range", ""))
        if found is None:
            return otherwise
        there = int(found[1])
        # "0-0" is what an upload of no bytes has, and of one.
        count = there + 1 if there else min(otherwise, 1)
        if count > self._layer.size:
            raise HubBroken(f"{self._registry.origin.host} has more bytes than were sent")
        return count

    def _refused(self, answer: Answer) -> AcquireError:
        return _refusal(self._registry, answer, self._name, "push blob")


def _refusal(registry: Registry, answer: Answer, name: OllamaName, doing: str) -> AcquireError:
    if answer.status == 404:
        lower = repository_of(name) == repository_of(name).lower()
        return NotThere(
            f"{doing}: {registry.origin.host} has no place for {repository_of(name)}",
            hint="" if lower else "registries want names in lower case: `paddock cp` gives another",
        )
    if answer.status == 413:
        return HubBroken(
            f"{doing}: {registry.origin.host} takes no requests of that size", status=413
        )
    return registry.refusal(answer, name, doing)


def _check_file(path: Path, layer: Layer) -> None:
    """Raise StoreError when a blob is not there as its manifest says. Blocking."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(f"the blob {layer.digest} cannot be read: {error.strerror}") from error
    if size != layer.size:
        raise StoreError(f"the blob {layer.digest} has {size} bytes instead of {layer.size}")


def _reader(path: Path, start: int, end: int) -> Body:
    """Who reads a part of a file, anew for every try."""

    async def read() -> AsyncIterator[bytes]:
        place = start
        while place < end:
            data = await asyncio.to_thread(_pread, path, place, min(_READ_BYTES, end - place))
            if not data:
                raise StoreError(f"{path.name} became shorter while it was sent")
            place += len(data)
            yield data

    return read


def _pread(path: Path, place: int, count: int) -> bytes:
    """Some bytes of a file. Blocking. Opened anew: nothing stays open for a stalled registry."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(file, count, place)
        finally:
            os.close(file)
    except OSError as error:
        raise StoreError(f"{path.name} cannot be read: {error.strerror}") from error
