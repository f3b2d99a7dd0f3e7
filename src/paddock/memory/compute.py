"""Bytes of compute buffers: a closed form of what ggml's allocator comes to.

The formulas were fitted to b11434 with Vulkan and with the processor alone; `estimate.py` says
where they are known to fail.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from paddock.memory.kv import layer_sizes
from paddock.memory.layout import HOST, Layout, spans, used
from paddock.memory.shape import Layer, Shape
from paddock.memory.terms import Terms

COPIES = 4
"""Of every input, when several devices work on different batches at once."""

PARALLEL = frozenset({"command-r", "cohere2"})
"""Attention and feed-forward work on the same input, so that both are kept."""


class Compute(NamedTuple):
    """Bytes by device, and of the machine's own memory."""

    devices: dict[str, int]
    host: int
    output: int
    """What the answers are told in, in the machine's own memory."""


def is_pipelined(shape: Shape, layout: Layout) -> bool:
    """Whether several devices work on different batches at once."""
    count = len(shape.layers)
    whole = layout.gpu_layers > count and not layout.cpu_experts
    return whole and len(used(layout, count)) > 1


def compute(shape: Shape, terms: Terms, layout: Layout, lent: int) -> Compute:
    """`lent`: bytes of the largest tensor that is lent to a device for a step; 0: none."""
    form = _form(shape, terms)
    gpus = used(layout, len(shape.layers))
    output = 4 * terms.slots * form.told
    if not layout.devices:
        return Compute({}, form.alone(), output)
    if not gpus:
        gpus = layout.devices[:1]
    if is_pipelined(shape, layout):
        sizes = {name: form.pipelined(first=name == gpus[0]) for name in gpus}
        return Compute(sizes, form.pipelined_host(), output)
    first = form.one() + borrowed(shape, terms, layout, lent)
    other = form.one() - (0 if shape.encoder else 2 * form.e)
    sizes = {name: first if name == gpus[0] else other for name in gpus}
    return Compute(sizes, form.mask + form.inputs + form.own, output)


def borrowed(shape: Shape, terms: Terms, layout: Layout, lent: int) -> int:
    """Bytes that the first device has at most for working on layers of the host.

    It is lent their weights tensor by tensor, and their cache layer by layer.
    """
    if not lent:
        return 0
    aside = 8 * terms.tokens * shape.embedding if shape.encoder else 0
    return aside + lent + _host_kv(shape, terms, layout)


def _host_kv(shape: Shape, terms: Terms, layout: Layout) -> int:
    """Bytes of the largest cache of a layer on the host, as it is copied.

    Where values are a view of the keys, they are copied twice.
    """
    home, _, end = spans(layout, len(shape.layers))[0]
    caches, _ = layer_sizes(shape, terms)
    largest = max(caches[:end], default=0) if home == HOST else 0
    return largest * (2 if shape.latent else 1)


@lru_cache(256)
def _form(shape: Shape, terms: Terms) -> _Form:
    return _Form(shape, terms)


class _Form:
    """The parts that the sums are made of, in bytes."""

    def __init__(self, shape: Shape, terms: Terms) -> None:
        self._shape, self._terms = shape, terms
        tokens = terms.tokens
        self.e = 4 * tokens * shape.embedding
        self.mask = _mask(shape, terms)
        self.widest = 4 * tokens * max((_wide(layer, terms) for layer in shape.layers), default=0)
        self.own = 4 * tokens * shape.per_layer * len(shape.layers)
        self.inputs = (5 if shape.encoder else 4) * self.e
        rows = tokens if terms.embedding else terms.slots
        self.logits = 4 * rows * shape.vocabulary if shape.head else 0
        self.told = (shape.vocabulary if shape.head else 0) + (
            shape.embedding if terms.embedding else 0
        )
        states = max((layer.state for layer in shape.layers), default=0)
        # Of several slots, the states go in and come out beside the ones that stay.
        self.states = 8 * states * terms.slots if terms.slots > 1 else 0
        self.beside = 4 * tokens * _beside(shape)

    def alone(self) -> int:
        """With the processor alone."""
        wide = max(5 * self.e + self.widest, 6 * self.e + self.logits)
        return self.mask + wide + self.own + self.states

    def one(self) -> int:
        """On one device."""
        kept = 2 if self._shape.encoder else 4
        kept += self._shape.latent
        wide = max(kept * self.e + self.widest + self.beside, 5 * self.e + self.logits)
        return self.mask + wide + self.own + self.states

    def pipelined(self, *, first: bool) -> int:
        """On one of several devices that work on different batches at once."""
        inputs = 6 if not first else 10 if self._shape.encoder else 15
        return COPIES * self.mask + inputs * self.e + self.widest + self.beside + self.states

    def pipelined_host(self) -> int:
        """In the machine's own memory beside them."""
        inputs = 11 if self._shape.encoder else 10
        return COPIES * self.mask + inputs * self.e + self.own


def _mask(shape: Shape, terms: Terms) -> int:
    tokens = terms.tokens
    size = 2 if terms.flash else 4
    if shape.encoder:
        return size * tokens * tokens
    if not shape.attends:
        return 0
    cells = terms.cells if any(one.key and not one.window for one in shape.layers) else 0
    if any(layer.window and layer.key for layer in shape.layers):
        cells += terms.window_cells(shape.window)
    return size * tokens * cells


def _wide(layer: Layer, terms: Terms) -> int:
    if terms.flash or not layer.heads:
        return layer.widest
    return max(layer.widest, layer.heads * (2 * layer.key + terms.cells))


def _beside(shape: Shape) -> int:
    """Numbers per token that stay while another branch of the same layer is worked on."""
    if shape.architecture not in PARALLEL:
        return 0
    return max(
        layer.heads * layer.key + layer.key_width + layer.value_width for layer in shape.layers
    )
