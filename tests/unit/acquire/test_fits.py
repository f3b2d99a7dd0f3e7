"""Whether a model fits into a machine: the estimate, and the places."""

import pytest

from paddock.acquire.fits import GIB, Memory, Place, context_of, fit, need
from paddock.hardware.gpus import Gpu
from paddock.hardware.snapshot import machine

TWO_GPUS = Memory(gpus=(32 * GIB, 32 * GIB), ram=252 * GIB)
LAPTOP = Memory(ram=16 * GIB)


def test_the_need_of_a_known_model():
    weights = 4_920_734_272  # Llama-3.1-8B in Q4_K_M
    without = need(weights, 0, 8_030_000_000)
    assert without == pytest.approx(weights * 1.05 + GIB / 2, rel=0.01)
    assert need(weights, 8192, 8_030_000_000) - without == pytest.approx(GIB, rel=0.01)
    assert need(weights, 8192, 0) == pytest.approx(need(weights, 8192, 8_030_000_000), rel=0.05)
    assert need(weights, 0, 0, projector=GIB) - need(weights, 0, 0) == GIB


@pytest.mark.parametrize(
    ("memory", "needed", "place", "words"),
    [
        (TWO_GPUS, 20 * GIB, Place.ONE_GPU, "1 GPU"),
        (TWO_GPUS, 31 * GIB, Place.ONE_GPU, "1 GPU"),
        (TWO_GPUS, 32 * GIB, Place.GPUS, "2 GPUs"),
        (TWO_GPUS, 61 * GIB, Place.GPUS, "2 GPUs"),
        (TWO_GPUS, 100 * GIB, Place.GPU_AND_RAM, "GPU + RAM"),
        (TWO_GPUS, 400 * GIB, Place.NOWHERE, "no"),
        (LAPTOP, 8 * GIB, Place.RAM, "CPU"),
        (LAPTOP, 15 * GIB, Place.NOWHERE, "no"),
        (Memory(), 1, Place.UNKNOWN, ""),
        (Memory(gpus=(8 * GIB, 24 * GIB)), 20 * GIB, Place.ONE_GPU, "1 GPU"),
        (Memory(gpus=(8 * GIB, 24 * GIB)), 40 * GIB, Place.NOWHERE, "no"),
        (Memory(gpus=(2 * GIB,), ram=16 * GIB), 5 * GIB, Place.GPU_AND_RAM, "GPU + RAM"),
    ],
)
def test_places(memory, needed, place, words):
    found = fit(needed, memory)
    assert (found.place, found.words, found.need) == (place, words, needed)


@pytest.mark.parametrize(
    ("trained", "asked", "counted"),
    [(131072, 8192, 8192), (2048, 8192, 2048), (0, 4096, 4096), (4096, 0, 4096), (0, 0, 8192)],
)
def test_the_context_that_is_counted(trained, asked, counted):
    assert context_of(trained, asked) == counted


def test_the_memory_of_a_machine():
    found = machine()
    assert Memory.of(found).ram == found.memory > 0
    gpus = (
        Gpu(0, "a", vendor="AMD", memory_total=GIB),
        Gpu(1, "b", vendor="NVIDIA", memory_total=2 * GIB),
        Gpu(2, "tells nothing"),
    )
    object.__setattr__(found, "gpus", gpus)
    memory = Memory.of(found)
    assert memory.gpus == (GIB, 2 * GIB)
    assert memory.slow_low_bits
