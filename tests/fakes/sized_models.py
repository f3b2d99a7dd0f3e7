"""Models of any size that llama.cpp loads and lets speak: sparse weights, a real vocabulary.

A file takes no disk, whatever its size. What a model holds can be in its weights, which are copied
when it loads and read for every token, or in its cache, which costs nothing until it is used: so a
story about 2 GiB needs no 2 GiB of weights.
"""

from __future__ import annotations

import struct
from pathlib import Path

from tests.fakes.architectures import F16, attention, experts, gated, made
from tests.fakes.gguf_maker import ARRAY, I32, Gguf, Raw

MIB = 1 << 20
HEAD = 64
WIDEST = 65535
"""Rows of a tensor that a software GPU multiplies with; of more, it leaves the tensor alone."""
WORDS = ("<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)))
KINDS = (2, 3, 3, *[6] * 256)
"""Unknown, control, byte."""
TEMPLATE = "{{ messages[-1].content }}"
"""A prompt of a few tokens is worked on by the same shaders as one token: no more are compiled."""


def sized(
    *,
    layers: int = 8,
    heads: int = 16,
    weights: int = 16,
    count: int = 0,
    width: int = 64,
    context: int = 8192,
) -> Gguf:
    """A llama whose cache takes `layers` x `heads` MiB for every 4096 tokens of 16 bits.

    Its feed-forward holds `weights` MiB; with a `count`, in so many experts, of which one works on
    a token. `context` is what it was trained for.
    """
    inner = max(64, round(weights * MIB / (layers * (count or 1) * 3 * width * 2 * 64)) * 64)
    assert inner <= WIDEST, "more layers, or wider ones"
    attends = {
        **attention(width, heads, heads, HEAD, kind=F16),
        "attn_v.weight": (F16, (width, heads * HEAD)),
    }
    feeds = experts(width, inner, count, kind=F16) if count else gated(width, inner, kind=F16)
    model = made(
        "llama",
        [{**attends, **feeds}] * layers,
        width=width,
        tied=True,
        vocabulary=len(WORDS),
        kind=F16,
        context_length=context,
        feed_forward_length=inner,
        attention__head_count=heads,
        attention__head_count_kv=heads,
        attention__key_length=HEAD,
        attention__value_length=HEAD,
        rope__dimension_count=HEAD,
    )
    some = {"llama.expert_count": count, "llama.expert_used_count": 1} if count else {}
    model.metadata = {**model.metadata, **some, **_vocabulary()}
    return model


def _vocabulary() -> dict[str, object]:
    kinds = struct.pack(f"<IIQ{len(KINDS)}i", ARRAY, I32, len(KINDS), *KINDS)
    return {
        "general.file_type": 1,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": WORDS,
        "tokenizer.ggml.scores": [-float(number) for number in range(len(WORDS))],
        "tokenizer.ggml.token_type": Raw(kinds),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": TEMPLATE,
    }


def put(model: Gguf, models: Path, name: str) -> Path:
    """Write a model beside a models folder, and move it in when it is whole."""
    return model.write(models.parent / "incoming.gguf").rename(models / f"{name}.gguf")
