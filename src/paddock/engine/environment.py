"""The environment of a child.

The owner's shell may hold keys and tokens, and llama.cpp takes flags, ports and keys from variables
(`LLAMA_ARG_*`, `AIP_*`, `LLAMA_API_KEY`) and from config files, which would change a child behind
our back. So the environment of a child of our own is made of an allow-list, what it needs to find
its libraries and devices, and its config folder is an empty one. A command of the owner's is his:
it gets all that the daemon has, except what is the daemon's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

ALLOWED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
        "XDG_CACHE_HOME", "XDG_DATA_DIRS", "XDG_RUNTIME_DIR",
        "GPU_DEVICE_ORDINAL", "GPU_MAX_HW_QUEUES", "DRI_PRIME", "LP_NUM_THREADS",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "NIX_SSL_CERT_FILE", "LOCALE_ARCHIVE",
    }
)  # fmt: skip
"""Variables that may pass, by name."""

ALLOWED_PREFIXES = (
    "LC_", "GGML_", "HIP_", "ROCR_", "ROCM_", "HSA_", "ROCBLAS_", "MIOPEN_", "AMD_", "RADV_",
    "CUDA_", "NVIDIA_", "NCCL_", "VK_", "MESA_", "LIBGL_", "ONEAPI_", "SYCL_", "ZE_", "UR_",
    "OMP_", "KMP_", "GOMP_", "OPENBLAS_", "MKL_",
)  # fmt: skip
"""Variables that may pass, by the start of their names: drivers, backends, threads."""


def child_environment(
    ambient: Mapping[str, str], config_home: Path, *owners: Mapping[str, str]
) -> dict[str, str]:
    """The allowed part of `ambient`, then what the owner set for this child, which may be anything.

    `config_home` is the empty folder where llama.cpp will look for its config files.
    """
    env = {name: value for name, value in ambient.items() if _passes(name)}
    env |= {"GGML_NO_BACKTRACE": "1", "XDG_CONFIG_HOME": str(config_home)}
    for owner in owners:
        env |= owner
    return env


def inherited_environment(ambient: Mapping[str, str], *owners: Mapping[str, str]) -> dict[str, str]:
    """`ambient` without Paddock's own settings, which may hold keys; then what the owner set."""
    env = {name: value for name, value in ambient.items() if not name.startswith("PADDOCK_")}
    for owner in owners:
        env |= owner
    return env


def _passes(name: str) -> bool:
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)


def named_values(pairs: Iterable[str]) -> dict[str, str]:
    """`NAME=value` texts as a mapping; a text without `=` sets an empty value."""
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
