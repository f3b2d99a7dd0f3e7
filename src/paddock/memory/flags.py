"""A plan as flags of llama-server: nothing is left for it to choose."""

from __future__ import annotations

from paddock.memory.layout import HOST, homes
from paddock.memory.placement import Plan
from paddock.memory.shape import Shape
from paddock.memory.terms import Terms


def flags(plan: Plan, shape: Shape) -> list[str]:
    """The words of a command line; none for a refusal."""
    if plan.kind == "refused":
        return []
    terms = plan.terms
    return [
        *_placement(plan, shape),
        *("--ctx-size", str(terms.context * terms.streams), "--parallel", str(terms.slots)),
        "--kv-unified" if terms.unified else "--no-kv-unified",
        *_cache(plan, shape),
        *(("--cache-ram", str(plan.cache >> 20)) if plan.cache is not None else ()),
        *("--fit", "off"),
    ]


def _placement(plan: Plan, shape: Shape) -> list[str]:
    layout = plan.layout
    if not layout.devices:
        return ["--device", "none", "--gpu-layers", "0"]
    count = min(layout.gpu_layers, len(shape.layers) + 1)
    words = ["--device", ",".join(layout.devices), "--gpu-layers", str(count)]
    if len(layout.devices) > 1:
        words += ["--tensor-split", ",".join(f"{share:g}" for share in layout.split)]
    if layout.cpu_experts:
        words += ["--n-cpu-moe", str(layout.cpu_experts)]
    return words


def _cache(plan: Plan, shape: Shape) -> list[str]:
    terms = plan.terms
    words = []
    if (terms.keys, terms.values) != ("f16", "f16"):
        words += ["--cache-type-k", terms.keys, "--cache-type-v", terms.values]
    if not terms.flash:
        words += ["--flash-attn", "off"]
    elif words or _unsure(plan, shape):
        words += ["--flash-attn", "on"]
    usual = Terms(terms.context)
    if (terms.batch, terms.ubatch) != (usual.batch, usual.ubatch):
        words += ["--batch-size", str(terms.batch), "--ubatch-size", str(terms.ubatch)]
    return words


def _unsure(plan: Plan, shape: Shape) -> bool:
    """Whether the engine would turn flash attention off by itself, which takes far more memory."""
    return shape.recurrent and shape.attends and HOST in homes(plan.layout, len(shape.layers))
