"""The llama-server flags that the embedded engine takes, and the xllamacpp setting of each.

Used by the child and by the daemon, which refuses other flags before it starts a child. The child
starts often and should be small, so this module imports nothing but the standard library's basics.
Names and meanings are llama-server's; the attributes are those of xllamacpp's CommonParams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

MAX_DEVICES = 128
"""llama.cpp's fixed length of per-device lists."""


DEVICES = "devices"
"""Stands for an attribute that is missing: the child sets others that do the same."""


class Setting(NamedTuple):
    """A flag and what it sets. Without `convert` it takes no value and sets `constant`."""

    names: tuple[str, ...]
    attribute: str
    convert: Callable[[str], object] | None = None
    constant: object = None


def _choice(**values: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if text not in values:
            raise ValueError(f"unknown value {text!r}, use one of {', '.join(values)}")
        return values[text]

    return convert


def _either(**values: int) -> Callable[[str], int]:
    """A named value, or a number."""
    named = _choice(**values)
    return lambda text: named(text) if text in values else int(text)


def _switch(text: str) -> bool:
    return bool(_choice(on=1, off=0, true=1, false=0)(text))


def _names(text: str) -> set[str]:
    return {name for name in text.split(",") if name}


def _devices(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(text.split(","))


def _split_over(text: str) -> list[float]:
    parts = [float(part) for part in text.replace("/", ",").split(",")]
    return parts + [0.0] * (MAX_DEVICES - len(parts))


def _margins(text: str) -> list[int]:
    parts = [int(part) << 20 for part in text.split(",")]
    return parts + [parts[-1]] * (MAX_DEVICES - len(parts))


def _experts_on_cpu(_: str = "") -> str:
    return r"\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"


def _first_experts_on_cpu(text: str) -> str:
    return ",".join(rf"blk\.{layer}{_experts_on_cpu()}" for layer in range(int(text)))


def _folder(text: str) -> str:
    # The engine glues file names to it.
    return text.rstrip("/") + "/"


def _file(text: str) -> str:
    with open(text, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs the child its start
        return file.read()


def _template_values(text: str) -> dict[str, str]:
    import json  # noqa: PLC0415 - only children with this flag pay for it

    return {name: json.dumps(value) for name, value in json.loads(text).items()}


def _adapters(text: str) -> list[tuple[str, float]]:
    return [(path, 1.0) for path in text.split(",")]


def _scaled_adapters(text: str) -> list[tuple[str, float]]:
    pairs = (part.rpartition(":") for part in text.split(","))
    return [(path, float(scale)) for path, _, scale in pairs]


def _both(names: tuple[str, ...], attribute: str, *, off: tuple[str, ...] = ()) -> list[Setting]:
    """A flag with a twin that switches it off."""
    negative = off or tuple(f"--no-{name[2:]}" for name in names if name.startswith("--"))
    return [Setting(names, attribute, None, True), Setting(negative, attribute, None, False)]


CACHE_TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "iq4_nl": 20,
    "bf16": 30,
}
"""How keys and values can be stored, and ggml's numbers for it."""
_CACHE_TYPE = _choice(**CACHE_TYPES)
_AUTOMATIC = _choice(on=1, off=0, auto=-1)
_LAYERS = _either(auto=-1, all=-2)

SETTINGS: tuple[Setting, ...] = (
    Setting(("-m", "--model"), "model.path", str),
    Setting(("-a", "--alias"), "model_alias", _names),
    Setting(("--tags",), "model_tags", _names),
    Setting(("--host",), "hostnames", lambda text: text.split(",")),
    Setting(("--port",), "port", int),
    Setting(("-t", "--threads"), "cpuparams.n_threads", int),
    Setting(("-tb", "--threads-batch"), "cpuparams_batch.n_threads", int),
    Setting(("--prio",), "cpuparams.priority", int),
    Setting(("--poll",), "cpuparams.poll", int),
    Setting(("--numa",), "numa", _choice(distribute=1, isolate=2, numactl=3)),
    Setting(("-c", "--ctx-size"), "n_ctx", int),
    Setting(("-n", "--predict", "--n-predict"), "n_predict", int),
    Setting(("-b", "--batch-size"), "n_batch", int),
    Setting(("-ub", "--ubatch-size"), "n_ubatch", int),
    Setting(("--keep",), "n_keep", int),
    Setting(("-np", "--parallel"), "n_parallel", int),
    *_both(("-kvu", "--kv-unified"), "kv_unified", off=("-no-kvu", "--no-kv-unified")),
    Setting(("--kv-unified-per-slot",), "kv_unified_per_slot", int),
    *_both(("-cb", "--cont-batching"), "cont_batching", off=("-nocb", "--no-cont-batching")),
    *_both(("--context-shift",), "ctx_shift"),
    Setting(("-fa", "--flash-attn"), "flash_attn_type", _AUTOMATIC),
    Setting(("--swa-full",), "swa_full", None, True),
    Setting(("-ctk", "--cache-type-k"), "cache_type_k", _CACHE_TYPE),
    Setting(("-ctv", "--cache-type-v"), "cache_type_v", _CACHE_TYPE),
    Setting(("-cram", "--cache-ram"), "cache_ram_mib", int),
    Setting(("-ctxcp", "--ctx-checkpoints", "--swa-checkpoints"), "n_ctx_checkpoints", int),
    Setting(("-cms", "--checkpoint-min-step"), "checkpoint_min_step", int),
    *_both(("--cache-prompt",), "cache_prompt"),
    *_both(("--cache-idle-slots",), "cache_idle_slots"),
    Setting(("--cache-reuse",), "n_cache_reuse", int),
    Setting(("-sps", "--slot-prompt-similarity"), "slot_prompt_similarity", float),
    Setting(("--slot-save-path",), "slot_save_path", _folder),
    Setting(("-dev", "--device"), DEVICES, _devices),
    Setting(("-ngl", "--gpu-layers", "--n-gpu-layers"), "n_gpu_layers", _LAYERS),
    Setting(("-sm", "--split-mode"), "split_mode", _choice(none=0, layer=1, row=2, tensor=3)),
    Setting(("-ts", "--tensor-split"), "tensor_split", _split_over),
    Setting(("-mg", "--main-gpu"), "main_gpu", int),
    Setting(("-ot", "--override-tensor"), "tensor_buft_overrides", str),
    Setting(("-cmoe", "--cpu-moe"), "tensor_buft_overrides", None, _experts_on_cpu()),
    Setting(("-ncmoe", "--n-cpu-moe"), "tensor_buft_overrides", _first_experts_on_cpu),
    Setting(("-nkvo", "--no-kv-offload"), "no_kv_offload", None, True),
    Setting(("--no-op-offload",), "no_op_offload", None, True),
    Setting(("-nr", "--no-repack"), "no_extra_bufts", None, True),
    Setting(("--no-host",), "no_host", None, True),
    Setting(("-fit", "--fit"), "fit_params", _switch),
    Setting(("-fitt", "--fit-target"), "fit_params_target", _margins),
    Setting(("-fitc", "--fit-ctx"), "fit_params_min_ctx", int),
    Setting(
        ("-lm", "--load-mode"),
        "load_mode",
        _choice(**{"auto": -1, "none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "dio": 4}),
    ),
    Setting(("-lzm", "--lazy-mode"), "lazy_mode", _choice(off=0, auto=1, on=2)),
    Setting(("--check-tensors",), "check_tensors", None, True),
    *_both(("--warmup",), "warmup"),
    Setting(("--offline",), "offline", None, True),
    Setting(("--rope-scaling",), "rope_scaling_type", _choice(none=0, linear=1, yarn=2)),
    Setting(("--rope-freq-base",), "rope_freq_base", float),
    Setting(("--rope-freq-scale",), "rope_freq_scale", float),
    Setting(("--yarn-orig-ctx",), "yarn_orig_ctx", int),
    Setting(("--embedding", "--embeddings"), "embedding", None, True),
    Setting(("--rerank", "--reranking"), "pooling_type", None, 4),
    Setting(("--pooling",), "pooling_type", _choice(none=0, mean=1, cls=2, last=3, rank=4)),
    Setting(("--embd-normalize",), "embd_normalize", int),
    Setting(("-mm", "--mmproj"), "mmproj.path", str),
    *_both(("--mmproj-offload",), "mmproj_use_gpu"),
    Setting(("--image-min-tokens",), "image_min_tokens", int),
    Setting(("--image-max-tokens",), "image_max_tokens", int),
    Setting(("--lora",), "lora_adapters", _adapters),
    Setting(("--lora-scaled",), "lora_adapters", _scaled_adapters),
    Setting(("--lora-init-without-apply",), "lora_init_without_apply", None, True),
    *_both(("--jinja",), "use_jinja"),
    Setting(("--chat-template",), "chat_template", str),
    Setting(("--chat-template-file",), "chat_template", _file),
    Setting(("--chat-template-kwargs",), "default_template_kwargs", _template_values),
    Setting(
        ("--reasoning-format",),
        "reasoning_format",
        _choice(**{"none": 0, "auto": 1, "deepseek-legacy": 2, "deepseek": 3}),
    ),
    Setting(("-rea", "--reasoning"), "enable_reasoning", _AUTOMATIC),
    Setting(("--reasoning-budget",), "sampling.reasoning_budget_tokens", int),
    *_both(("--skip-chat-parsing",), "force_pure_content_parser"),
    *_both(("--prefill-assistant",), "prefill_assistant"),
    Setting(("--metrics",), "endpoint_metrics", None, True),
    Setting(("--props",), "endpoint_props", None, True),
    *_both(("--slots",), "endpoint_slots"),
    *_both(("--ui", "--webui"), "ui"),
    Setting(("--cors-origins",), "cors_origins", str),
    Setting(("-to", "--timeout"), "timeout_read", int),
    Setting(("--threads-http",), "n_threads_http", int),
    Setting(("--sse-ping-interval",), "sse_ping_interval", int),
    Setting(("-s", "--seed"), "sampling.seed", int),
    Setting(("--temp", "--temperature"), "sampling.temp", float),
    Setting(("--top-k",), "sampling.top_k", int),
    Setting(("--top-p",), "sampling.top_p", float),
    Setting(("--min-p",), "sampling.min_p", float),
    Setting(("--repeat-last-n",), "sampling.penalty_last_n", int),
    Setting(("--repeat-penalty",), "sampling.penalty_repeat", float),
    Setting(("--presence-penalty",), "sampling.penalty_present", float),
    Setting(("--frequency-penalty",), "sampling.penalty_freq", float),
    Setting(("-md", "--model-draft", "--spec-draft-model"), "speculative.draft.mparams.path", str),
    Setting(("--spec-draft-n-max",), "speculative.draft.n_max", int),
    Setting(("--spec-draft-n-min",), "speculative.draft.n_min", int),
    Setting(("--draft-p-min", "--spec-draft-p-min"), "speculative.draft.p_min", float),
    Setting(
        ("-ngld", "--gpu-layers-draft", "--n-gpu-layers-draft", "--spec-draft-ngl"),
        "speculative.draft.n_gpu_layers",
        _LAYERS,
    ),
    Setting(("-v", "--verbose", "--log-verbose"), "verbosity", None, 5),
    Setting(("-lv", "--verbosity", "--log-verbosity"), "verbosity", int),
    Setting(("--log-colors",), "", _AUTOMATIC),
)
"""Flags without an attribute are taken and have no effect: what they ask for is so anyway."""

ALSO: Mapping[str, tuple[tuple[str, object], ...]] = {
    "--rerank": (("embedding", True),),
    "--timeout": (("timeout_write", None),),
}
"""More attributes that a flag sets, by one of its names; None: the same value."""


def by_name() -> dict[str, Setting]:
    """Every spelling of every flag."""
    return {name: setting for setting in SETTINGS for name in setting.names}
