"""The last requests and their answers as they were, packed and in memory, to look at.

Every request pays for its capture and few are looked at: what can wait until then does.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from paddock.observe.record import Ended

_SECRET_HEADER: Final = re.compile(r"auth|cookie|credential|key|passw|secret|token", re.IGNORECASE)
"""Proxies, SDKs and clouds have many names for it; one too many hidden does no harm."""

REDACTED = "[REDACTED]"

WITHOUT_REQUEST: Final = frozenset(
    {"/v1/audio/transcriptions", "/v1/images/edits", "/sdapi/v1/img2img"}
)
WITHOUT_ANSWER: Final = frozenset(
    {
        "/v1/audio/speech",
        "/v1/images/generations",
        "/v1/images/edits",
        "/sdapi/v1/txt2img",
        "/sdapi/v1/img2img",
    }
)
"""Paths whose bodies are sounds and images: those are left out."""

OVERHEAD_BYTES = 1024
"""Counted for a capture besides its headers and bodies."""

PACKED_FROM_BYTES = 1024
"""Packing less than this takes more time than it saves room."""

LEVEL = 1
"""A third of the time of zlib's usual 6, and a few percent more room."""


class Body(NamedTuple):
    """A body as it is kept."""

    data: bytes
    is_packed: bool = False
    """With zlib."""
    is_chunked: bool = False
    """It has the frames of HTTP's chunks, which nobody needs to look at."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A request and its answer, without secrets."""

    path: str
    request_headers: Mapping[str, str]
    request_body: Body
    answer_headers: Mapping[str, str]
    answer_body: Body

    @property
    def size(self) -> int:
        """Bytes it takes, about."""
        headers = (*self.request_headers.items(), *self.answer_headers.items())
        told = sum(len(name) + len(value) for name, value in headers)
        bodies = len(self.request_body.data) + len(self.answer_body.data)
        return told + bodies + OVERHEAD_BYTES


class Captures:
    """Captures by the id of their row, at most `limit()` bytes of them."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, Packed] = OrderedDict()
        self._size = 0

    @property
    def wanted(self) -> bool:
        """Whether anything is to be captured."""
        return self._limit() > 0

    def add(self, number: int, packed: Packed) -> None:
        """Keep one, unless it is larger than all the room there is."""
        limit = self._limit()
        if packed.size > limit:
            return
        self._kept[number] = packed
        self._size += packed.size
        self.trim()

    def trim(self) -> None:
        """Let go of the oldest that there is no room for any more."""
        limit = self._limit()
        while self._size > limit:
            _, oldest = self._kept.popitem(last=False)
            self._size -= oldest.size

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def get(self, number: int) -> Packed | None:
        """The capture of a row, if it is still here."""
        return self._kept.get(number)


def packed(ended: Ended) -> Packed | None:
    """What there is to keep of a request, or None when nothing was copied."""
    if ended.answer.copy is None:
        return None
    asked = ended.asked
    headers, body = _taken_apart(b"".join(ended.answer.copy))
    return Packed(
        asked.path,
        without_secrets(asked.headers.items()),
        Body(b"") if asked.path in WITHOUT_REQUEST else _kept(asked.body),
        without_secrets(headers),
        Body(b"") if asked.path in WITHOUT_ANSWER else _kept(body, is_chunked=_chunked(headers)),
    )


def _kept(body: bytes, *, is_chunked: bool = False) -> Body:
    if len(body) < PACKED_FROM_BYTES:
        return Body(body, is_chunked=is_chunked)
    return Body(zlib.compress(body, LEVEL), is_packed=True, is_chunked=is_chunked)


def shown(number: int, capture: Packed) -> dict[str, Any]:
    """A capture as JSON, its bodies in base64. Unpacks: not for the loop's thread."""
    return {
        "id": number,
        "req_path": capture.path,
        "req_headers": dict(capture.request_headers),
        "req_body": _shown(capture.request_body),
        "resp_headers": dict(capture.answer_headers),
        "resp_body": _shown(capture.answer_body),
    }


def _shown(body: Body) -> str:
    data = zlib.decompress(body.data) if body.is_packed else body.data
    return base64.b64encode(_without_chunks(data) if body.is_chunked else data).decode()


def without_secrets(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers that may be shown."""
    return {name: REDACTED if _is_secret(name) else value for name, value in headers}


@lru_cache(maxsize=256)
def _is_secret(header: str) -> bool:
    return _SECRET_HEADER.search(header) is not None


def _taken_apart(wire: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of an answer as it went over the wire."""
    head, _, body = wire.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
    return [(name, value) for name, _, value in lines], body


def _chunked(headers: Iterable[tuple[str, str]]) -> bool:
    return any(
        value == "chunked" and name.lower() == "transfer-encoding" for name, value in headers
    )


def _without_chunks(body: bytes) -> bytes:
    pieces = []
    start = 0
    while (end := body.find(b"\r\n", start)) > 0:
        size = int(body[start:end], 16)
        pieces.append(body[end + 2 : end + 2 + size])
        start = end + 2 + size + 2
    return b"".join(pieces)
