"""Where a model of a known shape would go on this machine while nothing else runs. Pure.

The scheduler's own planner is asked, for one request at a time: so what is told before a download
is what is done after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from paddock.acquire.fits import Fit, Layers, Place, Source
from paddock.hardware.devices import Device
from paddock.memory.layout import HOST, homes
from paddock.memory.placement import Fixed, Plan, largest, place
from paddock.memory.shape import Shape, Tensors
from paddock.memory.terms import Terms

_PLACES: Final = {
    "gpu": Place.ONE_GPU,
    "split": Place.GPUS,
    "hybrid": Place.GPU_AND_RAM,
    "cpu": Place.RAM,
    "refused": Place.NOWHERE,
}
_ON_GPUS: Final = frozenset({"gpu", "split"})


class Bare(NamedTuple):
    """The machine as it is when no model runs."""

    devices: tuple[Device, ...] = ()
    """Those of the engine, in its order; `free` is what a model can have."""
    host: int = 0
    """Bytes that it can have of the machine's own memory; 0: not known."""

    @property
    def known(self) -> bool:
        """Whether anything can be told."""
        return self.host > 0


class Base(NamedTuple):
    """A model's shape, by the header of one of its quantizations."""

    shape: Shape
    size: int
    """Bytes of that one's files; more than 0."""


def scaled(shape: Shape, part: float, beside: int) -> Shape:
    """The shape of another quantization, whose files have `part` of the bytes of this one's.

    `beside`: bytes of its projector.
    """

    def bytes_of(size: int) -> int:
        return int(size * part)

    def tensors(one: Tensors) -> Tensors:
        return Tensors(*map(bytes_of, (one.size, one.repacked, one.largest)))

    layers = tuple(
        layer._replace(dense=tensors(layer.dense), experts=tensors(layer.experts))
        for layer in shape.layers
    )
    return replace(
        shape,
        layers=layers,
        host=bytes_of(shape.host),
        first=bytes_of(shape.first),
        everywhere=bytes_of(shape.everywhere),
        output=tensors(shape.output),
        tied=bytes_of(shape.tied),
        beside=beside,
    )


def prospect(
    shape: Shape,
    context: int,
    bare: Bare,
    source: Source,
    *,
    embeds: bool = False,
    fixed: bool = False,
) -> Fit:
    """Where the model would go, and the contexts that leaves.

    `context`: tokens that a request shall have; `fixed`: and no fewer, whatever that costs.
    `embeds`: it reads a text as a whole.
    """
    if not bare.known:
        return Fit(Place.UNKNOWN, shape.weights + shape.beside, source=source)
    longest = shape.context or context
    terms = _terms(min(context, longest), embeds=embeds or shape.encoder)
    plan = place(shape, terms, bare.devices, bare.host, Fixed(context=fixed))
    strict = plan
    if plan.context < terms.context:
        whole = place(shape, terms, bare.devices, bare.host, Fixed(context=True))
        strict = plan if whole.kind == "refused" else whole
    long = place(shape, _terms(longest, embeds=terms.embedding), bare.devices, bare.host)
    on_gpus = long.context if long.kind in _ON_GPUS else 0
    numbers = strict.estimate
    return Fit(
        place=_PLACES[strict.kind],
        need=numbers.host.total + sum(one.total for one in numbers.devices.values()),
        gpus=len(numbers.devices) if strict.kind in _ON_GPUS else 0,
        on_gpus=on_gpus,
        most=0 if long.kind == "refused" else _most(shape, long, longest, bare),
        source=source,
        layers=_layers(plan, shape),
        said=words(plan, shape),
    )


def words(plan: Plan, shape: Shape) -> str:
    """Where a plan puts a model, in a few words."""
    layers = _layers(plan, shape)
    if plan.kind == "hybrid" and layers.experts_in_ram:
        return f"experts of {layers.experts_in_ram}/{layers.all} layers RAM"
    if plan.kind == "hybrid":
        return f"{layers.on_gpus}/{layers.all} layers GPU"
    count = len(plan.estimate.devices)
    return {"cpu": "CPU", "refused": "no"}.get(plan.kind, f"{count} GPU{'s' * (count > 1)}")


def _terms(context: int, *, embeds: bool) -> Terms:
    """One request at a time; what reads a text as a whole does so in one step."""
    if embeds:
        return Terms(context, batch=context, ubatch=context, embedding=True)
    return Terms(context)


def _most(shape: Shape, long: Plan, longest: int, bare: Bare) -> int:
    """Tokens of the largest context that has a place at all; `long` is the plan for the longest."""
    if long.context >= longest or long.kind not in _ON_GPUS:
        return long.context  # what is not all on GPUs was made as long as it can be
    embeds, kept = long.terms.embedding, Fixed(context=True, slots=True)

    def works(terms: Terms) -> bool:
        wanted = _terms(terms.context, embeds=embeds)
        return place(shape, wanted, bare.devices, bare.host, kept).kind != "refused"

    wanted = Terms(longest)
    return longest if works(wanted) else largest(wanted, long.context, works)


def _layers(plan: Plan, shape: Shape) -> Layers:
    count = len(shape.layers)
    on_host = homes(plan.layout, count)[:-1].count(HOST)
    return Layers(count, count - on_host, min(plan.layout.cpu_experts, count))
