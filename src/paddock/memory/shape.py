"""What of a GGUF's header decides how much memory its model takes: small, and quick to make.

A header of 700 tensors becomes a record per layer. The formulas that use it are in `weights.py`,
`kv.py` and `compute.py`; they follow llama.cpp b11434, checked against its own buffer lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from paddock.errors import GgufError
from paddock.library.header import Header, TensorForm
from paddock.memory.windows import is_window, window_of

REPACKED: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
"""Types that a processor with AVX2 keeps a second time, in an order that suits it."""

KNOWN: Final = frozenset(
    {
        *("llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3", "gpt-oss"),
        *("deepseek2", "mamba2", "granitehybrid", "falcon-h1", "lfm2", "qwen3next", "bert"),
        *("command-r", "cohere2", "starcoder2"),
    }
)
"""Architectures whose formulas were checked against the engine, by tests that still do."""

ENCODERS: Final = frozenset(
    {
        *("bert", "eurobert", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert"),
        *("nomic-bert", "nomic-bert-moe", "gemma-embedding", "t5encoder"),
    }
)
"""They read a text as a whole: no cache, no head."""

_HOST: Final = frozenset({"token_embd", "position_embd", "token_types", "per_layer_token_embd"})
"""Tables that are only looked up; these stay in the machine's own memory."""
_FIRST: Final = frozenset({"token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm"})
_EVERYWHERE: Final = frozenset({"rope_freqs", "rope_factors_long", "rope_factors_short"})
_EXPERTS: Final = frozenset(
    f"ffn_{part}_{kind}"
    for part in ("up", "down", "gate", "gate_up")
    for kind in ("exps", "chexps")
)
MOST_LAYERS: Final = 4096
MOST: Final = 1 << 40
"""A number of a header past this is damage: no product of two may become absurd."""


@dataclass(slots=True)
class Tensors:
    """Tensors that stay together: bytes, those that a processor repacks, the largest one."""

    size: int = 0
    repacked: int = 0
    largest: int = 0

    def add(self, form: TensorForm, *, multiplied: bool = True) -> None:
        """Count one more; `multiplied`: it is a factor of products, and no table."""
        self.size += form.size
        self.largest = max(self.largest, form.size)
        if multiplied and is_repacked(form):
            self.repacked += form.size


