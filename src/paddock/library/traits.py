"""What a model can do, told from its header.

- Encoders (the bert family and others) and models with a pooling type embed; pooling type `rank`
  reranks. They do not chat.
- Every other model completes, and chats: without a chat template llama-server falls back to ChatML.
- `tools` and `thinking` are read off words of the chat template, which is never rendered here.
- `infill` needs the three fill-in-the-middle tokens.
- `vision` and `audio` are the projector's: a model gets them from the projector beside it.
"""

from __future__ import annotations

from typing import Final

from paddock.library.header import Header
from paddock.library.model import Trait

PROJECTOR_ARCHITECTURE: Final = "clip"

_ENCODERS: Final = frozenset(
    {
        "bert",
        "eurobert",
        "gemma-embedding",
        "jina-bert-v2",
        "jina-bert-v3",
        "llama-embed",
        "modern-bert",
        "neo-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "t5encoder",
    }
)
_EMBEDS: Final = frozenset({1, 2, 3})
_RERANKS: Final = 4
_SPOKEN: Final = (
    (Trait.TOOLS, ("tools", "tool_call")),
    (
        Trait.THINKING,
        (
            "<think>",
            "</think>",
            "[THINK]",
            "<|channel|>",
            "enable_thinking",
            "reasoning_content",
            "reasoning_effort",
        ),
    ),
)
"""What a template says when the model was taught this."""
_INFILL: Final = (("fim_pre", "prefix"), ("fim_suf", "suffix"), ("fim_mid", "middle"))
"""Today's and yesterday's names of the same tokens."""


def is_projector(header: Header) -> bool:
    """Whether the file is the eyes or ears of another model, and no model itself."""
    return header.architecture == PROJECTOR_ARCHITECTURE or header.text("general.type") == "mmproj"


def traits(header: Header) -> frozenset[Trait]:
    """What the file can do; of a projector: what it adds to a model."""
    if is_projector(header):
        return _senses(header)
    pooling = header.of_model("pooling_type", -1)
    if pooling == _RERANKS:
        return frozenset({Trait.RERANK})
    if pooling in _EMBEDS or header.architecture in _ENCODERS:
        return frozenset({Trait.EMBEDDING})
    return frozenset({Trait.CHAT, Trait.COMPLETION}) | _spoken(header) | _infill(header)


def _senses(header: Header) -> frozenset[Trait]:
    """Old projectors do not say what they are; they all see."""
    hears = header.metadata.get("clip.has_audio_encoder") is True
    sees = header.metadata.get("clip.has_vision_encoder", not hears) is True
    return frozenset({Trait.AUDIO} if hears else ()) | frozenset({Trait.VISION} if sees else ())


def _spoken(header: Header) -> frozenset[Trait]:
    template = header.chat_template
    return frozenset(trait for trait, words in _SPOKEN if any(word in template for word in words))


def _infill(header: Header) -> frozenset[Trait]:
    known = (
        any(f"tokenizer.ggml.{name}_token_id" in header.metadata for name in names)
        for names in _INFILL
    )
    return frozenset({Trait.INFILL} if all(known) else ())
