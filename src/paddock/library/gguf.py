"""Reading the header of a GGUF, versions 2 and 3, in both byte orders.

Files are hostile until shown otherwise: every count and length has a limit, arrays are stepped
over, and each tensor must end inside the file. Whatever the bytes are, only GgufError comes out
(or OSError when the system cannot read them).

Layout (ggml's docs/gguf.md): magic, version, tensor count, pair count; pairs of key, type and
value; tensor records of name, shape, type and offset; padding; the tensors' bytes.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paddock.errors import GgufError
from paddock.library.gguf_arrays import MAX_STRING, ExactSteps, Steps
from paddock.library.gguf_cursor import Cursor
from paddock.library.gguf_tensors import check_tensor_ends, read_tensors
from paddock.library.header import ArrayInfo, Header, Value

MAX_PAIRS: Final = 10_000
MAX_TENSORS: Final = 65_536
MAX_KEY: Final = 64 * 1024
KEPT_TEXT: Final = 1024 * 1024
"""Longer texts are stepped over and not kept; the largest chat templates are under 100 KiB."""
KEPT_TEXTS: Final = 8 * 1024 * 1024
"""Bytes of text kept from one header."""
KEPT_NUMBERS: Final = 1024
"""Longer arrays of numbers are stepped over; a kept one has an entry per layer."""

_NUMBERS: Final = {
    0: ("u8", "B"),
    1: ("i8", "b"),
    2: ("u16", "H"),
    3: ("i16", "h"),
    4: ("u32", "I"),
    5: ("i32", "i"),
    6: ("f32", "f"),
    7: ("bool", "?"),
    10: ("u64", "Q"),
    11: ("i64", "q"),
    12: ("f64", "d"),
}
_STRING: Final = 8
_ARRAY: Final = 9


def read_header(
    path: Path, steps: Steps | None = None, *, kept_numbers: int = KEPT_NUMBERS
) -> Header:
    """Read the header of the file at `path`, which must not be a link. Blocking.

    `steps` carries what one file of a scan teaches about the next; without it every string is
    walked. Longer arrays of numbers than `kept_numbers` are stepped over. Raises GgufError with the
    reason to show, OSError when the system cannot read the file.
    """
    with _opened(path) as (fd, size):
        header = _read(fd, size, steps, kept_numbers)
    check_tensor_ends(header)
    return header


def read_beginning(fd: int, size: int) -> Header:
    """Read the header of a file of `size` bytes, of which `fd` has only the first. Blocking.

    Raises GgufError when what is there ends before the header does, and what `read_header` does.
    """
    header = _read(fd, size, None, KEPT_NUMBERS)
    check_tensor_ends(header)
    return header


def _read(fd: int, size: int, steps: Steps | None, kept_numbers: int) -> Header:
    if steps is not None:
        try:
            return _Reader(Cursor(fd, size), steps, kept_numbers).read()
        except GgufError:
            pass  # the short ways over arrays may have been wrong: the long one has the last word
    return _Reader(Cursor(fd, size), ExactSteps(), kept_numbers).read()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[int, int]]:
    """The descriptor and size of a regular file. Never waits on a FIFO, never follows a link."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise GgufError("not a regular file")
        yield fd, status.st_size
    finally:
        os.close(fd)


class _Reader:
    """Reads one header, once."""

    def __init__(self, cursor: Cursor, steps: Steps, kept_numbers: int) -> None:
        self._cursor = cursor
        self._steps = steps
        self._kept_numbers = kept_numbers
        self._metadata: dict[str, Value] = {}
        self._arrays: dict[str, ArrayInfo] = {}
        self._text_left = KEPT_TEXTS

    def read(self) -> Header:
        version = self._read_version()
        tensor_count = self._read_count("tensors", MAX_TENSORS)
        for _ in range(self._read_count("metadata entries", MAX_PAIRS)):
            self._read_pair()
        tensors = read_tensors(self._cursor, tensor_count)
        end = self._cursor.position
        return Header(
            version=version,
            byte_order=self._cursor.order,
            file_size=self._cursor.size,
            metadata=self._metadata,
            arrays=self._arrays,
            tensors=tensors,
            data_offset=end + -end % self._alignment(),
        )

    def _read_version(self) -> int:
        if self._cursor.peek(0, 4) != b"GGUF":
            raise GgufError("not a GGUF file" if self._cursor.size else "empty")
        self._cursor.skip(4)
        version = self._cursor.take_u32()
        if version & 0xFFFF == 0:
            self._cursor.read_as("big")
            version = int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in {2, 3}:
            raise GgufError(
                f"GGUF version {version} is not supported",
                hint="convert the model again with a current llama.cpp",
            )
        return version

    def _read_count(self, what: str, limit: int) -> int:
        count = self._cursor.take_u64()
        if count > limit:
            raise GgufError(f"damaged: {count} {what}, where at most {limit} are believable")
        return count

    def _read_text(self, what: str, limit: int) -> str:
        length = self._cursor.take_u64()
        if length > limit:
            raise GgufError(f"damaged: {what} of {length} bytes, where at most {limit} are allowed")
        return self._cursor.take(length).decode("utf-8", "replace")

    # --- metadata --------------------------------------------------------------------------------

    def _read_pair(self) -> None:
        key = self._read_text("a metadata key", MAX_KEY)
        if key in self._metadata or key in self._arrays:
            raise GgufError(f"damaged: metadata key {key[:80]!r} appears twice")
        kind = self._cursor.take_u32()
        if kind == _STRING:
            self._read_string(key)
        elif kind == _ARRAY:
            self._read_array(key)
        else:
            self._metadata[key] = self._read_numbers(key, kind, 1)[0]

    def _read_numbers(self, key: str, kind: int, count: int) -> tuple[int | float | bool, ...]:
        _, code = _number_type(key, kind)
        layout = f"{self._cursor.mark}{count}{code}"
        return struct.unpack(layout, self._cursor.take(struct.calcsize(layout)))

    def _read_string(self, key: str) -> None:
        length = self._cursor.take_u64()
        if length > MAX_STRING:
            raise GgufError(f"damaged: metadata {key[:80]!r} is a text of more than 16 MiB")
        if length > min(KEPT_TEXT, self._text_left):
            self._cursor.skip(length)
            return
        self._text_left -= length
        self._metadata[key] = self._cursor.take(length).decode("utf-8", "replace")

    def _read_array(self, key: str) -> None:
        kind, count = self._cursor.take_u32(), self._cursor.take_u64()
        if kind == _STRING:
            self._steps.over(self._cursor, count)
            self._arrays[key] = ArrayInfo("string", count)
            return
        name, code = _number_type(key, kind)
        if count <= self._kept_numbers:
            self._metadata[key] = self._read_numbers(key, kind, count)
            return
        self._cursor.skip(count * struct.calcsize("=" + code))
        self._arrays[key] = ArrayInfo(name, count)

    def _alignment(self) -> int:
        alignment = self._metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise GgufError("damaged: general.alignment is not a power of two")
        return int(alignment)


def _number_type(key: str, kind: int) -> tuple[str, str]:
    try:
        return _NUMBERS[kind]
    except KeyError:
        raise GgufError(f"damaged: metadata {key[:80]!r} has the unknown type {kind}") from None
