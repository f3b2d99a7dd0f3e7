"""Writes GGUF files for tests, plainly and fast: real-size headers, no weights.

The tensors' bytes are a hole in the file: it has its full length and takes no disk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
CODES = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q"}
F32_TENSOR, F16_TENSOR, Q4_0_TENSOR, Q8_0_TENSOR, Q4_K_TENSOR = 0, 1, 2, 8, 12
SIZES = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    8: (32, 34),
    12: (256, 144),
    14: (256, 210),
    39: (32, 17),
}


@dataclass(frozen=True)
class Raw:
    """A metadata value written as these bytes, its type first."""

    data: bytes


@dataclass
class Gguf:
    """What to write. In metadata an int is u32, or i32 below 0; a list has its least's type."""

    architecture: str = "llama"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tensors: Sequence[tuple[str, int, tuple[int, ...]]] = (
        ("token_embd.weight", Q4_K_TENSOR, (256, 32)),
        ("blk.0.attn_norm.weight", F32_TENSOR, (256,)),
    )
    vocabulary: int = 0
    merges: int = 0
    version: int = 3
    big_endian: bool = False
    missing: int = 0
    """Bytes to leave out at the end."""

    @property
    def mark(self) -> str:
        return ">" if self.big_endian else "<"

    def header(self) -> bytes:
        """The bytes before the tensors' data, padded."""
        pairs = {**self._usual(), **self.metadata}
        present = {key: value for key, value in pairs.items() if value is not None}
        out = bytearray(b"GGUF")
        out += struct.pack(f"{self.mark}IQQ", self.version, len(self.tensors), len(present))
        for key, value in present.items():
            out += self.text(key) + self.typed(value)
        offset = 0
        for name, kind, shape in self.tensors:
            out += self.text(name) + struct.pack(f"{self.mark}I", len(shape))
            out += struct.pack(f"{self.mark}{len(shape)}QIQ", *shape, kind, offset)
            offset += -(-tensor_size(kind, shape) // 32) * 32
        return bytes(out.ljust(-(-len(out) // 32) * 32, b"\0"))

    def _usual(self) -> dict[str, Any]:
        a = self.architecture
        usual: dict[str, Any] = {
            "general.architecture": a,
            "general.name": "Test Model",
            "general.file_type": 15,
            f"{a}.context_length": 4096,
            f"{a}.block_count": 1,
            f"{a}.embedding_length": 256,
            f"{a}.attention.head_count": 4,
            f"{a}.attention.head_count_kv": 2,
        }
        if self.vocabulary:
            usual["tokenizer.ggml.model"] = "gpt2"
            usual["tokenizer.ggml.tokens"] = Raw(tokens(self.vocabulary, self.mark))
            usual["tokenizer.ggml.token_type"] = Raw(
                struct.pack(f"{self.mark}IIQ", ARRAY, I32, self.vocabulary)
                + bytes(4 * self.vocabulary)
            )
            usual["tokenizer.ggml.scores"] = Raw(
                struct.pack(f"{self.mark}IIQ", ARRAY, F32, self.vocabulary)
                + bytes(4 * self.vocabulary)
            )
        if self.merges:
            usual["tokenizer.ggml.merges"] = Raw(merges(self.merges, self.mark))
        return usual

    def text(self, text: str | bytes) -> bytes:
        """A length and its bytes."""
        data = text if isinstance(text, bytes) else text.encode()
        return struct.pack(f"{self.mark}Q", len(data)) + data

    def typed(self, value: Any) -> bytes:
        """A type and its value."""
        if isinstance(value, Raw):
            return value.data
        if isinstance(value, list | tuple):
            kind = kind_of(min(value)) if value else U32
            items = b"".join(self.bare(kind, item) for item in value)
            return struct.pack(f"{self.mark}IIQ", ARRAY, kind, len(value)) + items
        kind = kind_of(value)
        return struct.pack(f"{self.mark}I", kind) + self.bare(kind, value)

    def bare(self, kind: int, value: Any) -> bytes:
        """A value without its type."""
        if kind == STRING:
            return self.text(value)
        return struct.pack(self.mark + CODES[kind], value)

    def data_size(self) -> int:
        """Bytes of all tensors, each padded."""
        return sum(-(-tensor_size(kind, shape) // 32) * 32 for _, kind, shape in self.tensors)

    def write(self, path: Path) -> Path:
        """Write the file, its folder too; the weights are a hole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        header = self.header()
        size = len(header) + self.data_size() - self.missing
        with path.open("wb") as file:
            file.write(header[:size])
            file.truncate(size)
        return path


def kind_of(value: Any) -> int:
    """The GGUF type that a Python value is written as."""
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return I32 if value < 0 else U64 if value > 0xFFFFFFFF else U32
    return F32 if isinstance(value, float) else STRING


def tensor_size(kind: int, shape: Iterable[int]) -> int:
    """Bytes of a tensor; types this file does not know count as F32."""
    block, size = SIZES.get(kind, (1, 4))
    elements = 1
    for length in shape:
        elements *= length
    return elements // block * size


@cache
def tokens(count: int, mark: str = "<", seed: int = 0) -> bytes:
    """A typed array of texts as a byte-pair vocabulary has them, 2 to 14 bytes long."""
    return _texts(count, mark, (f"{seed or ''}{'tok' * (n % 5)}{n:x}" for n in range(count)))


@cache
def merges(count: int, mark: str = "<", seed: int = 0) -> bytes:
    """A typed array of pairs of pieces."""
    return _texts(
        count, mark, (f"{seed or ''}{'Ġ' * (n % 2)}m{n % 9973:x} {n:x}" for n in range(count))
    )


def _texts(count: int, mark: str, texts: Iterable[str]) -> bytes:
    out = [struct.pack(f"{mark}IIQ", ARRAY, STRING, count)]
    for text in texts:
        data = text.encode()
        out += (struct.pack(f"{mark}Q", len(data)), data)
    return b"".join(out)


def real_size(blocks: int = 32, **changes: Any) -> Gguf:
    """A header as an 8B model has it: 150,000 tokens, 280,000 merges, nine tensors per block."""
    shapes: dict[str, tuple[int, tuple[int, ...]]] = {
        "attn_q.weight": (Q4_K_TENSOR, (4096, 4096)),
        "attn_k.weight": (Q4_K_TENSOR, (4096, 1024)),
        "attn_v.weight": (14, (4096, 1024)),
        "attn_output.weight": (Q4_K_TENSOR, (4096, 4096)),
        "attn_norm.weight": (F32_TENSOR, (4096,)),
        "ffn_gate.weight": (Q4_K_TENSOR, (4096, 14336)),
        "ffn_up.weight": (Q4_K_TENSOR, (4096, 14336)),
        "ffn_down.weight": (14, (14336, 4096)),
        "ffn_norm.weight": (F32_TENSOR, (4096,)),
    }
    body = [(f"blk.{n}.{name}", *rest) for n in range(blocks) for name, rest in shapes.items()]
    given: dict[str, Any] = {
        "tensors": (("token_embd.weight", Q4_K_TENSOR, (4096, 150_000)), *body),
        "vocabulary": 150_000,
        "merges": 280_000,
        **changes,
    }
    given["metadata"] = {
        "tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}" * 80,
        **given.get("metadata", {}),
    }
    return Gguf(**given)
