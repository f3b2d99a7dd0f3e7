"""GGUFs of many architectures as llama.cpp loads them: real tables of tensors, sparse weights.

Each is small, but made like the real ones: the numbers of heads, windows, experts and states differ
from each other, so that a formula that mixes two of them up is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.fakes.gguf_maker import Gguf

F32, F16, Q4_0, Q8_0, Q4_K, Q6_K, MXFP4 = 0, 1, 2, 8, 12, 14, 39
VOCABULARY = 8192

Tensor = tuple[str, int, tuple[int, ...]]
Table = Mapping[str, tuple[int, tuple[int, ...]]]


def made(
    architecture: str,
    layers: Iterable[Table],
    *,
    width: int,
    tied: bool = False,
    more: Table | None = None,
    vocabulary: int = VOCABULARY,
    kind: int = Q4_K,
    **metadata: Any,
) -> Gguf:
    """A model of these layers; in keys of `metadata` a double underscore stands for a dot."""
    table: list[Tensor] = [
        ("token_embd.weight", kind, (width, vocabulary)),
        ("output_norm.weight", F32, (width,)),
    ]
    if not tied:
        table.append(("output.weight", Q6_K, (width, vocabulary)))
    for name, (type_, shape) in (more or {}).items():
        table.append((name, type_, shape))
    count = 0
    for number, layer in enumerate(layers):
        count += 1
        table += [(f"blk.{number}.{name}", *made_of) for name, made_of in layer.items()]
    own = {f"{architecture}.{key.replace('__', '.')}": value for key, value in metadata.items()}
    told = {
        "tokenizer.ggml.model": "no_vocab",
        f"{architecture}.vocab_size": vocabulary,
        f"{architecture}.block_count": count,
        f"{architecture}.embedding_length": width,
        f"{architecture}.context_length": 32768,
        f"{architecture}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{architecture}.attention.head_count": None,
        f"{architecture}.attention.head_count_kv": None,
    }
    return Gguf(architecture, {**told, **own}, table)


def attention(
    width: int, heads: int, kv: int, k: int, v: int | None = None, *, kind: int = Q4_K
) -> Table:
    """Query, keys, values and output of `heads` heads of size `k`, `kv` of them for keys."""
    v = k if v is None else v
    return {
        "attn_norm.weight": (F32, (width,)),
        "attn_q.weight": (kind, (width, heads * k)),
        "attn_k.weight": (kind, (width, kv * k)),
        "attn_v.weight": (Q6_K, (width, kv * v)),
        "attn_output.weight": (kind, (heads * v, width)),
    }


def biases(width: int, heads: int, kv: int, k: int) -> Table:
    """What Qwen 2 adds to its products."""
    return {
        "attn_q.bias": (F32, (heads * k,)),
        "attn_k.bias": (F32, (kv * k,)),
        "attn_v.bias": (F32, (kv * k,)),
    }


def normed(k: int) -> Table:
    """Norms of queries and keys."""
    return {"attn_q_norm.weight": (F32, (k,)), "attn_k_norm.weight": (F32, (k,))}


def gated(width: int, inner: int, *, norm: bool = True, kind: int = Q4_K) -> Table:
    """A gated feed-forward."""
    own: Table = {
        "ffn_gate.weight": (kind, (width, inner)),
        "ffn_up.weight": (kind, (width, inner)),
        "ffn_down.weight": (kind, (inner, width)),
    }
    return {**({"ffn_norm.weight": (F32, (width,))} if norm else {}), **own}


def experts(
    width: int, inner: int, count: int, *, kind: int = Q4_K, norm: bool = True, shared: int = 0
) -> Table:
    """A router and its experts."""
    own: dict[str, tuple[int, tuple[int, ...]]] = {
        "ffn_gate_inp.weight": (F32, (width, count)),
        "ffn_gate_exps.weight": (kind, (width, inner, count)),
        "ffn_up_exps.weight": (kind, (width, inner, count)),
        "ffn_down_exps.weight": (kind, (inner, width, count)),
    }
    if norm:
        own["ffn_norm.weight"] = (F32, (width,))
    if shared:
        own["ffn_gate_shexp.weight"] = (kind, (width, shared))
        own["ffn_up_shexp.weight"] = (kind, (width, shared))
        own["ffn_down_shexp.weight"] = (kind, (shared, width))
    return own


def posts(width: int) -> Table:
    """Norms behind attention and feed-forward."""
    return {
        "post_attention_norm.weight": (F32, (width,)),
        "post_ffw_norm.weight": (F32, (width,)),
    }


def llama(layers: int = 12, *, tied: bool = False) -> Gguf:
    """Llama 3's way: grouped heads, a gated feed-forward."""
    layer = {**attention(1024, 16, 4, 64), **gated(1024, 3584)}
    return made(
        "llama",
        [layer] * layers,
        width=1024,
        tied=tied,
        more={"rope_freqs.weight": (F32, (32,))},
        feed_forward_length=3584,
        attention__head_count=16,
        attention__head_count_kv=4,
        rope__dimension_count=64,
    )


