"""Models that only Ollama's own llama.cpp loads, told from their headers.

Ollama patches llama.cpp to mend files that its earlier engine had written in ways of its own. A
llama-server without that patch ends while it loads them, so they are left out, with words.
"""

from __future__ import annotations

from typing import Final

from paddock.library.header import Header

_OWN_NAMES: Final = frozenset(
    {
        "deepseekocr",
        "glm4moelite",
        "glmocr",
        "gptoss",
        "mllama",
        "nemotron_h_omni",
        "olmo3",
        "qwen25vl",
    }
)
"""Architectures that llama.cpp knows by another name, or not at all."""
_NEEDED: Final = {"gemma3": "gemma3.attention.layer_norm_rms_epsilon"}
"""What llama.cpp asks of an architecture, and Ollama's files of it do not tell."""
_OTHER_SENSES: Final = (b"v.", b"mm.", b"a.")
"""How the names of tensors begin that belong into a projector's file."""


def why_patched(header: Header) -> str:
    """Why an unpatched llama.cpp does not load this file; "" when nothing tells that."""
    architecture = header.architecture
    if architecture in _OWN_NAMES:
        return _reason(f"its architecture, {architecture}, is")
    if _NEEDED.get(architecture, architecture) not in {architecture, *header.metadata}:
        return _reason(f"a {architecture} without {_NEEDED[architecture]} is")
    if any(name.startswith(_OTHER_SENSES) for name in header.tensors.names):
        return _reason("weights and projector in one file are")
    return ""


def _reason(what: str) -> str:
    return (
        f"{what} something that only Ollama's own llama.cpp loads; "
        "the same model from Hugging Face, pulled as hf.co/<user>/<model>, runs here"
    )
