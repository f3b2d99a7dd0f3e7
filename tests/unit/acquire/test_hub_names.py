"""What names of files in GGUF repositories tell: publishers' habits, and their traps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.acquire.hub_names import Kind, canonical, parse, runs_elsewhere_only

PUBLISHED = [
    ("Llama-3.2-3B-Instruct-IQ3_M.gguf", "Llama-3.2-3B-Instruct", "IQ3_M", "", "model"),
    ("Reflection-Llama-3.1-70B-q4_k_m.gguf", "Reflection-Llama-3.1-70B", "Q4_K_M", "", "model"),
    ("Llama-3.3-70B-Instruct.Q4_K_M.gguf", "Llama-3.3-70B-Instruct", "Q4_K_M", "", "model"),
    ("mpt-7b-chat.gguf4.Q4_0.gguf", "mpt-7b-chat", "Q4_0", "", "model"),
    ("qwen2-1_5b-instruct-q4_0.gguf", "qwen2-1_5b-instruct", "Q4_0", "", "model"),
    ("DeepSeek-V4-Flash-0731-MXFP4.gguf", "DeepSeek-V4-Flash-0731", "MXFP4", "", "model"),
    ("Qwable-v1-35B-A3B-MXFP4_MOE.gguf", "Qwable-v1-35B-A3B", "MXFP4_MOE", "", "model"),
    ("Codestral-22B-v0.1-F32-Q2_K.gguf", "Codestral-22B-v0.1-F32", "Q2_K", "", "model"),
    (
        "Mistral-Large-3-675B-Instruct-2512.i1-IQ3_M.gguf",
        "Mistral-Large-3-675B-Instruct-2512",
        "IQ3_M",
        "",
        "model",
    ),
    ("MN-12B-Lyra-v4-Q4_K_M-imat.gguf", "MN-12B-Lyra-v4", "Q4_K_M", "", "model"),
    ("Ornith-1.0-35B-UD-Q5_K_M.gguf", "Ornith-1.0-35B", "UD-Q5_K_M", "", "model"),
    (
        "UD-Q6_K/NVIDIA-Nemotron-3-Super-120B-A12B-UD-Q6_K-00002-of-00004.gguf",
        "NVIDIA-Nemotron-3-Super-120B-A12B",
        "UD-Q6_K",
        "2/4",
        "model",
    ),
    (
        "Q3_K_L/Qwen3-Coder-480B-A35B-Instruct-Q3_K_L-00006-of-00006.gguf",
        "Qwen3-Coder-480B-A35B-Instruct",
        "Q3_K_L",
        "6/6",
        "model",
    ),
    (
        "UD-Q4_K_XL/inkling-UD-Q4_K_XL-00014-of-00014.gguf",
        "inkling",
        "UD-Q4_K_XL",
        "14/14",
        "model",
    ),
    ("gemma-4-31B_q4_0-it.gguf", "gemma-4-31B-it", "Q4_0", "", "model"),
    ("Qwen3.5-35B-A3B-APEX-TQ-Compact.gguf", "Qwen3.5-35B-A3B-APEX-TQ-Compact", "", "", "model"),
    ("Codestral-22B-v0.1.gguf", "Codestral-22B-v0.1", "", "", "model"),
    ("GLM-4.6-IQ4_KSS-00001-of-00004.gguf", "GLM-4.6", "IQ4_KSS", "1/4", "model"),
    ("mmproj-F32.gguf", "", "F32", "", "mmproj"),
    (
        "mmproj-mistral-community_pixtral-12b-f16.gguf",
        "mistral-community_pixtral-12b",
        "F16",
        "",
        "mmproj",
    ),
    ("Agents-A1-4B-mmproj.gguf", "Agents-A1-4B", "", "", "mmproj"),
    ("mmproj-LFM2.5-VL-1.6b-F16.gguf", "LFM2.5-VL-1.6b", "F16", "", "mmproj"),
    ("mtp-gemma-4-E4B-it.gguf", "gemma-4-E4B-it", "", "", "mtp"),
    ("Qwen3.6-35B-A3B-DFlash-Q8_0.gguf", "Qwen3.6-35B-A3B-DFlash", "Q8_0", "", "draft"),
    (
        "Qwen3.5-9B-Kimi-k3-Distilled.imatrix.gguf",
        "Qwen3.5-9B-Kimi-k3-Distilled",
        "",
        "",
        "imatrix",
    ),
    ("Phi3.5-mini-F16-LoRA.gguf", "Phi3.5-mini", "F16", "", "lora"),
    ("Kimi-K2-Thinking.Q6_K.gguf.part1of2", "Kimi-K2-Thinking", "Q6_K", "1/2", "bytes"),
    ("lemur-70b-chat-v1.Q6_K.gguf-split-b", "lemur-70b-chat-v1", "Q6_K", "2/?", "bytes"),
]


@pytest.mark.parametrize(("path", "model", "quant", "shard", "kind"), PUBLISHED)
def test_names_as_they_are_published(path, model, quant, shard, kind):
    name = parse(path)
    told = f"{name.shard}/{name.shards or '?'}" if name.shard else ""
    assert (name.model, name.quant, told, name.kind) == (model, quant, shard, kind)


@pytest.mark.parametrize(
    ("path", "model", "quant", "kind"),
    [
        ("UD-Q4_K_XL/big-00001-of-00002.gguf", "big", "UD-Q4_K_XL", Kind.MODEL),
        ("gpt-oss-20b-mxfp4.GGUF", "gpt-oss-20b", "MXFP4", Kind.MODEL),
        ("x-iQ4_NL.gguf", "x", "IQ4_NL", Kind.MODEL),
        ("x-fp16.gguf", "x", "F16", Kind.MODEL),
        ("Kimi-smol-IQ4_KSS-00001-of-00009.gguf", "Kimi-smol", "IQ4_KSS", Kind.MODEL),
        ("Qwen3.5-9B-MTP-Q4_K_M.gguf", "Qwen3.5-9B-MTP", "Q4_K_M", Kind.MODEL),
        ("MTP/x-Q4_K_M.gguf", "x", "Q4_K_M", Kind.MTP),
        ("eagle3-x-Q8_0.gguf", "eagle3-x", "Q8_0", Kind.DRAFT),
        ("ggml-vocab-llama-bpe.gguf", "llama-bpe", "", Kind.VOCABULARY),
        ("imatrix_unsloth.gguf_file", "unsloth", "", Kind.IMATRIX),
        ("x.imatrix", "x", "", Kind.IMATRIX),
        ("v1-imatrix.gguf", "v1", "", Kind.IMATRIX),
        ("x-Q8_0-chunk-001-of-002.gguf", "x", "Q8_0", Kind.BYTES),
        ("x.Q2_K.gguf.b", "x", "Q2_K", Kind.BYTES),
        ("README.md", "", "", Kind.OTHER),
        ("config.json", "", "", Kind.OTHER),
        ("", "", "", Kind.OTHER),
        (".gguf", "", "", Kind.MODEL),
        ("Seq8-v2.gguf", "Seq8-v2", "", Kind.MODEL),
    ],
)
def test_traps(path, model, quant, kind):
    name = parse(path)
    assert (name.model, name.quant, name.kind) == (model, quant, kind)


@pytest.mark.parametrize(
    ("text", "told"),
    [("q4_k_m", "Q4_K_M"), ("ud-q4_k_xl", "UD-Q4_K_XL"), ("i1-Q6_K", "Q6_K"), ("FP16", "F16")],
)
def test_quantizations_are_told_in_one_way(text, told):
    assert canonical(text) == told


@pytest.mark.parametrize(
    "quant", ["IQ4_KSS", "IQ2_KL", "IQ5_K", "IQ4_KT", "Q4_K_R4", "Q8_0_R8", "I2_S", "Q8_K_P"]
)
def test_what_only_patched_engines_load(quant):
    assert runs_elsewhere_only(quant)


@pytest.mark.parametrize(
    "quant", ["IQ4_XS", "IQ3_XXS", "Q4_K_M", "UD-Q4_K_XL", "Q6_K_L", "MXFP4_MOE", "TQ1_0", "F16"]
)
def test_what_every_engine_loads(quant):
    assert not runs_elsewhere_only(quant)


_PIECES = st.sampled_from(
    ["Q4_K_M", "-", "_", ".", "/", "mmproj", "UD-", "-00001-of-00002", ".gguf", "imatrix", "mtp-"]
)


@given(st.lists(_PIECES | st.text(max_size=8), max_size=12).map("".join))
def test_no_name_is_too_strange(path):
    name = parse(path)
    assert name.path == path
    assert "/" not in name.model
    assert canonical(name.quant) == name.quant


def test_an_endless_name_takes_no_time():
    for text in ("-Q4_K" * 4000, "_K" * 9000, "Q4" + "_K_S" * 9000 + "!", "1" * 50000):
        parse(f"{text}.gguf")
