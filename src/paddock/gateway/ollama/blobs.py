"""`/api/blobs/{digest}`: files on their way into the store, named by what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from paddock.errors import StoreError
from paddock.gateway.door import sent_pieces
from paddock.gateway.routes import Call, Route
from paddock.library.digest import Digest
from paddock.library.library import Library
from paddock.library.store import Receiving, Store, room
from paddock.tasks import finished
from paddock.units import format_bytes

PREFIX: Final = "/api/blobs/"
PIECE: Final = 1 << 20
"""Bytes that are gathered before a thread writes and hashes them."""
RESERVE: Final = 64 << 20
"""Bytes that an upload leaves free on the disk."""
LOOK_EVERY: Final = 256 << 20
"""Bytes between two looks at what is free."""


class Blobs:
    """Takes files in, and tells which are there."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def routes(self) -> tuple[Route, ...]:
        """The routes of these endpoints."""
        return (
            Route("HEAD", f"{PREFIX}*", self.is_there),
            Route("POST", f"{PREFIX}*", self.receive),
        )

    async def is_there(self, call: Call) -> web.Response:
        """Whether the store has these bytes. A file of the models folders that is known to be them
        becomes a blob with that: it need not be sent.
        """
        digest = _digest(call)
        there = await asyncio.to_thread(self._library.store.has, digest)
        return web.Response(status=200 if there or await self._adopted(digest) else 404)

    async def receive(self, call: Call) -> web.Response:
        """Take a file in. Nothing of it stays unless all of it came, and is what it is called."""
        digest, store = _digest(call), self._library.store
        if await asyncio.to_thread(store.has, digest):
            return web.Response(status=200)
        await asyncio.to_thread(_check_room, store, call.request.content_length or 0)
        upload = store.receive(digest)
        try:
            receiving = await finished(upload.__enter__)
            await _take(receiving, sent_pieces(call.request), store)
            await finished(receiving.commit)
        finally:
            await finished(upload.__exit__, None, None, None)
        return web.Response(status=201)

    async def _adopted(self, digest: Digest) -> bool:
        hashed = self._library.hashes.find(digest)
        if hashed is None:
            return False
        try:
            async with self._library.changing() as store:
                await finished(store.adopt, hashed)
        except StoreError:  # it can still be sent
            return False
        return True


def _digest(call: Call) -> Digest:
    """Raises InvalidDigest."""
    return Digest.parse(call.request.rel_url.path.removeprefix(PREFIX))


async def _take(receiving: Receiving, pieces: AsyncIterator[bytes], store: Store) -> None:
    """Write what comes, some of it at a time, and read no further while the disk is busy."""
    gathered, size, looked_at = [], 0, 0
    async for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= PIECE:
            await finished(receiving.write, b"".join(gathered))
            gathered, size = [], 0
        if receiving.size - looked_at >= LOOK_EVERY:
            looked_at = receiving.size
            await asyncio.to_thread(_check_room, store, 0)
    await finished(receiving.write, b"".join(gathered))


def _check_room(store: Store, length: int) -> None:
    """Blocking. Raises StoreError when the disk has no room for so many bytes."""
    free = room(store.root)
    if free < length + RESERVE:
        raise StoreError(
            f"the store has room for {format_bytes(max(free - RESERVE, 0))}, and the file has "
            f"{format_bytes(length)}",
            hint="make room on the disk of ollama.models",
        )
