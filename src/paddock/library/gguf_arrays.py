"""Stepping over long arrays of strings: a vocabulary and its merges, 430,000 strings in 8 MB.

The end of such an array stands nowhere: each string is its length and its bytes, one after the
other. Walking them all costs 0.1 s per file, too much for a folder of a thousand models. So:

1. An array that was met before in this scan (same count, same first 4 KiB, same last 4 KiB at the
   same distance) is taken for the same one: models of one family share their tokenizer. This reads
   a few KiB instead of megabytes.
2. Otherwise the strings are counted: a length below 64 Ki is a number with six zero bytes, and text
   has none, so the n-th run of six zeros belongs to the n-th length. `bytes.count` does that seven
   times faster than a walk.
3. On any doubt they are walked one by one.

The first two can be fooled, by a file about itself only: when a header does not parse, the reader
tries once more with walking alone (`Steps.exact`).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, NamedTuple

from paddock.errors import GgufError
from paddock.library.gguf_cursor import Cursor

MAX_STRING: Final = 16 * 1024 * 1024

_EDGE: Final = 4096
_WALKED: Final = 256
"""Arrays up to this count are walked at once: it costs less than being clever."""
_CHUNK: Final = 256 * 1024
"""Bytes counted in one go: half a millisecond in which no other Python thread runs."""
_LONG_STRING: Final = 2048
"""Where strings are longer than this on average, walking is fast and counting is not."""
_ZEROS: Final = bytes(6)


class _Known(NamedTuple):
    length: int
    tail: bytes


class Steps:
    """Steps over arrays of strings, and remembers them for the next file of the same scan."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], list[_Known]] = {}

    def over(self, cursor: Cursor, count: int) -> None:
        """Move past `count` strings. Raises GgufError where they cannot all be there."""
        _allow(cursor, count)
        if count <= _WALKED:
            _walk(cursor, count)
            return
        start = cursor.position
        key = (count, _digest(cursor.peek(start, _EDGE)))
        if not self._jump_to_known_end(cursor, key):
            if not _count_to_end(cursor, count):
                cursor.jump(start)
                _walk(cursor, count)
            self._remember(cursor, key, start)

    def _jump_to_known_end(self, cursor: Cursor, key: tuple[int, bytes]) -> bool:
        start = cursor.position
        for known in self._known.get(key, ()):
            tail_start = start + known.length - _EDGE
            if known.length > cursor.left:
                continue
            cursor.jump(tail_start)
            if _digest(cursor.take(_EDGE)) == known.tail and _name_follows(cursor):
                return True
            cursor.jump(start)
        return False

    def _remember(self, cursor: Cursor, key: tuple[int, bytes], start: int) -> None:
        length = cursor.position - start
        ends = self._known.setdefault(key, [])
        if length >= 2 * _EDGE and len(ends) < 4:
            ends.append(_Known(length, _digest(cursor.peek(cursor.position - _EDGE, _EDGE))))


class ExactSteps(Steps):
    """Walks every string, and trusts nothing that it saw before."""

    def over(self, cursor: Cursor, count: int) -> None:
        """Move past `count` strings. Raises GgufError where they cannot all be there."""
        _allow(cursor, count)
        _walk(cursor, count)


def _allow(cursor: Cursor, count: int) -> None:
    """Check that `count` strings may be there, and take them off what the header may have."""
    cursor.strings_left -= count
    if cursor.strings_left < 0:
        raise GgufError(f"damaged: a list of {count} strings, more than any tokenizer has")
    if count * 8 > cursor.left:
        raise cursor.ended()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _walk(cursor: Cursor, count: int) -> None:
    length_at = cursor.u64.unpack_from
    while count:
        cursor.need(8)
        buffer, index = cursor.buffer, cursor.index
        last = len(buffer) - 8
        while count and index <= last:
            (length,) = length_at(buffer, index)
            if length > MAX_STRING:
                raise GgufError("damaged: a string of more than 16 MiB")
            index += 8 + length
            count -= 1
        cursor.skip(index - cursor.index)


def _name_follows(cursor: Cursor) -> bool:
    """Whether a key or a tensor's name stands here, as it does after every array but the last."""
    head = cursor.peek(cursor.position, 8)
    if len(head) < 8:
        return False
    (length,) = cursor.u64.unpack(head)
    name = cursor.peek(cursor.position + 8, length) if 0 < length < 256 else b""
    return len(name) == length and name.isascii() and name.decode("ascii").isprintable()


def _count_to_end(cursor: Cursor, count: int) -> bool:
    """Move past `count` strings by counting. False, and anywhere, when that is not certain."""
    if cursor.order == "big":
        return False
    position, left = cursor.position, count
    while True:
        chunk = cursor.peek(position, _CHUNK).rstrip(b"\0")  # never cut a run of zeros in two
        found = chunk.count(_ZEROS)
        if found >= left:
            break
        if found * _LONG_STRING < len(chunk) or not chunk:
            return False
        position, left = position + len(chunk), left - found
    at, left = _narrow(chunk, left)
    text = _start_of_text(chunk, at)
    if position + text - 8 < cursor.position:
        return False
    cursor.jump(position + text - 8)
    return _walk_short(cursor, left) and _name_follows(cursor)


def _narrow(chunk: bytes, left: int) -> tuple[int, int]:
    """Where in `chunk` the run number `left` is near, and which number it has from there."""
    low, high = 0, len(chunk)
    while high - low > _LONG_STRING:
        middle = low + len(chunk[low : (low + high) // 2].rstrip(b"\0"))
        found = chunk.count(_ZEROS, low, middle)
        if middle == low:
            break
        if found < left:
            low, left = middle, left - found
        else:
            high = middle
    return low, left


def _start_of_text(chunk: bytes, at: int) -> int:
    """Index of the first byte after the first run of zeros from `at` on."""
    run = chunk.find(_ZEROS, at)
    return len(chunk) - len(chunk[run:].lstrip(b"\0"))


def _walk_short(cursor: Cursor, count: int) -> bool:
    """Walk strings that are all shorter than 64 KiB; False when one is not."""
    for _ in range(count):
        if cursor.left < 8:
            return False
        length = cursor.take_u64()
        if length > min(cursor.left, 0xFFFF):
            return False
        cursor.skip(length)
    return True
