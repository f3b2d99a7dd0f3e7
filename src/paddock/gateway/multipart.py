"""One short text field of a multipart/form-data body, without taking the body apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paddock.errors import InvalidRequest

_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';\s*([\w*-]+)=(?:"((?:[^"\\]++|\\.)*+)"|([^;\s]*+))')
"""One parameter, quoted or not: what stands in another one's quotes is none."""

MAX_FIELDS = 256
MAX_HEAD = 4096
"""Bytes of a part's head, its delimiter included. What follows a longer one is not looked at."""
MAX_VALUE = 1024


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart Content-Type. Raises InvalidRequest when there is none."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidRequest("the multipart request names no boundary in its Content-Type")
    return (found[1] or found[2]).encode("latin-1", "replace")


def text_field(body: bytes, boundary: bytes, name: str) -> str | None:
    """The value of the first field called `name`, or None.

    Raises InvalidRequest when the value is longer than 1 KiB or is not UTF-8.
    """
    place = _place(body, boundary, name)
    if place is None:
        return None
    start, end = place
    if end - start > MAX_VALUE:
        raise InvalidRequest(f"the form field {name!r} is too long", param=name)
    try:
        return body[start:end].decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"the form field {name!r} is not UTF-8", param=name) from None


def with_text_field(body: bytes, boundary: bytes, name: str, value: str) -> bytes:
    """`body` with `value` in the first field called `name`, which is made when it is missing."""
    place = _place(body, boundary, name)
    if place is not None:
        return b"".join((body[: place[0]], value.encode(), body[place[1] :]))
    head = f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    return b"".join((b"--", boundary, b"\r\n", head, body))


def _place(body: bytes, boundary: bytes, name: str) -> tuple[int, int] | None:
    """Where the value of the first field called `name` starts and ends."""
    wanted = name.encode()
    parts = _parts(body, b"--" + boundary)
    return next(((s, e) for head, s, e in parts if _field_name(head) == wanted), None)


def _field_name(head: bytes) -> bytes | None:
    """The field that a part's head names."""
    disposition = _DISPOSITION.search(head)
    for name, quoted, bare in _PARAMETER.findall(disposition[1] if disposition else b""):
        if name.lower() == b"name":
            return bytes(quoted or bare)
    return None


def _parts(body: bytes, delimiter: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each part's head, and where its content starts and ends."""
    position = body.find(delimiter)
    for _ in range(MAX_FIELDS):
        following = body.find(b"\r\n" + delimiter, position)
        head_end = body.find(b"\r\n\r\n", position, min(following, position + MAX_HEAD))
        if position < 0 or following < 0 or head_end < 0:
            return
        yield body[position + len(delimiter) : head_end], head_end + 4, following
        position = following + 2
