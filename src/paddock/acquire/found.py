"""What a search tells of each repository, with what of it would fit here. Pure.

A search tells no sizes: they are estimated by the parameters and what a quantization usually takes.
"""

from __future__ import annotations

from typing import Any, Final

from paddock.acquire.fits import Memory, context_of, fit, need
from paddock.acquire.hub_names import Kind, parse
from paddock.acquire.huggingface import Found
from paddock.acquire.quants import quality

USUAL: Final = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "MXFP4", "Q3_K_M", "IQ4_XS", "Q4_0", "F16")
"""The quantizations that are told of, the most asked for first."""
KNOWN: Final = frozenset(
    {
        "bartowski",
        "ggml-org",
        "google",
        "ibm-granite",
        "lmstudio-community",
        "mistralai",
        "mradermacher",
        "openai",
        "qwen",
        "unsloth",
    }
)
"""Publishers that many people know, in lower case."""


def told(found: Found, memory: Memory, context: int) -> dict[str, Any]:
    """As `GET /api/paddock/search` has it. `context`: tokens that the owner configured."""
    sizes = _sizes(found)
    tokens = context_of(found.context_length, context)
    smallest = sizes[0][1] if sizes else 0
    needed = need(smallest, tokens, found.parameters)
    return {
        "name": found.id,
        "known": found.id.partition("/")[0].lower() in KNOWN,
        "downloads": found.downloads,
        "likes": found.likes,
        "parameters": found.parameters,
        "architecture": found.architecture,
        "gated": bool(found.gated),
        "updated": found.modified,
        "fits": fit(needed, memory).words if smallest else "",
        "quants": [{"quant": quant, "size": size} for quant, size in sizes],
    }


def _sizes(found: Found) -> list[tuple[str, int]]:
    """The usual quantizations that the repository has; bytes, or 0 where nobody can tell."""
    names = (parse(path) for path in found.files)
    quants = {name.quant for name in names if name.kind is Kind.MODEL}
    sizes = ((quant, int(found.parameters * quality(quant).bits / 8)) for quant in USUAL)
    return [(quant, size) for quant, size in sizes if quant in quants]