def mixtral() -> Gguf:
    """Llama with eight experts, two at a time."""
    layer = {**attention(512, 8, 4, 64), **experts(512, 1792, 8)}
    return made(
        "llama",
        [layer] * 8,
        width=512,
        feed_forward_length=1792,
        expert_count=8,
        expert_used_count=2,
        attention__head_count=8,
        attention__head_count_kv=4,
        rope__dimension_count=64,
    )


def qwen2() -> Gguf:
    """Biases, and a vocabulary of 64,000."""
    layer = {**attention(768, 12, 2, 64), **biases(768, 12, 2, 64), **gated(768, 2048)}
    return made(
        "qwen2",
        [layer] * 10,
        width=768,
        vocabulary=64_000,
        feed_forward_length=2048,
        attention__head_count=12,
        attention__head_count_kv=2,
    )


def qwen3() -> Gguf:
    """Heads that are wider than the embedding says."""
    layer = {**attention(512, 8, 4, 128), **normed(128), **gated(512, 1536)}
    return made(
        "qwen3",
        [layer] * 9,
        width=512,
        tied=True,
        feed_forward_length=1536,
        attention__head_count=8,
        attention__head_count_kv=4,
        attention__key_length=128,
        attention__value_length=128,
    )


def qwen3moe() -> Gguf:
    """Many small experts."""
    layer = {**attention(512, 8, 2, 128), **normed(128), **experts(512, 256, 32)}
    return made(
        "qwen3moe",
        [layer] * 10,
        width=512,
        feed_forward_length=1536,
        expert_feed_forward_length=256,
        expert_count=32,
        expert_used_count=8,
        attention__head_count=8,
        attention__head_count_kv=2,
        attention__key_length=128,
        attention__value_length=128,
    )


def gemma2() -> Gguf:
    """A window in every other layer, of 4096 tokens without being told."""
    layer = {**attention(768, 8, 4, 256), **gated(768, 3072), **posts(768)}
    return made(
        "gemma2",
        [layer] * 8,
        width=768,
        tied=True,
        feed_forward_length=3072,
        attention__head_count=8,
        attention__head_count_kv=4,
        attention__key_length=256,
        attention__value_length=256,
    )


def gemma3() -> Gguf:
    """Five layers of six look at 512 tokens."""
    layer = {
        **attention(640, 4, 1, 256, kind=Q8_0),
        "attn_v.weight": (Q8_0, (640, 256)),
        **normed(256),
        **gated(640, 2048, kind=Q8_0),
        **posts(640),
    }
    return made(
        "gemma3",
        [layer] * 14,
        width=640,
        tied=True,
        kind=Q8_0,
        feed_forward_length=2048,
        attention__head_count=4,
        attention__head_count_kv=1,
        attention__key_length=256,
        attention__value_length=256,
        attention__sliding_window=512,
    )


def phi3() -> Gguf:
    """Fused products, and a window that nobody minds."""
    layer: Table = {
        "attn_norm.weight": (F32, (768,)),
        "attn_qkv.weight": (Q4_K, (768, 2304)),
        "attn_output.weight": (Q4_K, (768, 768)),
        "ffn_norm.weight": (F32, (768,)),
        "ffn_up.weight": (Q4_K, (768, 4096)),
        "ffn_down.weight": (Q4_K, (2048, 768)),
    }
    return made(
        "phi3",
        [layer] * 8,
        width=768,
        feed_forward_length=2048,
        attention__head_count=12,
        attention__head_count_kv=12,
        attention__sliding_window=2047,
        rope__dimension_count=64,
        rope__scaling__original_context_length=4096,
    )


