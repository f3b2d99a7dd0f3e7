"""Files that users attach: taken in, looked at, given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import Connection

from paddock.chat import shapes
from paddock.chat.calls import ChatCall, ChatRoute, Who, answered, nothing
from paddock.chat.pdf import PdfReader
from paddock.chat.sniff import HEAD_BYTES, Sort, read_text, sort_of
from paddock.chat.vault import Vault
from paddock.errors import InvalidRequest, RequestTooLarge, StorageError, UnknownId
from paddock.gateway.door import sent_pieces
from paddock.storage import files
from paddock.storage.chat_store import Store
from paddock.storage.files import File
from paddock.storage.ids import new_id, now_ms
from paddock.units import format_bytes

LONGEST_NAME: Final = 200
MOST_CHARACTERS: Final = 4 << 20
"""Of a text: a million tokens, which is more than models read."""
CHARACTERS_PER_TOKEN: Final = 3.6
IMAGE_TOKENS: Final = 1000
"""About what models that see make of a picture."""

_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, max-age=31536000, immutable",
}
"""Nothing that somebody attached is ever a page, wherever it is opened."""


class FileEndpoints:
    """Takes files and gives them back."""

    def __init__(
        self, *, store: Store, vault: Vault, largest: Callable[[], int], total: Callable[[], int]
    ) -> None:
        """`largest`: bytes of a file; `total`: of all that a user has, 0 for as many as fit."""
        self._store = store
        self._vault = vault
        self._largest = largest
        self._total = total
        self._pdfs = PdfReader()

    def routes(self) -> tuple[ChatRoute, ...]:
        """The routes of files."""
        return (
            ChatRoute("POST", "/api/files", Who.USER, self.take),
            ChatRoute("GET", "/api/files/{file}", Who.USER, self.give),
            ChatRoute("DELETE", "/api/files/{file}", Who.USER, self.remove),
        )

    async def take(self, call: ChatCall) -> web.StreamResponse:
        """Answer with what came in the body, named by `name` in the query."""
        user = call.user.id
        used = await self._store.read(lambda c: files.total(c, user))
        self._check_room(used + (call.call.request.content_length or 1))
        try:
            with self._vault.arriving() as arriving:
                size = await self._write(call, arriving)
                self._check_room(used + size)
                made = await self._looked_at(call, arriving, size)
                await asyncio.to_thread(self._vault.keep, arriving, made.id)
        except OSError as error:
            raise StorageError(
                f"the file could not be kept: {error.strerror}", hint="is the disk full?"
            ) from error
        await self._store.write(lambda c: self._add(c, made))
        return answered(shapes.file_info(made), status=201)

    async def give(self, call: ChatCall) -> web.StreamResponse:
        """Answer with the bytes: an image as it is, all else to be saved."""
        file = await self._known(call)
        is_image = file.kind == "image"
        how = "inline" if is_image else "attachment"
        media_type = {"image": file.media_type, "text": "text/plain"}.get(file.kind)
        try:
            body = await asyncio.to_thread(self._vault.read, file.id)
        except OSError as error:
            raise UnknownId("the bytes of this file are gone") from error
        return web.Response(
            body=body,
            headers={
                **_SAFE,
                "Content-Type": media_type or "application/octet-stream",
                "Content-Disposition": f"{how}; filename*=UTF-8''{quote(file.name, safe='')}",
            },
        )

    async def remove(self, call: ChatCall) -> web.StreamResponse:
        """Delete a file; messages that had it go on without."""
        file = await self._known(call)
        await self._store.write(lambda c: files.remove(c, file.user_id, file.id))
        await asyncio.to_thread(self._vault.remove, [file.id])
        return nothing()

    async def _known(self, call: ChatCall) -> File:
        user, file_id = call.user.id, call.ids["file"]
        file = await self._store.read(lambda c: files.get(c, user, file_id))
        if file is None:
            raise UnknownId("there is no such file", hint="it may have been deleted")
        return file

    async def _write(self, call: ChatCall, arriving: BinaryIO) -> int:
        largest, size = self._largest(), 0
        async for piece in sent_pieces(call.call.request):
            size += len(piece)
            if size > largest:
                raise RequestTooLarge(f"a file may have {format_bytes(largest)}, this one has more")
            await asyncio.to_thread(arriving.write, piece)
        if not size:
            raise InvalidRequest("the file is empty")
        return size

    async def _looked_at(self, call: ChatCall, arriving: BinaryIO, size: int) -> File:
        head = await asyncio.to_thread(_head, arriving)
        sort = sort_of(head)
        name = _name(call.query.get("name", ""))
        file = File(
            new_id(),
            call.user.id,
            name,
            sort.kind,
            sort.media_type,
            size,
            IMAGE_TOKENS,
            now_ms(),
        )
        if sort.kind == "image":
            return file
        text = await self._text(arriving, sort)
        return replace(file, text=text, tokens=round(len(text) / CHARACTERS_PER_TOKEN) + 1)

    async def _text(self, arriving: BinaryIO, sort: Sort) -> str:
        """What a model is told of a file. Raises InvalidRequest."""
        if sort.kind == "pdf":
            return await self._pdfs.text(Path(arriving.name))
        text = await asyncio.to_thread(_whole_text, arriving)
        if text is None:
            raise InvalidRequest(
                "this is neither a text nor a PDF nor an image that can be shown",
                hint="images: PNG, JPEG, WebP, GIF; of other documents attach the text",
            )
        if len(text) > MOST_CHARACTERS:
            raise InvalidRequest(
                "this text is longer than any model reads", hint="attach the part that matters"
            )
        return text

    def _add(self, connection: Connection, file: File) -> None:
        self._check_room(files.total(connection, file.user_id) + file.size)
        files.add(connection, file)

    def _check_room(self, wanted: int) -> None:
        total = self._total()
        if total and wanted > total:
            raise RequestTooLarge(
                f"your files together may have {format_bytes(total)}",
                hint="delete chats with files that you do not need",
            )


def _head(file: BinaryIO) -> bytes:
    file.flush()
    file.seek(0)
    return file.read(HEAD_BYTES)


def _whole_text(file: BinaryIO) -> str | None:
    file.seek(0)
    return read_text(file.read())


def _name(sent: str) -> str:
    """The last part of a path, in one line of letters that can be seen."""
    last = sent.replace("\\", "/").rpartition("/")[2]
    seen = "".join(letter if letter.isprintable() else " " for letter in last)
    return " ".join(seen.split())[:LONGEST_NAME] or "file"
