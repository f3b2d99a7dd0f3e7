"""The header of a GGUF at a hub, of which only the beginning is fetched."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from tempfile import TemporaryFile
from typing import Final

from paddock.acquire.remote import RemoteFile
from paddock.acquire.web import Web
from paddock.errors import GgufError, HubBroken
from paddock.library.gguf import read_beginning
from paddock.library.header import Header

MOST_BYTES: Final = 32 << 20
"""Of a header; the largest real ones have some 20 MiB, nearly all of it vocabulary."""
_FIRST: Final = 1 << 20
"""Bytes after which it is first tried to be read; then after twice as many each time."""
_FOUND: Final = frozenset({200, 206})


async def peek(web: Web, file: RemoteFile, auth: str) -> Header:
    """The header of the file. No more of it is taken than the header needs, about.

    `auth` is the value of `Authorization`. Raises what `Web.get` does, HubBroken when the hub
    refuses, and GgufError.
    """
    asked = {"Range": f"bytes=0-{max(1, min(MOST_BYTES, file.size)) - 1}"}
    data, enough = bytearray(), _FIRST
    async with web.get(file.url, headers=asked, auth=auth) as answer:
        if answer.status not in _FOUND:
            raise HubBroken(f"{answer.host} gives no part of {file.path}", status=answer.status)
        async with aclosing(answer.chunks()) as pieces:
            async for piece in pieces:
                data += piece
                if not data.startswith(b"GGUF"[: len(data)]):
                    raise GgufError("not a GGUF file")
                if len(data) >= MOST_BYTES:
                    break
                if len(data) < enough:
                    continue
                try:
                    return await asyncio.to_thread(_read, bytes(data), file.size)
                except GgufError:  # it goes on behind what is here
                    enough *= 2
    return await asyncio.to_thread(_read, bytes(data), file.size)


def _read(data: bytes, size: int) -> Header:
    with TemporaryFile() as kept:
        kept.write(data)
        kept.flush()
        return read_beginning(kept.fileno(), size)