class Layer(NamedTuple):
    """One layer. Widths are in numbers, sizes in bytes."""

    dense: Tensors
    """All but the experts."""
    experts: Tensors
    heads: int
    kv_heads: int
    key: int
    """Of one head; 0: the layer has no cache."""
    value: int
    """Of one head; 0: the values are a view of the keys."""
    window: bool
    """It looks at the last few tokens only."""
    rolling: int
    """Of the state that every slot has, what a convolution keeps."""
    state: int
    """The rest of that state."""
    widest: int
    """Numbers that a token takes in the layer's widest step."""

    @property
    def key_width(self) -> int:
        """Numbers of all keys of a token."""
        return self.kv_heads * self.key

    @property
    def value_width(self) -> int:
        """Numbers of all values of a token."""
        return self.kv_heads * self.value


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A model as its memory sees it. Equal only to itself, so that sums of it are kept cheaply."""

    architecture: str
    embedding: int
    vocabulary: int
    context: int
    """Tokens it was trained for."""
    window: int
    """Tokens that layers with a window look at."""
    layers: tuple[Layer, ...]
    host: int
    """Bytes of tables that are only looked up."""
    first: int
    """Bytes that go with the first layer."""
    everywhere: int
    """Bytes that each device with a layer has."""
    output: Tensors
    """The head and what is around it; of a tied one, without the table."""
    tied: int
    """Bytes of the token table when it is the head too."""
    tied_repacked: bool
    per_layer: int
    """Width of embeddings that each layer has of its own."""
    attends: bool
    """Some layer has a cache of keys."""
    recurrent: bool
    """Some layer has a state."""
    latent: bool
    """Values are a view of the keys."""
    expert_layers: tuple[int, ...]
    """Numbers of the layers with experts."""
    beside: int
    """Bytes of files that are loaded with it: projector and adapters."""
    doubt: str
    """Why no formula was checked for such a model; "" when one was."""

    @property
    def encoder(self) -> bool:
        """It reads a text as a whole."""
        return self.architecture in ENCODERS

    @property
    def head(self) -> bool:
        """It tells the next token."""
        return not self.encoder and bool(self.tied or self.output.size)

    @property
    def weights(self) -> int:
        """Bytes of all tensors."""
        layers = sum(layer.dense.size + layer.experts.size for layer in self.layers)
        tables = self.host + self.first + self.everywhere
        return layers + tables + self.output.size


def shape_of(headers: Sequence[Header], beside: int = 0) -> Shape:
    """The shape of a model, from the headers of its files in order.

    `beside`: bytes of its projector and adapters.

    Raises GgufError when they do not tell enough.
    """
    return _Making(headers).shape(beside)


class _Making:
    """One shape, made."""

    def __init__(self, headers: Sequence[Header]) -> None:
        self._header = headers[0]
        self._count = _told(self._header, "block_count")
        if not self._count or self._count > MOST_LAYERS:
            raise GgufError("it does not tell how many layers it has")
        self._embedding = _told(self._header, "embedding_length")
        self._skipped = self._count - min(self._count, _told(self._header, "nextn_predict_layers"))
        self._dense = [Tensors() for _ in range(self._count)]
        self._experts = [Tensors() for _ in range(self._count)]
        self._forms: list[dict[str, TensorForm]] = [{} for _ in range(self._count)]
        self._loose: dict[str, TensorForm] = {}
        self._sort(headers)

    def _sort(self, headers: Iterable[Header]) -> None:
        for header in headers:
            table = header.tensors
            for raw, form in zip(table.names, table.forms, strict=True):
                block, _, rest = raw.decode("utf-8", "replace").partition(".")
                if block == "blk":
                    self._of_layer(rest, form)
                else:
                    self._loose[f"{block}.{rest}"] = form

    def _of_layer(self, rest: str, form: TensorForm) -> None:
        number, _, name = rest.partition(".")
        kind, _, _ = name.partition(".")
        if not number.isdecimal() or int(number) >= self._count:
            self._loose[rest] = form
            return
        layer = int(number)
        if name.endswith(".weight") or "." not in name:
            self._forms[layer][name.removesuffix(".weight")] = form
        if layer >= self._skipped:
            return  # predicts tokens ahead; nobody asks for that
        group = self._experts if kind in _EXPERTS else self._dense
        group[layer].add(form)

    def shape(self, beside: int) -> Shape:
        """All of it."""
        header = self._header
        output, host, first, everywhere = Tensors(), 0, 0, 0
        for name, form in self._loose.items():
            kind = name.partition(".")[0]
            if kind in _HOST:
                host += form.size
            elif kind in _FIRST:
                first += form.size
            elif kind in _EVERYWHERE:
                everywhere += form.size
            else:
                output.add(form)
        table = self._loose.get("token_embd.weight")
        tied = table is not None and "output.weight" not in self._loose
        tied = tied and header.architecture not in ENCODERS
        layers = tuple(map(self._layer, range(self._count)))
        vocabulary = table.shape[1] if table is not None and len(table.shape) > 1 else 0
        return Shape(
            architecture=header.architecture,
            embedding=self._embedding,
            vocabulary=vocabulary,
            context=_told(header, "context_length"),
            window=window_of(header),
            layers=layers,
            host=host,
            first=first,
            everywhere=everywhere,
            output=output,
            tied=table.size if tied and table is not None else 0,
            tied_repacked=bool(tied and table is not None and is_repacked(table)),
            per_layer=_told(header, "embedding_length_per_layer_input"),
            attends=any(layer.key for layer in layers),
            recurrent=any(layer.rolling or layer.state for layer in layers),
            latent=any(layer.key and not layer.value for layer in layers),
            expert_layers=tuple(n for n, layer in enumerate(layers) if layer.experts.size),
            beside=beside,
            doubt=_doubt(header),
        )

    def _layer(self, number: int) -> Layer:
        header, forms = self._header, self._forms[number]
        heads = _at(header, "attention.head_count", number)
        window = is_window(header, number, self._count)
        kv, key, value = self._cache(number, heads, window=window)
        rolling, state = _state(header, forms)
        return Layer(
            dense=self._dense[number],
            experts=self._experts[number],
            heads=heads,
            kv_heads=kv,
            key=key,
            value=value,
            window=window,
            rolling=rolling,
            state=state,
            widest=max(
                _feed_forward(forms, header, self._embedding),
                _attention(header, forms, heads, number),
                _scan(header, forms),
            ),
        )

    def _cache(self, number: int, heads: int, *, window: bool) -> tuple[int, int, int]:
        """Heads for keys, and the sizes of a key and of a value; zeros for a layer without."""
        header, forms = self._header, self._forms[number]
        without = header.architecture in ENCODERS or number >= self._skipped
        recurrent = any(name.startswith(("ssm_", "shortconv")) for name in forms)
        attends = "attn_k" in forms or (
            not recurrent and bool({"attn_qkv", "attn_kv_a_mqa"} & forms.keys())
        )
        shared = _told(header, "attention.shared_kv_layers")
        if without or not attends or number >= self._count - shared:
            return 0, 0, 0
        if "attn_k_b" in forms:
            rank = _told(header, "attention.kv_lora_rank")
            return 1, rank + _told(header, "rope.dimension_count"), 0
        key, value = _sizes(header, heads, self._embedding, window=window)
        return _at(header, "attention.head_count_kv", number, heads), key, value


def is_repacked(form: TensorForm) -> bool:
    """Whether a processor makes a copy of the tensor in an order of its own."""
    return form.type in REPACKED and len(form.shape) in {2, 3} and form.shape[1] % 8 == 0


def _told(header: Header, key: str) -> int:
    """A number of the architecture's, 0 when it is not told or absurd."""
    number = header.of_model(key)
    return number if number < MOST else 0


