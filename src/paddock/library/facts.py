"""What one GGUF tells about itself: all that the library keeps of a file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from paddock.errors import GgufError
from paddock.library.gguf import read_header
from paddock.library.gguf_arrays import Steps
from paddock.library.header import Header
from paddock.library.model import HeaderSummary, Trait
from paddock.library.patched import why_patched
from paddock.library.traits import is_projector, traits


@dataclass(frozen=True, slots=True)
class Facts:
    """One file that is a model, a shard of one, or a projector."""

    summary: HeaderSummary
    traits: frozenset[Trait]
    projector: bool = False
    split_number: int = 0
    """Which shard this is, from 0."""
    patched: str = ""
    """Why only Ollama's own llama.cpp loads it; "" when nothing tells that."""


_NO_MODELS = {
    "adapter": "a LoRA adapter, not a model",
    "imatrix": "an importance matrix, not a model",
}
"""By `general.type`."""


def read_facts(path: Path, steps: Steps) -> Facts:
    """Read what the file at `path` (no link) tells. Blocking; raises GgufError and OSError.

    A file that no engine on this machine could run as a model is a GgufError with that reason.
    """
    header = read_header(path, steps)
    _refuse_others(header)
    projector = is_projector(header)
    return Facts(
        summary=header.summary(),
        traits=traits(header),
        projector=projector,
        split_number=header.number("split.no"),
        patched="" if projector else why_patched(header),
    )


def _refuse_others(header: Header) -> None:
    if reason := _NO_MODELS.get(header.text("general.type")):
        raise GgufError(reason)
    if header.byte_order != sys.byteorder:
        raise GgufError(f"made for {header.byte_order}-endian machines, and this is none")
    if header.number("split.count") > 1:
        return  # all but the first shard have no architecture, the first may have no tensors
    if not header.architecture:
        raise GgufError("damaged: it does not tell its architecture")
    if not header.tensors:
        raise GgufError("a vocabulary without weights, not a model")
