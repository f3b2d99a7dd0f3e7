"""Why a model goes where it goes, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from paddock.memory.estimate import Estimate
from paddock.memory.layout import HOST
from paddock.memory.shape import Shape
from paddock.memory.terms import Terms
from paddock.units import format_bytes

if TYPE_CHECKING:
    from paddock.hardware.devices import Device


def reason(
    shape: Shape,
    kind: str,
    numbers: Estimate,
    devices: Sequence[Device],
    wanted: Terms,
    chosen: Terms,
) -> str:
    """Why this place, and what of the terms had to give way."""
    free = {device.name: device.free for device in devices}
    told = {
        "gpu": _whole,
        "split": _split,
        "hybrid": _hybrid,
        "cpu": _cpu,
    }[kind](shape, numbers, free)
    return " ".join([told, *_given_way(wanted, chosen)])


def _whole(shape: Shape, numbers: Estimate, free: dict[str, int]) -> str:  # noqa: ARG001
    (name,) = numbers.devices
    total = format_bytes(numbers.devices[name].total)
    others = [other for other in free if other != name]
    why = " That leaves the least unused." if others else ""
    return f"It fits whole on {name}: {total} of {format_bytes(free[name])} free.{why}"


def _split(shape: Shape, numbers: Estimate, free: dict[str, int]) -> str:  # noqa: ARG001
    return f"No single GPU has room; it fits on {_each(numbers, free)}."


def _hybrid(shape: Shape, numbers: Estimate, free: dict[str, int]) -> str:
    on_host = format_bytes(numbers.host.weights)
    what = "experts" if shape.expert_layers else "layers"
    return (
        f"It does not fit on GPUs alone; {on_host} of it, {what} first, stay with the processor. "
        f"It takes {_each(numbers, free)}."
    )


def _cpu(shape: Shape, numbers: Estimate, free: dict[str, int]) -> str:  # noqa: ARG001
    why = "No GPU has room for enough of it" if free else "There is no GPU"
    return f"{why}: the processor runs it alone, in {format_bytes(numbers.host.total)} of RAM."


def _each(numbers: Estimate, free: dict[str, int]) -> str:
    parts = (
        f"{name} ({format_bytes(one.total)} of {format_bytes(free[name])} free)"
        for name, one in numbers.devices.items()
    )
    return _listed(parts)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _given_way(wanted: Terms, chosen: Terms) -> list[str]:
    told = []
    if chosen.slots < wanted.slots:
        told.append(f"One request at a time instead of {wanted.slots}: more would not fit.")
    if chosen.context < wanted.context:
        told.append(
            f"The context is {chosen.context} tokens instead of {wanted.context}: "
            "more would not fit."
        )
    return told


def refusal(numbers: Estimate, terms: Terms, devices: Sequence[Device], host_free: int) -> str:
    """Why there is no place, with the numbers."""
    host = numbers.host
    free = [f"{device.name} {format_bytes(device.free)}" for device in devices]
    return (
        f"It needs about {format_bytes(host.total)}: {format_bytes(host.weights)} of weights, "
        f"{format_bytes(host.kv)} for {terms.slots} x {terms.context} tokens, "
        f"{format_bytes(host.compute + host.outside)} to work. "
        f"Free: {_listed([*free, f'RAM {format_bytes(host_free)}'])}."
    )


def helps(
    shape: Shape, numbers: Estimate, devices: Sequence[Device], host_free: int, context: int
) -> tuple[str, ...]:
    """What would make room, the least effort first. `context`: tokens that would fit, or 0."""
    found = []
    if context:
        found.append(f"a context of {context} tokens would fit")
    held = [
        f"{format_bytes(device.total - device.free)} on {device.name}"
        for device in devices
        if device.total - device.free > device.total // 10
    ]
    if held:
        found.append(f"stopping what holds {_listed(held)}")
    room = host_free + sum(device.free for device in devices if not device.integrated)
    spare = numbers.host.total - numbers.host.weights
    if room > spare and shape.weights:
        found.append(
            f"a smaller quantization: one of up to about {format_bytes(room - spare)} could fit"
        )
    return (*found, "more memory") if not found else tuple(found)


def where(device: str) -> str:
    """A device's name as people read it."""
    return "RAM" if device == HOST else device