def _at(header: Header, key: str, layer: int, default: int = 0) -> int:
    """The number under `key` that is the layer's."""
    numbers = header.numbers(f"{header.architecture}.{key}")
    if not numbers:
        return default
    number = numbers[layer] if layer < len(numbers) else numbers[-1] if len(numbers) == 1 else 0
    return number if number < MOST else 0


def _sizes(header: Header, heads: int, embedding: int, *, window: bool) -> tuple[int, int]:
    """Numbers in a head's key and value."""
    most = max(header.numbers(f"{header.architecture}.attention.head_count"), default=0)
    usual = embedding // (most or heads) if most or heads else 0
    sizes = [_told(header, f"attention.{part}_length") or usual for part in ("key", "value")]
    if window:
        own = [_told(header, f"attention.{part}_length_swa") for part in ("key", "value")]
        sizes = [new or old for new, old in zip(own, sizes, strict=True)]
    return sizes[0], sizes[1]


def _state(header: Header, forms: dict[str, TensorForm]) -> tuple[int, int]:
    """Numbers of a layer's state: what a convolution keeps, and the rest."""
    if "shortconv.conv" in forms:
        kept = max(0, _told(header, "shortconv.l_cache") - 1)
        return _told(header, "embedding_length") * kept, 0
    if not any(name.startswith("ssm_") for name in forms):
        return 0, 0
    inner, state = _told(header, "ssm.inner_size"), _told(header, "ssm.state_size")
    channels = inner + 2 * _told(header, "ssm.group_count") * state
    return max(0, _told(header, "ssm.conv_kernel") - 1) * channels, state * inner


def _feed_forward(forms: dict[str, TensorForm], header: Header, embedding: int) -> int:
    """Numbers per token of the widest step of a layer's feed-forward."""
    widths = [0]
    if (down := forms.get("ffn_down")) is not None:
        up = forms.get("ffn_up")
        fused = up is not None and len(up.shape) > 1 and up.shape[1] == 2 * down.shape[0]
        widths.append(down.shape[0] * (3 if fused or "ffn_gate" in forms else 1))
    if (down := forms.get("ffn_down_exps")) is not None:
        used, inner = _told(header, "expert_used_count"), down.shape[0]
        wide = 3 * used * inner + (used * embedding if embedding > 2 * inner else 0)
        widths.append(wide + (embedding if "ffn_down_shexp" in forms else 0))
    return max(widths)


def _attention(header: Header, forms: dict[str, TensorForm], heads: int, layer: int) -> int:  # noqa: ARG001
    """Numbers per token of the widest step of a layer's attention."""
    if "attn_k_b" in forms:
        rank, rope = _told(header, "attention.kv_lora_rank"), _told(header, "rope.dimension_count")
        return heads * (2 * rank + rope + _told(header, "attention.key_length_mla"))
    if "attn_output" not in forms:
        return 0
    return 2 * forms["attn_output"].shape[0]


def _scan(header: Header, forms: dict[str, TensorForm]) -> int:
    """Numbers per token of the widest step of a recurrent layer."""
    if not any(name.startswith("ssm_") for name in forms):
        return 0
    inner, state = _told(header, "ssm.inner_size"), _told(header, "ssm.state_size")
    mixed = 2 * _told(header, "ssm.group_count") * state
    if "attn_qkv" in forms:
        return 3 * (inner + mixed) + inner
    return 3 * inner + mixed + _told(header, "ssm.time_step_rank") + 2 * (inner + mixed)


def _doubt(header: Header) -> str:
    if header.architecture in KNOWN:
        return ""
    return f"the formulas were never checked for the architecture {header.architecture}"