def gpt_oss() -> Gguf:
    """Experts in MXFP4 with biases, and a window of 128 in every other layer."""
    layer: Table = {
        **attention(512, 16, 2, 64, kind=Q8_0),
        "attn_v.weight": (Q8_0, (512, 128)),
        **biases(512, 16, 2, 64),
        "attn_output.bias": (F32, (512,)),
        "attn_sinks.weight": (F32, (16,)),
        **experts(512, 512, 16, kind=MXFP4, norm=False),
        "ffn_gate_inp.bias": (F32, (16,)),
        "ffn_gate_exps.bias": (F32, (512, 16)),
        "ffn_up_exps.bias": (F32, (512, 16)),
        "ffn_down_exps.bias": (F32, (512, 16)),
        "post_attention_norm.weight": (F32, (512,)),
    }
    return made(
        "gpt-oss",
        [layer] * 8,
        width=512,
        kind=Q8_0,
        feed_forward_length=512,
        expert_feed_forward_length=512,
        expert_count=16,
        expert_used_count=4,
        attention__head_count=16,
        attention__head_count_kv=2,
        attention__key_length=64,
        attention__value_length=64,
        attention__sliding_window=128,
    )


def deepseek2() -> Gguf:
    """Multi-head latent attention, a first dense layer, shared experts."""
    width, heads, rank, rope, plain, value = 512, 8, 256, 64, 128, 128
    attends: Table = {
        "attn_norm.weight": (F32, (width,)),
        "attn_q_a.weight": (Q4_K, (width, 512)),
        "attn_q_a_norm.weight": (F32, (512,)),
        "attn_q_b.weight": (Q4_K, (512, heads * (plain + rope))),
        "attn_kv_a_mqa.weight": (Q8_0, (width, rank + rope)),
        "attn_kv_a_norm.weight": (F32, (rank,)),
        "attn_k_b.weight": (Q8_0, (plain, rank, heads)),
        "attn_v_b.weight": (Q8_0, (rank, value, heads)),
        "attn_output.weight": (Q4_K, (heads * value, width)),
    }
    dense = {**attends, **gated(width, 1536)}
    sparse = {
        **attends,
        **experts(width, 256, 16, shared=512),
        "exp_probs_b.bias": (F32, (16,)),
    }
    return made(
        "deepseek2",
        [dense, *[sparse] * 7],
        width=width,
        feed_forward_length=1536,
        expert_feed_forward_length=256,
        expert_count=16,
        expert_used_count=4,
        expert_shared_count=2,
        expert_weights_scale=2.5,
        expert_gating_func=2,
        leading_dense_block_count=1,
        attention__head_count=heads,
        attention__head_count_kv=1,
        attention__q_lora_rank=512,
        attention__kv_lora_rank=rank,
        attention__key_length=rank + rope,
        attention__value_length=rank,
        attention__key_length_mla=plain + rope,
        attention__value_length_mla=value,
        rope__dimension_count=rope,
    )


