"""What a model takes of each device: the parts put together, and whether they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from paddock.memory.compute import borrowed, compute, is_pipelined
from paddock.memory.kv import kv, token_bytes, window_bytes
from paddock.memory.layout import HOST, Layout, spans, used
from paddock.memory.shape import Shape
from paddock.memory.terms import Terms
from paddock.memory.weights import weights

MIB: Final = 1 << 20

PROCESS: Final = 85 * MIB
"""A child's program and heap, in the machine's own memory."""
WORD: Final = 150
"""Bytes that a child keeps for each word of the vocabulary."""
PROMPT_CACHE: Final = 8192 * MIB
"""What llama-server's store of finished prompts may grow to."""
CHECKPOINTS: Final = 32
"""Earlier states that it may keep for each slot."""
CONTEXTS: Final = {"CUDA": 640 * MIB, "ROCm": 512 * MIB, "Vulkan": 160 * MIB}
"""What a driver keeps on a device for each process, at most, by the device's name."""
OTHER_CONTEXT: Final = 320 * MIB
_TWENTIETH: Final = 0.05
_SEVENTH: Final = 0.15


class Share(NamedTuple):
    """Bytes on one device."""

    weights: int = 0
    kv: int = 0
    compute: int = 0
    outside: int = 0
    """What the engine's log does not tell: the driver's own, the process."""

    @property
    def logged(self) -> int:
        """What the engine's buffer lines add up to."""
        return self.weights + self.kv + self.compute

    @property
    def total(self) -> int:
        """All of it."""
        return self.logged + self.outside


class Growth(NamedTuple):
    """Bytes of the machine's own memory that a child may take later; at most."""

    prompt_cache: int
    checkpoints: int
    repacked: int
    """Pages of the file beside their copies in another order; the system takes them back."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes."""

    devices: dict[str, Share]
    """Those with a layer, in llama.cpp's order."""
    host: Share
    growth: Growth
    doubts: tuple[str, ...] = ()
    """Why the numbers may be wrong by more than a twentieth."""
    bounded: bool = False
    """What a device needs beside layers of the host is a large part of it, and only bounded: it may
    be less."""

    @property
    def trusted(self) -> bool:
        """Whether the formulas are known to hold for such a case."""
        return not self.doubts and not self.bounded


def estimate(shape: Shape, terms: Terms, layout: Layout) -> Estimate:
    """Bytes by device for a model run on these terms, its layers placed like this."""
    held = weights(shape, layout)
    caches = kv(shape, terms, layout)
    work = compute(shape, terms, layout, held.largest if layout.devices else 0)
    gpus = used(layout, len(shape.layers)) or tuple(work.devices)
    parts = {
        name: Share(
            held.devices.get(name, 0),
            caches.get(name, 0),
            work.devices.get(name, 0),
            _context(name) + _unpacked(shape, terms),
        )
        for name in gpus
    }
    host = Share(
        held.host,
        caches.get(HOST, 0),
        work.host + work.output,
        PROCESS + WORD * shape.vocabulary,
    )
    lent = borrowed(shape, terms, layout, held.largest if layout.devices else 0)
    return Estimate(
        parts,
        host,
        _growth(shape, terms, held.repacked),
        _doubts(shape, terms, layout),
        bounded=_is_bounded([parts[name] for name in gpus], lent)
        and not is_pipelined(shape, layout),
    )


def _is_bounded(parts: list[Share], lent: int) -> bool:
    """Whether parts that may be far less than told are a large share of some device.

    Those are what the first is lent, and what the others need when they work by turns.
    """
    if not parts:
        return False
    first, *others = parts
    loose = any(one.compute > _SEVENTH * one.logged for one in others)
    return loose or lent > _TWENTIETH * first.logged


def _context(device: str) -> int:
    return CONTEXTS.get(device.rstrip("0123456789"), OTHER_CONTEXT)


@lru_cache(256)
def _unpacked(shape: Shape, terms: Terms) -> int:
    """A cache in fewer bits is unpacked for long batches, one layer at a time."""
    if terms.keys in {"f16", "bf16"} and terms.values in {"f16", "bf16"}:
        return 0
    cells = terms.cells * terms.streams
    return max(
        (2 * (layer.key_width + layer.value_width) * cells for layer in shape.layers), default=0
    )


def _growth(shape: Shape, terms: Terms, repacked: int) -> Growth:
    if not shape.attends and not shape.recurrent:
        return Growth(0, 0, repacked)
    kept = window_bytes(shape, terms)
    cached = PROMPT_CACHE if token_bytes(shape, terms) or kept else 0
    return Growth(cached, CHECKPOINTS * terms.slots * kept, repacked)


def _doubts(shape: Shape, terms: Terms, layout: Layout) -> tuple[str, ...]:
    found = [shape.doubt] if shape.doubt else []
    places = {home for home, _, _ in spans(layout, len(shape.layers))}
    partial = HOST in places and len(places) > 1
    if shape.recurrent and len(places) > 1:
        found.append("layers with a state on several devices need copies that differ by the engine")
    if shape.recurrent and shape.attends and partial:
        found.append("flash attention may be off when some layers stay with the processor")
    if shape.latent and terms.streams > 1 and layout.devices:
        found.append("latent attention with several caches works partly on the host")
    if shape.beside:
        found.append("what a projector or an adapter needs to work depends on what it is given")
    if not terms.flash:
        found.append("without flash attention drivers round large buffers in their own way")
    if terms.embedding and shape.head:
        found.append("vectors of a model with a head take room by what is asked")
    return tuple(found)
