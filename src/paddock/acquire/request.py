"""What somebody asks to be brought in."""

from __future__ import annotations

from typing import NamedTuple


class PullRequest(NamedTuple):
    """A name, and what of it. Two that are equal bring the same, and share one pull."""

    name: str
    """As it was typed: `llama3.2:3b`, `user/repo:Q4_K_M`, `hf.co/…`, an address."""
    quant: str = ""
    """The quantization, or a part of file names; empty: the name tells, or the best that fits."""
    all: bool = False
    """Every GGUF of the repository."""
    files: tuple[str, ...] = ()
    """Patterns of paths in the repository."""
    insecure: bool = False
    """Plain http will do, where the owner lists the registry with it."""
    ollama_first: bool = False
    """`user/model` is a namespace of Ollama's registry, and a repository only where that has no
    such model."""
    update: bool = False
    """It is here, and somebody asks whether the hub has another one now: a hub that does not answer
    is not asked again."""
