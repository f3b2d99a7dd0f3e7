"""The tensor table of a GGUF: hundreds of small records, read in one tight loop."""

from __future__ import annotations

import struct
from math import prod
from typing import Final

from paddock.errors import GgufError
from paddock.library.ggml_types import REMOVED_TENSOR_TYPES, TENSOR_TYPES, TensorType
from paddock.library.gguf_cursor import Cursor
from paddock.library.header import Header, TensorForm, TensorTable
from paddock.units import format_bytes

MAX_NAME: Final = 1024
MAX_DIMENSIONS: Final = 4
_LONGEST_RECORD: Final = 8 + MAX_NAME + 4 + 8 * MAX_DIMENSIONS + 4 + 8

_LAYOUTS: Final = {
    order: [struct.Struct(f"{mark}I{n}QIQ") for n in range(MAX_DIMENSIONS + 1)]
    for order, mark in (("little", "<"), ("big", ">"))
}
"""All of a record but its name, by the number of dimensions: that number, shape, type, offset."""


def read_tensors(cursor: Cursor, count: int) -> TensorTable:
    """Read `count` records. Raises GgufError for one that no tensor can have."""
    table = TensorTable()
    try:
        while len(table) < count:
            cursor.need(min(cursor.left, _LONGEST_RECORD))
            _read_records(cursor, count, table)
    except (struct.error, IndexError):
        raise cursor.ended() from None
    if len(set(table.names)) != count:
        raise GgufError("damaged: two tensors have the same name")
    return table


def _read_records(cursor: Cursor, count: int, table: TensorTable) -> None:
    """Read the next record, and as many more as are in the buffer for certain."""
    buffer, at = cursor.buffer, cursor.index
    last = max(at, len(buffer) - _LONGEST_RECORD)
    length_at = cursor.u64.unpack_from
    readers = [(layout.unpack_from, layout.size) for layout in _LAYOUTS[cursor.order]]
    lowest = 0 if cursor.order == "little" else 3  # which byte of a small u32 is its value
    names, forms, offsets = table.names, table.forms, table.offsets
    known: dict[tuple[int, ...], TensorForm] = {}
    for _ in range(count - len(names)):
        if at > last:
            break
        (length,) = length_at(buffer, at)
        if length > MAX_NAME:
            raise GgufError(f"damaged: a tensor's name of {length} bytes")
        end = at + 8 + length
        name = buffer[at + 8 : end]
        read, size = readers[min(buffer[end + lowest], MAX_DIMENSIONS)]
        numbers = read(buffer, end)
        form = known.get(numbers[:-1])
        if form is None:
            form = known[numbers[:-1]] = _form(name, *numbers[:-1])
        names.append(name)
        forms.append(form)
        offsets.append(numbers[-1])
        at = end + size
    cursor.index = at


def _form(name: bytes, dimensions: int, *numbers: int) -> TensorForm:
    *shape, kind = numbers
    if dimensions != len(shape):
        raise GgufError(f"damaged: tensor {_shown(name)} has {dimensions} dimensions")
    stored = TENSOR_TYPES.get(kind) or _unknown(name, kind)
    elements = prod(shape)
    if not elements or (shape and shape[0] % stored.block):
        raise GgufError(f"damaged: tensor {_shown(name)} of {stored.name} has the shape {shape}")
    return TensorForm(stored.name, tuple(shape), elements, elements // stored.block * stored.size)


def _unknown(name: bytes, kind: int) -> TensorType:
    if kind in REMOVED_TENSOR_TYPES:
        raise GgufError(
            f"tensor {_shown(name)} has type {REMOVED_TENSOR_TYPES[kind]}, gone from llama.cpp",
            hint="convert or download the model again",
        )
    raise GgufError(f"tensor {_shown(name)} has type {kind}, which this version does not know")


def check_tensor_ends(header: Header) -> None:
    """Raise GgufError when a tensor's bytes are not all in the file."""
    room = header.file_size - header.data_offset
    table = header.tensors
    ends = [at + form.size for at, form in zip(table.offsets, table.forms, strict=True)]
    missing = max(ends, default=0) - room
    if missing > 0:
        cut = next(name for name, end in zip(table.names, ends, strict=True) if end > room)
        raise GgufError(
            f"truncated: tensor {_shown(cut)} ends past the end of the file, "
            f"{format_bytes(missing)} are missing",
            hint="copy or download the file again, or wait until it has arrived",
        )


def _shown(name: bytes) -> str:
    return repr(name[:80].decode("utf-8", "replace"))
