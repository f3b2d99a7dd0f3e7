"""What /api/ps tells of memory and of how long a model stays."""

from __future__ import annotations

import math

import pytest

from paddock.events import InstanceState
from paddock.gateway.ollama.running import stays_for
from paddock.gateway.places import sizes
from paddock.scheduler.view import InstanceView

READY = InstanceView(
    model="m",
    instance="m-1",
    state=InstanceState.READY,
    slots=1,
    active=0,
    idle=1.0,
    ttl=300.0,
    keep_alive=300.0,
    context=4096,
    unload_in=299.0,
    load_time=1.0,
    leaving="",
    group="",
    stays_for=0.0,
)


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        ({}, (700, 0)),
        ({"CPU": 100, "CPU_Mapped": 200}, (300, 0)),
        ({"Vulkan0": 100, "Vulkan1": 50, "CPU": 10}, (160, 150)),
        ({"ROCm0": 100}, (100, 100)),
    ],
)
def test_memory_is_what_the_engine_told(memory: dict[str, int], told: tuple[int, int]):
    assert sizes(memory, 700) == told


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        ({"Vulkan0": 100, "Vulkan1": 50, "CPU": 10}, (160, 160)),
        ({"CPU": 10}, (10, 0)),  # whatever was planned
        ({}, (700, 0)),
    ],
)
def test_with_all_layers_on_gpus_all_of_it_counts_as_there(
    memory: dict[str, int], told: tuple[int, int]
):
    assert sizes(memory, 700, whole=True) == told


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 299.0),
        ({"unload_in": None, "active": 1}, 300.0),
        ({"unload_in": None, "keep_alive": math.inf}, math.inf),
        ({"leaving": "somebody unloads it"}, -1.0),
    ],
)
def test_how_long_it_stays(changes: dict[str, object], seconds: float):
    fields = {name: getattr(READY, name) for name in InstanceView.__slots__}

    assert stays_for(InstanceView(**fields | changes)) == seconds
