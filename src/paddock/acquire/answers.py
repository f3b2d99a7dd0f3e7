"""Whether an answer is the range that was asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto

from paddock.errors import HubUnreachable, WrongBytes
from paddock.units import format_bytes

_RANGE = re.compile(r"\s*bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)\s*", re.IGNORECASE)
_UNSATISFIED = re.compile(r"\s*bytes\s+\*/(\d{1,18})\s*", re.IGNORECASE)


class Kind(Enum):
    """What to do with an answer."""

    RANGE = auto()
    """The range; `end` tells how far it goes."""
    WHOLE = auto()
    """The whole file: this host knows no ranges."""
    CHANGED = auto()
    """The whole of another file: it was replaced meanwhile."""


def strong_etag(headers: Mapping[str, str]) -> str:
    """The ETag, where it is one that stands for exact bytes; else empty."""
    etag = headers.get("ETag", "").strip()
    return etag if re.fullmatch(r'"[!#-~]{1,200}"', etag) else ""


def judge(
    status: int, headers: Mapping[str, str], *, start: int, end: int, size: int, etag: str
) -> tuple[Kind, int]:
    """What an answer to `Range: bytes=start-(end-1)` of a file of `size` bytes is.

    Gives its kind, and before which byte it ends. `etag`: what `If-Range` held, or empty. For
    status 200, 206 and 416 only. Raises WrongBytes when the file has another size than the hub
    told, HubUnreachable for an answer that is none: another one may be better.
    """
    if status == 416:
        there = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
        raise _other_size(int(there[1]) if there else None, size)
    if etag and strong_etag(headers) not in {etag, ""}:
        return Kind.CHANGED, 0
    if status == 200:
        return _whole(headers, size), size
    return Kind.RANGE, _range_end(headers, start, end, size)


def _whole(headers: Mapping[str, str], size: int) -> Kind:
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != size:
        raise _other_size(int(length), size)
    return Kind.WHOLE


def _range_end(headers: Mapping[str, str], start: int, end: int, size: int) -> int:
    """A server may give less than was asked for; never anything else."""
    told = _RANGE.fullmatch(headers.get("Content-Range", ""))
    if told is None:
        raise HubUnreachable("a part of the file was answered without saying which", status=206)
    first, last, total = int(told[1]), int(told[2]), told[3]
    if total != "*" and int(total) != size:
        raise _other_size(int(total), size)
    if first != start or not first <= last < end:
        raise HubUnreachable("another part of the file was answered than was asked for", status=206)
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != last + 1 - first:
        raise HubUnreachable("a part of the file has another length than it says", status=206)
    return last + 1


def _other_size(there: int | None, size: int) -> WrongBytes:
    if there is None:
        return WrongBytes(f"the file is shorter than the {format_bytes(size)} that the hub told")
    return WrongBytes(
        f"the file has {there} bytes, not the {size} that the hub told",
        hint="it may just have been replaced: pull again",
    )
