"""Estimates against the buffers that the real engine tells: twenty architectures, several ways.

Weights and caches are within a hundredth, and where the estimate says that it can be trusted, what
each device has in all within a twentieth.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.fakes.architectures import ALL
from tests.fakes.engine_memory import MIB, Told, loaded

from paddock.library.gguf import read_header
from paddock.memory.estimate import Estimate, Share, estimate
from paddock.memory.layout import HOST, Layout
from paddock.memory.shape import Shape, shape_of
from paddock.memory.terms import Terms

PRINTED = 0.06
"""MiB: the engine prints two places, of up to three buffers and of tensors aligned by it."""
ONE = Layout(("Vulkan0",), (1,), 999)


class Case(NamedTuple):
    """The same way of running a model in our words and in the engine's."""

    terms: Terms
    layout: Layout
    flags: str
    devices: str = "0"


CASES: Mapping[str, Case] = {
    "cpu": Case(Terms(4096), Layout(), "-dev none -c 4096 -np 1", ""),
    "one": Case(Terms(8192), ONE, "-c 8192 -np 1 -ngl 999"),
    "slots": Case(
        Terms(2048, slots=4, ubatch=256), ONE, "-c 8192 -np 4 --no-kv-unified -ub 256 -ngl 999"
    ),
    "unified": Case(Terms(8192, slots=4, unified=True), ONE, "-c 8192 -np 4 -kvu -ngl 999"),
    "q8_0": Case(
        Terms(8192, keys="q8_0", values="q8_0"), ONE, "-c 8192 -np 1 -ngl 999 -ctk q8_0 -ctv q8_0"
    ),
    "two": Case(
        Terms(8192),
        Layout(("Vulkan0", "Vulkan1"), (3, 5), 999),
        "-c 8192 -np 1 -ngl 999 -ts 3,5",
        "0,0",
    ),
    "partial": Case(
        Terms(4096),
        Layout(("Vulkan0", "Vulkan1"), (1, 1), 6),
        "-c 4096 -np 1 -ngl 6 -ts 1,1",
        "0,0",
    ),
    "experts": Case(
        Terms(8192), Layout(("Vulkan0",), (1,), 999, 3), "-c 8192 -np 1 -ngl 999 -ncmoe 3"
    ),
}


@pytest.fixture(params=sorted(ALL))
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of each architecture."""
    return ALL[request.param]().write(tmp_path / f"{request.param}.gguf")


def test_the_estimate_is_what_the_engine_takes(
    real_llama_server: Path, model: Path, tmp_path: Path
) -> None:
    shape = shape_of([read_header(model)])
    wrong = []
    for name, case in CASES.items():
        if name == "experts" and not shape.expert_layers:
            continue
        told = loaded(real_llama_server, model, tmp_path, case.flags.split(), case.devices)
        wrong += [f"{name}: {line}" for line in differences(shape, case, told)]
    assert not wrong, "\n".join(wrong)


def differences(shape: Shape, case: Case, told: Told) -> list[str]:
    """What is not as it should be, in words."""
    found = estimate(shape, case.terms, case.layout)
    devices: Mapping[str, Share] = {**found.devices, HOST: found.host}
    if told.memory.keys() - devices.keys():
        return [f"the engine also uses {told.memory.keys() - devices.keys()}"]
    return [
        f"{device} {line}"
        for device, parts in devices.items()
        for line in _wrong(parts, told.memory.get(device, {}), found)
    ]


def _wrong(parts: Share, told: Mapping[str, float], found: Estimate) -> list[str]:
    mine = {"weights": parts.weights / MIB, "kv": parts.kv / MIB}
    lines = [
        f"{kind}: {told.get(kind, 0):.2f} MiB, estimated {size:.2f}"
        for kind, size in mine.items()
        if abs(told.get(kind, 0) - size) > max(PRINTED, told.get(kind, 0) / 100)
    ]
    total, logged = sum(told.values()), parts.logged / MIB
    if found.trusted and abs(total - logged) > max(PRINTED, total / 20):
        lines.append(f"in all: {total:.2f} MiB, estimated {logged:.2f}")
    return lines
