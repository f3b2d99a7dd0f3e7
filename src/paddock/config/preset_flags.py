"""How keys of llama-server's presets are written on its command line.

A key is a flag without its dashes, long or short, or the flag's environment variable. The tables
are those of llama.cpp b11434; a key they do not have is taken for a long flag with a value.
"""

from __future__ import annotations

from typing import Final

from paddock.config.ini import Pair

TRUE: Final = frozenset({"on", "enabled", "true", "1"})
FALSE: Final = frozenset({"off", "disabled", "false", "0"})

_LONG: Final = {
    "C": "cpu-mask", "Cb": "cpu-mask-batch", "Cbd": "spec-draft-cpu-mask-batch",
    "Cd": "spec-draft-cpu-mask", "Cr": "cpu-range", "Crb": "cpu-range-batch",
    "Crd": "spec-draft-cpu-range", "a": "alias", "ag": "agent", "b": "batch-size",
    "bs": "backend-sampling", "c": "ctx-size", "cb": "cont-batching", "cmoe": "cpu-moe",
    "cmoed": "spec-draft-cpu-moe", "cms": "checkpoint-min-step", "cram": "cache-ram",
    "ctk": "cache-type-k", "ctkd": "spec-draft-type-k", "ctv": "cache-type-v",
    "ctvd": "spec-draft-type-v", "ctxcp": "ctx-checkpoints", "dev": "device",
    "devd": "spec-draft-device", "dr": "docker-repo", "dt": "defrag-thold", "e": "escape",
    "fa": "flash-attn", "fitc": "fit-ctx", "fitt": "fit-target", "hf": "hf-repo",
    "hfd": "spec-draft-hf", "hff": "hf-file", "hfr": "hf-repo", "hfrd": "spec-draft-hf",
    "hft": "hf-token", "j": "json-schema", "jf": "json-schema-file", "kvo": "kv-offload",
    "kvu": "kv-unified", "l": "logit-bias", "lcd": "lookup-cache-dynamic",
    "lcs": "lookup-cache-static", "lm": "load-mode", "lv": "verbosity", "lzm": "lazy-mode",
    "m": "model", "md": "spec-draft-model", "mg": "main-gpu", "mm": "mmproj",
    "mmdev": "mmproj-device", "mmu": "mmproj-url", "mu": "model-url", "n": "predict",
    "ncffn": "n-cpu-ffn", "ncmoe": "n-cpu-moe", "ncmoed": "spec-draft-n-cpu-moe",
    "ngl": "n-gpu-layers", "ngld": "spec-draft-ngl", "nkvo": "no-kv-offload", "no-ag": "no-agent",
    "no-kvu": "no-kv-unified", "nocb": "no-cont-batching", "np": "parallel", "nr": "no-repack",
    "ot": "override-tensor", "otd": "spec-draft-override-tensor", "r": "reverse-prompt",
    "rea": "reasoning", "s": "seed", "sm": "split-mode", "sp": "special",
    "sps": "slot-prompt-similarity", "t": "threads", "tb": "threads-batch",
    "tbd": "spec-draft-threads-batch", "td": "spec-draft-threads", "to": "timeout",
    "ts": "tensor-split", "ub": "ubatch-size", "v": "verbose", "gpu-layers": "n-gpu-layers",
    "LLAMA_API_KEY": "api-key", "LLAMA_ARG_ALIAS": "alias",
    "LLAMA_ARG_API_KEY_FILE": "api-key-file", "LLAMA_ARG_API_PREFIX": "api-prefix",
    "LLAMA_ARG_DOCKER_REPO": "docker-repo",
    "LLAMA_ARG_HF_FILE": "hf-file", "LLAMA_ARG_HF_REPO": "hf-repo", "LLAMA_ARG_HOST": "host",
    "LLAMA_ARG_MODEL": "model", "LLAMA_ARG_MODELS_AUTOLOAD": "models-autoload",
    "LLAMA_ARG_MODELS_DIR": "models-dir", "LLAMA_ARG_MODELS_MAX": "models-max",
    "LLAMA_ARG_MODELS_PRESET": "models-preset", "LLAMA_ARG_MODEL_URL": "model-url",
    "LLAMA_ARG_N_PARALLEL": "parallel", "LLAMA_ARG_PORT": "port",
    "LLAMA_ARG_SSL_CERT_FILE": "ssl-cert-file", "LLAMA_ARG_SSL_KEY_FILE": "ssl-key-file",
    "LLAMA_ARG_TAGS": "tags",
}  # fmt: skip
"""Long flags of short ones, and of variables whose flags are ours to give."""

_SWITCHES: Final = frozenset(
    {
        "agent", "cache-idle-slots", "cache-prompt", "cont-batching", "context-shift",
        "cors-credentials", "escape",
        "jinja", "kv-offload", "kv-unified", "log-jsonl", "log-prefix", "log-timestamps", "mmap",
        "mmproj-auto", "mmproj-offload", "op-offload", "perf", "prefill-assistant",
        "reasoning-preserve", "repack", "skip-chat-parsing", "slots",
        "spec-draft-backend-sampling", "ui", "ui-mcp-proxy", "warmup", "webui", "webui-mcp-proxy",
    }
)  # fmt: skip
"""Flags without a value that have a `--no-…` beside them."""
_ONLY_ON: Final = frozenset(
    {
        "backend-sampling", "check-tensors", "cpu-moe", "cpu-moe-draft", "embedding", "embeddings",
        "ignore-eos", "log-disable", "log-verbose", "lora-init-without-apply", "metrics", "mlock",
        "no-host", "no-mmproj", "offline", "props", "rerank", "reranking", "spec-draft-cpu-moe",
        "special", "spm-infill", "swa-full", "verbose",
    }
)  # fmt: skip
"""Flags without a value that can only be given or not."""

PATHS: Final = frozenset({"model", "mmproj", "spec-draft-model", "model-draft"})
"""Flags whose value is a model's file."""

FETCHED: Final = frozenset({"hf-repo", "hf-file", "model-url", "docker-repo"})
"""Flags that bring a model in from elsewhere."""

LEFT_OUT: Final = frozenset(
    {
        "version", "host", "port", "reuse-port", "api-key", "api-key-file", "api-prefix",
        "ssl-key-file", "ssl-cert-file", "models-dir", "models-preset", "models-max",
        "models-autoload", "no-models-autoload", "dedup-cache-models", "load-on-startup",
        "stop-timeout", "sleep-idle-seconds", "alias", "tags", *FETCHED,
    }
)  # fmt: skip
"""Keys of the router, and what Paddock gives to every child or says in keys of its own."""


def long_name(key: str) -> str:
    """One name for all spellings of a key that are known."""
    return _LONG.get(key, key if key.startswith("LLAMA_") else key.replace("_", "-"))


def env_setting(pair: Pair) -> str:
    """`NAME=value` for a key that is an environment variable, else ""."""
    return f"{pair.key}={pair.value}" if long_name(pair.key).startswith("LLAMA_") else ""


def flag(pair: Pair, value: str) -> tuple[str, ...]:
    """The words for a key on the command line; none for a switch that is off."""
    name, said = long_name(pair.key), value.lower()
    positive = name.removeprefix("no-")
    is_switch = name in _ONLY_ON or positive in _SWITCHES or said in ("true", "false")
    if not is_switch:
        return (f"--{name}", value)
    if said not in FALSE:
        return (f"--{name}",)
    if name in _ONLY_ON:
        return ()
    return (f"--{positive}" if name.startswith("no-") else f"--no-{name}",)