def _mamba2(width: int, inner: int, state: int, groups: int, heads: int) -> Table:
    channels = inner + 2 * groups * state
    return {
        "attn_norm.weight": (F32, (width,)),
        "ssm_in.weight": (Q8_0, (width, 2 * inner + 2 * groups * state + heads)),
        "ssm_conv1d.weight": (F32, (4, channels)),
        "ssm_conv1d.bias": (F32, (channels,)),
        "ssm_dt.bias": (F32, (heads,)),
        "ssm_a": (F32, (1, heads)),
        "ssm_d": (F32, (1, heads)),
        "ssm_norm.weight": (F32, (inner // groups, groups)),
        "ssm_out.weight": (Q8_0, (inner, width)),
    }


def _ssm(inner: int, state: int, groups: int, heads: int) -> dict[str, Any]:
    return {
        "ssm__conv_kernel": 4,
        "ssm__inner_size": inner,
        "ssm__state_size": state,
        "ssm__group_count": groups,
        "ssm__time_step_rank": heads,
    }


def mamba2() -> Gguf:
    """Only states, no cache."""
    return made(
        "mamba2",
        [_mamba2(768, 1536, 128, 1, 24)] * 12,
        width=768,
        feed_forward_length=0,
        attention__head_count=0,
        **_ssm(1536, 128, 1, 24),
    )


def granite_hybrid() -> Gguf:
    """Nine layers with a state, then one with attention."""
    kv = [4 if number % 5 == 4 else 0 for number in range(10)]
    state = {**_mamba2(512, 1024, 128, 1, 16), **gated(512, 1024)}
    attends = {**attention(512, 8, 4, 64), **gated(512, 1024)}
    return made(
        "granitehybrid",
        [attends if heads else state for heads in kv],
        width=512,
        feed_forward_length=1024,
        attention__head_count=8,
        attention__head_count_kv=kv,
        attention__scale=0.015,
        embedding_scale=12.0,
        residual_scale=0.22,
        logit_scale=6.0,
        rope__dimension_count=64,
        **_ssm(1024, 128, 1, 16),
    )


def falcon_h1() -> Gguf:
    """State and attention in every layer."""
    layer = {
        **attention(512, 8, 2, 64),
        **_mamba2(512, 1024, 128, 1, 16),
        **gated(512, 1536),
    }
    del layer["ssm_norm.weight"]
    layer["ffn_norm"] = layer.pop("ffn_norm.weight")
    return made(
        "falcon-h1",
        [layer] * 8,
        width=512,
        feed_forward_length=1536,
        attention__head_count=8,
        attention__head_count_kv=2,
        attention__key_length=64,
        attention__value_length=64,
        **_ssm(1024, 128, 1, 16),
    )


def lfm2() -> Gguf:
    """Short convolutions, and attention in every fourth layer."""
    kv = [2 if number % 4 == 2 else 0 for number in range(12)]
    short: Table = {
        "attn_norm.weight": (F32, (512,)),
        "shortconv.conv.weight": (F32, (3, 512)),
        "shortconv.in_proj.weight": (Q4_K, (512, 1536)),
        "shortconv.out_proj.weight": (Q4_K, (512, 512)),
        **gated(512, 1536),
    }
    attends = {**attention(512, 8, 2, 64), **normed(64), **gated(512, 1536)}
    model = made(
        "lfm2",
        [attends if heads else short for heads in kv],
        width=512,
        tied=True,
        more={"token_embd_norm.weight": (F32, (512,))},
        feed_forward_length=1536,
        attention__head_count=8,
        attention__head_count_kv=kv,
        shortconv__l_cache=3,
    )
    model.tensors = [one for one in model.tensors if one[0] != "output_norm.weight"]
    return model


def qwen3next() -> Gguf:
    """Gated delta networks, attention in every fourth layer, experts and a shared one."""
    width, heads_v, heads_k, size = 512, 8, 4, 128
    inner = heads_v * size
    channels = inner + 2 * heads_k * size
    moe: Table = {
        **experts(width, 256, 16, norm=False, shared=256),
        "ffn_gate_inp_shexp.weight": (F32, (width,)),
        "post_attention_norm.weight": (F32, (width,)),
    }
    linear: Table = {
        "attn_norm.weight": (F32, (width,)),
        "attn_qkv.weight": (Q4_K, (width, channels)),
        "attn_gate.weight": (Q4_K, (width, inner)),
        "ssm_conv1d.weight": (F32, (4, channels)),
        "ssm_dt.bias": (F32, (heads_v,)),
        "ssm_a": (F32, (heads_v,)),
        "ssm_ba.weight": (Q4_K, (width, 2 * heads_v)),
        "ssm_norm.weight": (F32, (size,)),
        "ssm_out.weight": (Q4_K, (inner, width)),
        **moe,
    }
    attends = {
        **attention(width, 8, 2, 128),
        "attn_q.weight": (Q4_K, (width, 2 * 8 * 128)),
        **normed(128),
        **moe,
    }
    return made(
        "qwen3next",
        [attends if number % 4 == 3 else linear for number in range(12)],
        width=width,
        feed_forward_length=1024,
        expert_feed_forward_length=256,
        expert_shared_feed_forward_length=256,
        expert_count=16,
        expert_used_count=4,
        attention__head_count=8,
        attention__head_count_kv=2,
        attention__key_length=128,
        attention__value_length=128,
        rope__dimension_count=32,
        full_attention_interval=4,
        **_ssm(inner, size, heads_k, heads_v),
    )


def bert() -> Gguf:
    """An encoder: no cache, no head."""
    width, inner = 384, 1536
    layer: Table = {
        **{f"attn_{n}.weight": (Q8_0, (width, width)) for n in ("q", "k", "v", "output")},
        **{f"attn_{n}.bias": (F32, (width,)) for n in ("q", "k", "v", "output")},
        "ffn_up.weight": (Q8_0, (width, inner)),
        "ffn_up.bias": (F32, (inner,)),
        "ffn_down.weight": (Q8_0, (inner, width)),
        "ffn_down.bias": (F32, (width,)),
        "attn_output_norm.weight": (F32, (width,)),
        "attn_output_norm.bias": (F32, (width,)),
        "layer_output_norm.weight": (F32, (width,)),
        "layer_output_norm.bias": (F32, (width,)),
    }
    model = made(
        "bert",
        [layer] * 6,
        width=width,
        tied=True,
        kind=Q8_0,
        more={
            "position_embd.weight": (F32, (width, 512)),
            "token_types.weight": (F32, (width, 2)),
            "token_embd_norm.weight": (F32, (width,)),
            "token_embd_norm.bias": (F32, (width,)),
        },
        context_length=512,
        feed_forward_length=inner,
        attention__head_count=12,
        attention__layer_norm_epsilon=1e-12,
        attention__causal=False,
        pooling_type=1,
    )
    model.tensors = [one for one in model.tensors if one[0] != "output_norm.weight"]
    model.metadata = {**model.metadata, "tokenizer.ggml.token_type_count": 2}
    return model


def command_r() -> Gguf:
    """Attention and feed-forward side by side, tied."""
    layer = {**attention(768, 12, 4, 64), **gated(768, 2304, norm=False)}
    return made(
        "command-r",
        [layer] * 8,
        width=768,
        tied=True,
        feed_forward_length=2304,
        attention__head_count=12,
        attention__head_count_kv=4,
        attention__layer_norm_epsilon=1e-5,
        logit_scale=0.0625,
    )


def cohere2() -> Gguf:
    """A window in three layers of four."""
    layer = {**attention(768, 12, 4, 64), **gated(768, 2304, norm=False)}
    return made(
        "cohere2",
        [layer] * 12,
        width=768,
        tied=True,
        feed_forward_length=2304,
        attention__head_count=12,
        attention__head_count_kv=4,
        attention__layer_norm_epsilon=1e-5,
        attention__sliding_window=1024,
        rope__dimension_count=64,
        logit_scale=0.0625,
    )


def starcoder2() -> Gguf:
    """A feed-forward without a gate, biases everywhere."""
    width, inner = 768, 3072
    layer: Table = {
        **attention(width, 12, 2, 64),
        **biases(width, 12, 2, 64),
        "attn_norm.bias": (F32, (width,)),
        "attn_output.bias": (F32, (width,)),
        "ffn_norm.weight": (F32, (width,)),
        "ffn_norm.bias": (F32, (width,)),
        "ffn_up.weight": (Q4_K, (width, inner)),
        "ffn_up.bias": (F32, (inner,)),
        "ffn_down.weight": (Q4_K, (inner, width)),
        "ffn_down.bias": (F32, (width,)),
    }
    return made(
        "starcoder2",
        [layer] * 8,
        width=width,
        tied=True,
        more={"output_norm.bias": (F32, (width,))},
        feed_forward_length=inner,
        attention__head_count=12,
        attention__head_count_kv=2,
        attention__layer_norm_epsilon=1e-5,
    )


def llama_tied() -> Gguf:
    """The table of the token embeddings is the head too."""
    return llama(tied=True)


ALL: Mapping[str, Callable[[], Gguf]] = {
    "llama": llama,
    "llama-tied": llama_tied,
    "mixtral": mixtral,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "qwen3moe": qwen3moe,
    "gemma2": gemma2,
    "gemma3": gemma3,
    "phi3": phi3,
    "gpt-oss": gpt_oss,
    "deepseek2": deepseek2,
    "mamba2": mamba2,
    "granite-hybrid": granite_hybrid,
    "falcon-h1": falcon_h1,
    "lfm2": lfm2,
    "qwen3next": qwen3next,
    "bert": bert,
    "command-r": command_r,
    "cohere2": cohere2,
    "starcoder2": starcoder2,
}
"""Makers by name."""
