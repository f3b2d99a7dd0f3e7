"""Bytes of keys, values and states on each device, as llama.cpp allocates them."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from paddock.memory.layout import Layout, spans
from paddock.memory.shape import Layer, Shape
from paddock.memory.terms import CACHE_TYPES, Terms

STATE_BYTES = 4
"""States are kept in 32 bits."""


def kv(shape: Shape, terms: Terms, layout: Layout) -> dict[str, int]:
    """By device and for the host: caches and states are where their layer is."""
    sizes: defaultdict[str, int] = defaultdict(int)
    caches, states = layer_sizes(shape, terms)
    for home, start, end in spans(layout, len(shape.layers)):
        sizes[home] += sum(caches[start:end]) + sum(states[start:end])
    return dict(sizes)


@lru_cache(256)
def layer_sizes(shape: Shape, terms: Terms) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Bytes of each layer's cache, and of each layer's state."""
    return (
        tuple(sum(tensors_of(shape, layer, terms)) for layer in shape.layers),
        tuple(layer_state(layer, terms) for layer in shape.layers),
    )


def tensors_of(shape: Shape, layer: Layer, terms: Terms) -> tuple[int, int]:
    """Bytes of one layer's keys and of its values: each is one tensor."""
    cells = terms.window_cells(shape.window) if layer.window else terms.cells
    count = cells * terms.streams
    # Without flash attention values lie crosswise, as wide as those of the widest layer.
    value = layer.value_width
    if value and not terms.flash:
        value = max(other.value_width for other in shape.layers)
    return row(terms.keys, layer.key_width) * count, row(terms.values, value) * count


def layer_state(layer: Layer, terms: Terms) -> int:
    """Bytes of one layer's state, for all slots; the context does not matter."""
    return (layer.rolling + layer.state) * STATE_BYTES * terms.slots


def row(kind: str, width: int) -> int:
    """Bytes of `width` numbers of a cache's type."""
    stored = CACHE_TYPES[kind]
    return -(-width // stored.block) * stored.size


@lru_cache(256)
def window_bytes(shape: Shape, terms: Terms) -> int:
    """Bytes that a checkpoint of one slot keeps: what cannot be cut back to an earlier token."""
    parts = [
        sum(tensors_of(shape, layer, terms)) // terms.streams if layer.window else 0
        for layer in shape.layers
    ]
    states = sum(layer.rolling + layer.state for layer in shape.layers) * STATE_BYTES
    return sum(parts) + states


@lru_cache(256)
def token_bytes(shape: Shape, terms: Terms) -> int:
    """Bytes that the saved prompt keeps for each of its tokens."""
    return sum(
        row(terms.keys, layer.key_width) + row(terms.values, layer.value_width)
        for layer in shape.layers
        if not layer.window
    )
