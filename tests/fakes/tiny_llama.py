#!/usr/bin/env python3
"""Writes a GGUF of a two-layer llama with a synthetic vocabulary: `python tiny_llama.py FILE`.

It is real to llama.cpp: it loads in a tenth of a second and speaks nonsense at thousands of tokens
per second. The weights come from `--seed`, so two seeds are two models.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np

WIDTH = 32
HEADS = 2
FEED_FORWARD = 64
LAYERS = 2
WORDS = ("he", "ll", "o", "a", "b", "c", "d", "e", "th", "the", "in", "▁", "▁a", "▁the", "▁is")
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write(
    path: Path,
    *,
    seed: int = 0,
    context: int = 2048,
    architecture: str = "llama",
    chat: bool = True,
) -> Path:
    """Write the model; returns `path`. An unknown `architecture` makes one that cannot load."""
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(f"tiny llama {seed}")
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    vocabulary = _add_vocabulary(writer)
    if chat:
        writer.add_chat_template(CHAT_TEMPLATE)
    _add_tensors(writer, vocabulary, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter) -> int:
    """A sentencepiece vocabulary: three special tokens, all bytes, some words. Its size."""
    kinds = gguf.TokenType
    tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kinds.BYTE) for byte in range(256)]
    tokens += [(word, kinds.NORMAL) for word in WORDS]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([-float(index) for index in range(len(tokens))])
    writer.add_token_types([int(kind) for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens)


def _add_tensors(writer: gguf.GGUFWriter, vocabulary: int, random: np.random.Generator) -> None:
    shapes = {"token_embd": (vocabulary, WIDTH), "output": (vocabulary, WIDTH)}
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{layer}.{name}"] = (WIDTH, WIDTH)
        shapes[f"blk.{layer}.ffn_gate"] = (FEED_FORWARD, WIDTH)
        shapes[f"blk.{layer}.ffn_up"] = (FEED_FORWARD, WIDTH)
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, FEED_FORWARD)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.2, shape).astype(np.float32))
    norms = ["output_norm"]
    norms += [f"blk.{n}.{kind}_norm" for n in range(LAYERS) for kind in ("attn", "ffn")]
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--architecture", default="llama")
    given = parser.parse_args()
    write(given.file, seed=given.seed, context=given.context, architecture=given.architecture)
