"""A GGUF's header as it was read, and the small summary of it that is kept.

Everything in a header is the file's own word: text is bounded and cleaned before it is shown, and a
number of the wrong kind counts as not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from paddock.library.ggml_types import quantization_name
from paddock.library.gguf_cursor import ByteOrder
from paddock.library.model import HeaderSummary

Value = int | float | bool | str | tuple[int | float | bool, ...]

_SHOWN = 200
"""Characters of a text from a header that are shown in a list."""


class ArrayInfo(NamedTuple):
    """An array that was stepped over: what it holds, and how many."""

    element: str
    length: int


class TensorForm(NamedTuple):
    """How a tensor is made; a model has hundreds of tensors in a dozen forms."""

    type: str
    shape: tuple[int, ...]
    """As GGUF writes it: the row length comes first."""
    elements: int
    size: int
    """Bytes."""


class TensorInfo(NamedTuple):
    """One tensor as the header tells."""

    name: str
    form: TensorForm
    offset: int
    """Bytes from `Header.data_offset`."""


class TensorTable:
    """All tensors of a file, in columns: a scan reads 300,000 of them and looks at few."""

    __slots__ = ("forms", "names", "offsets")

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.forms: list[TensorForm] = []
        self.offsets: list[int] = []

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[TensorInfo]:
        for name, form, offset in zip(self.names, self.forms, self.offsets, strict=True):
            yield TensorInfo(name.decode("utf-8", "replace"), form, offset)


@dataclass(frozen=True, slots=True)
class Header:
    """All of a GGUF's header but its long arrays."""

    version: int
    byte_order: ByteOrder
    file_size: int
    metadata: Mapping[str, Value]
    """Numbers, texts up to 1 MiB, and arrays of up to 1,024 numbers."""
    arrays: Mapping[str, ArrayInfo]
    """The arrays that are not in `metadata`."""
    tensors: TensorTable
    data_offset: int
    """Where the tensors' bytes begin."""

    @property
    def architecture(self) -> str:
        """`llama`, `qwen3moe`, `bert`, …; "" when not told."""
        return self.text("general.architecture")

    @property
    def chat_template(self) -> str:
        """The Jinja text, never to be rendered here; "" when there is none."""
        return self.text("tokenizer.chat_template")

    def text(self, key: str) -> str:
        """The text under `key`, as it stands in the file; "" when there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str, default: int = 0) -> int:
        """The whole number under `key`, the first one of an array; else `default`."""
        numbers = self.numbers(key)
        return numbers[0] if numbers else default

    def numbers(self, key: str) -> tuple[int, ...]:
        """The whole numbers under `key`: one, or one per layer; () when there are none."""
        value = self.metadata.get(key)
        values = value if isinstance(value, tuple) else (value,)
        whole = tuple(
            v for v in values if isinstance(v, int) and not isinstance(v, bool) and v >= 0
        )
        return whole if len(whole) == len(values) else ()

    def of_model(self, key: str, default: int = 0) -> int:
        """The number under `<architecture>.<key>`."""
        return self.number(f"{self.architecture}.{key}", default)

    def summary(self) -> HeaderSummary:
        """The part that is kept for as long as the file is in the library."""
        forms = Counter(self.tensors.forms)
        bytes_by_type: Counter[str] = Counter()
        for form, count in forms.items():
            bytes_by_type[form.type] += form.size * count
        vocabulary = self.arrays.get("tokenizer.ggml.tokens", ArrayInfo("", 0)).length
        return HeaderSummary(
            architecture=_shown(self.architecture),
            name=_shown(self.text("general.name")),
            size_label=_shown(self.text("general.size_label")),
            quantization=quantization_name(self.metadata.get("general.file_type"), bytes_by_type),
            parameters=sum(form.elements * count for form, count in forms.items()),
            context_length=self.of_model("context_length"),
            block_count=self.of_model("block_count"),
            embedding_length=self._embedding_length(),
            head_counts=self._per_layer("attention.head_count"),
            kv_head_counts=self._per_layer("attention.head_count_kv"),
            key_length=self.of_model("attention.key_length"),
            value_length=self.of_model("attention.value_length"),
            sliding_window=self.of_model("attention.sliding_window"),
            mla_ranks=(
                self.of_model("attention.q_lora_rank"),
                self.of_model("attention.kv_lora_rank"),
            ),
            recurrent_state=(
                self.of_model("ssm.conv_kernel"),
                self.of_model("ssm.inner_size"),
                self.of_model("ssm.state_size"),
                self.of_model("ssm.group_count"),
            ),
            expert_count=self.of_model("expert_count"),
            expert_used_count=self.of_model("expert_used_count"),
            vocabulary=vocabulary or self.of_model("vocab_size"),
            pooling=self.of_model("pooling_type", -1),
            has_chat_template=bool(self.chat_template),
            tensor_bytes=sum(bytes_by_type.values()),
            split_count=self.number("split.count"),
        )

    def _embedding_length(self) -> int:
        """Of a projector: the width of the models that it can serve."""
        if self.architecture != "clip":
            return self.of_model("embedding_length")
        return self.number("clip.vision.projection_dim") or self.number("clip.audio.projection_dim")

    def _per_layer(self, key: str) -> tuple[int, ...]:
        counts = self.numbers(f"{self.architecture}.{key}")
        return counts[:1] if len(set(counts)) == 1 else counts


def _shown(text: str) -> str:
    """Text from a file as it may be shown: one line, no control characters, not too long."""
    return "".join(c if c.isprintable() else " " for c in text[:_SHOWN]).strip()
