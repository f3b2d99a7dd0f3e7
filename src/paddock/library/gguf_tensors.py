"""The tensor table of a GGUF: hundreds of small records, read in one tight loop."""

from __future__ import annotations

import struct
from math import prod
from typing import Final

from paddock.errors import GgufError
from paddock.library.ggml_types import REMOVED_TENSOR_TYPES, TENSOR_TYPES, TensorType
from paddock.library.gguf_cursor import Cursor
from paddock.library.header import Header, TensorForm, TensorInfo
from paddock.units import format_bytes

MAX_NAME: Final = 1024
MAX_DIMENSIONS: Final = 4
_LONGEST_RECORD: Final = 8 + MAX_NAME + 4 + 8 * MAX_DIMENSIONS + 4 + 8
_LAYOUTS: Final = {
    order: [struct.Struct(f"{mark}{n}QIQ") for n in range(MAX_DIMENSIONS + 1)]
    for order, mark in (("little", "<"), ("big", ">"))
}
"""Shape, type and offset, by the number of dimensions."""


def read_tensors(cursor: Cursor, count: int) -> tuple[TensorInfo, ...]:
    """Read `count` records. Raises GgufError for one that no tensor can have."""
    tensors: list[TensorInfo] = []
    try:
        while len(tensors) < count:
            cursor.need(min(cursor.left, _LONGEST_RECORD))
            _read_records(cursor, count, tensors)
    except struct.error:
        raise cursor.ended() from None
    if len({tensor.name for tensor in tensors}) != count:
        raise GgufError("damaged: two tensors have the same name")
    return tuple(tensors)


def _read_records(cursor: Cursor, count: int, tensors: list[TensorInfo]) -> None:
    """Read the next record, and as many more as are in the buffer for certain."""
    buffer, at = cursor.buffer, cursor.index
    length_at, number_at = cursor.u64.unpack_from, cursor.u32.unpack_from
    layouts = _LAYOUTS[cursor.order]
    forms: dict[tuple[int, ...], TensorForm] = {}
    last = max(at, len(buffer) - _LONGEST_RECORD)
    while at <= last and len(tensors) < count:
        (length,) = length_at(buffer, at)
        if length > MAX_NAME:
            raise GgufError(f"damaged: a tensor's name of {length} bytes")
        end = at + 8 + length
        name = buffer[at + 8 : end].decode("utf-8", "replace")
        (dimensions,) = number_at(buffer, end)
        if dimensions > MAX_DIMENSIONS:
            raise GgufError(f"damaged: tensor {name[:80]!r} has {dimensions} dimensions")
        layout = layouts[dimensions]
        *numbers, offset = layout.unpack_from(buffer, end + 4)
        key = tuple(numbers)
        form = forms.get(key)
        if form is None:
            form = forms[key] = _form(name, key[:-1], key[-1])
        tensors.append(TensorInfo(name, form, offset))
        at = end + 4 + layout.size
    cursor.index = at


def _form(name: str, shape: tuple[int, ...], kind: int) -> TensorForm:
    stored = TENSOR_TYPES.get(kind) or _unknown(name, kind)
    elements = prod(shape)
    if not elements or (shape and shape[0] % stored.block):
        raise GgufError(f"damaged: tensor {name[:80]!r} of {stored.name} has the shape {shape}")
    return TensorForm(stored.name, shape, elements, elements // stored.block * stored.size)


def _unknown(name: str, kind: int) -> TensorType:
    if kind in REMOVED_TENSOR_TYPES:
        raise GgufError(
            f"tensor {name[:80]!r} has type {REMOVED_TENSOR_TYPES[kind]}, gone from llama.cpp",
            hint="convert or download the model again",
        )
    raise GgufError(f"tensor {name[:80]!r} has type {kind}, which this version does not know")


def check_tensor_ends(header: Header) -> None:
    """Raise GgufError when a tensor's bytes are not all in the file."""
    room = header.file_size - header.data_offset
    cut = [tensor for tensor in header.tensors if tensor.offset + tensor.form.size > room]
    if cut:
        missing = max(tensor.offset + tensor.form.size for tensor in cut) - room
        raise GgufError(
            f"truncated: tensor {cut[0].name[:80]!r} ends past the end of the file, "
            f"{format_bytes(missing)} are missing",
            hint="copy or download the file again, or wait until it has arrived",
        )
