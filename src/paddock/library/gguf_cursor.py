"""A place in an open file, and the bytes around it.

Files are read with `pread` in windows and never mapped: a mapped file that somebody truncates
meanwhile would kill the whole process with SIGBUS.
"""

from __future__ import annotations

import os
import struct
from typing import Final, Literal

from paddock.errors import GgufError

ByteOrder = Literal["little", "big"]

WINDOW: Final = 64 * 1024
"""Bytes per read: most of what lies between two long arrays."""

MAX_STRINGS: Final = 2 * 1024 * 1024
"""In all arrays of one header; the largest real tokenizers have 0.8 million with their merges."""

MAX_HEADER: Final = 256 * 1024 * 1024
"""A header past this is no header: real ones are at most some 20 MiB."""


class Cursor:
    """Reads forward through one file of `size` bytes. Whoever opened `fd` closes it.

    `buffer[index:]` are the bytes from `position` on, as many as `need` was asked for, or more.
    Raises GgufError where the file, or what a header may take of it, ends.
    """

    __slots__ = (
        "_start",
        "buffer",
        "fd",
        "index",
        "limit",
        "order",
        "size",
        "strings_left",
        "u32",
        "u64",
    )

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self.limit = min(size, MAX_HEADER)
        self.strings_left = MAX_STRINGS
        self.buffer = b""
        self.index = 0
        self._start = 0
        self.read_as("little")

    def read_as(self, order: ByteOrder) -> None:
        """Read numbers in this byte order from now on."""
        self.order = order
        mark = self.mark
        self.u32 = struct.Struct(mark + "I")
        self.u64 = struct.Struct(mark + "Q")

    @property
    def mark(self) -> str:
        """The byte order as `struct` writes it."""
        return "<" if self.order == "little" else ">"

    @property
    def position(self) -> int:
        """Offset in the file of the next byte."""
        return self._start + self.index

    @property
    def left(self) -> int:
        """Bytes that the header may still have."""
        return self.limit - self.position

    def need(self, count: int) -> None:
        """Have at least `count` bytes in the buffer from the index on."""
        if len(self.buffer) - self.index >= count:
            return
        if count > self.left:
            raise self.ended()
        self._start, self.index = self.position, 0
        self.buffer = self._read(self._start, max(count, WINDOW))
        if len(self.buffer) < count:
            raise self.ended()

    def ended(self) -> GgufError:
        """The error for a header that goes on past the end of what there is."""
        if self.limit < self.size:
            return GgufError("its header is larger than 256 MiB, which no real one is")
        return GgufError("truncated: the file ends inside its header")

    def skip(self, count: int) -> None:
        """Step over `count` bytes without reading them."""
        if count > self.left:
            raise self.ended()
        self.index += count
        if self.index > len(self.buffer):
            self._start, self.buffer, self.index = self._start + self.index, b"", 0

    def jump(self, position: int) -> None:
        """Go to an offset of the file, in the buffer if it is there."""
        index = position - self._start
        if 0 <= index <= len(self.buffer):
            self.index = index
        else:
            self._start, self.buffer, self.index = position, b"", 0

    def peek(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from an offset, without moving; fewer where the header must end."""
        count = min(count, self.limit - position)
        if count <= 0:
            return b""
        index = position - self._start
        if index >= 0 and index + count <= len(self.buffer):
            return self.buffer[index : index + count]
        return self._read(position, count)

    def _read(self, position: int, count: int) -> bytes:
        data = os.pread(self.fd, count, position)
        while len(data) < count and (
            more := os.pread(self.fd, count - len(data), position + len(data))
        ):
            data += more  # file systems in user space may give less than was asked for
        return data

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.need(count)
        end = self.index + count
        taken = self.buffer[self.index : end]
        self.index = end
        return taken

    def take_u32(self) -> int:
        """The next four bytes as a number."""
        self.need(4)
        (value,) = self.u32.unpack_from(self.buffer, self.index)
        self.index += 4
        return int(value)

    def take_u64(self) -> int:
        """The next eight bytes as a number."""
        self.need(8)
        (value,) = self.u64.unpack_from(self.buffer, self.index)
        self.index += 8
        return int(value)
