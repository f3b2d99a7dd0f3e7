"""Repositories as hubs list them, for the tests of what is chosen of them."""

from __future__ import annotations

from paddock.acquire.remote import RemoteFile, Repository
from paddock.library.digest import Digest

GB = 10**9


def remote(path: str, size: float = 1.0) -> RemoteFile:
    """A file of so many GB."""
    digest = Digest.of(path.encode())
    return RemoteFile(path, int(size * GB), digest, f"https://hub.example/u/r/resolve/c/{path}")


def repository(
    files: dict[str, float] | list[str], *, parameters: float = 0, architecture: str = "llama"
) -> Repository:
    """A repository of these files, by path with their sizes in GB."""
    sizes = files if isinstance(files, dict) else dict.fromkeys(files, 1.0)
    return Repository(
        id="u/r",
        commit="c" * 40,
        gated="",
        files=tuple(remote(path, size) for path, size in sizes.items()),
        context_length=131072,
        architecture=architecture,
        parameters=int(parameters),
    )


LLAMA_8B = {
    "README.md": 0.001,
    "Llama-8B-F16.gguf": 16.07,
    "Llama-8B-Q8_0.gguf": 8.54,
    "Llama-8B-Q6_K.gguf": 6.60,
    "Llama-8B-Q5_K_M.gguf": 5.73,
    "Llama-8B-Q4_K_M.gguf": 4.92,
    "Llama-8B-Q4_K_S.gguf": 4.69,
    "Llama-8B-IQ3_M.gguf": 3.78,
    "Llama-8B-Q2_K.gguf": 3.18,
}
QWEN_32B = {
    "Qwen-32B-Q8_0.gguf": 34.8,
    "Qwen-32B-Q6_K.gguf": 26.9,
    "Qwen-32B-Q5_K_M.gguf": 23.3,
    "Qwen-32B-Q4_K_M.gguf": 19.9,
    "Qwen-32B-Q3_K_M.gguf": 15.9,
    "Qwen-32B-Q2_K.gguf": 12.3,
}
LLAMA_70B = {
    "Llama-70B-Q8_0/Llama-70B-Q8_0-00001-of-00002.gguf": 40.0,
    "Llama-70B-Q8_0/Llama-70B-Q8_0-00002-of-00002.gguf": 35.0,
    "Llama-70B-Q6_K.gguf": 57.9,
    "Llama-70B-Q4_K_M.gguf": 42.5,
    "Llama-70B-IQ3_M.gguf": 31.9,
    "Llama-70B-Q2_K.gguf": 26.4,
    "Llama-70B-IQ1_S.gguf": 15.3,
}
