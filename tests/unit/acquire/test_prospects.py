"""Where models of known shapes would go, and the contexts that leaves: tables by the planner."""

from __future__ import annotations

import pytest
from tests.unit.acquire.listings import repository
from tests.unit.memory.test_estimate import MIB, shape

from paddock.acquire.fits import GIB, Fit, Memory, Place, guess
from paddock.acquire.offer import Known, Offer, offer
from paddock.acquire.prospects import Bare, Base, prospect, scaled
from paddock.hardware.devices import Device

MEMORY = Memory(gpus=(32 * GIB,), ram=64 * GIB)


def bare(*gpus: int, ram: int) -> Bare:
    """A machine with so many MiB on each GPU, and of its own."""
    devices = (Device(f"Vulkan{n}", "a card", mib * MIB, mib * MIB) for n, mib in enumerate(gpus))
    return Bare(tuple(devices), ram * MIB)


@pytest.mark.parametrize(
    ("name", "machine", "said", "place"),
    [
        ("llama", bare(1000, ram=1000), "1 GPU", Place.ONE_GPU),
        ("llama", bare(340, 330, ram=1000), "2 GPUs", Place.GPUS),
        ("llama", bare(260, ram=1000), "2/12 layers GPU", Place.GPU_AND_RAM),
        ("gpt-oss", bare(240, 230, ram=1000), "experts of 1/8 layers RAM", Place.GPU_AND_RAM),
        ("llama", bare(ram=1000), "CPU", Place.RAM),
        ("llama", bare(ram=100), "no", Place.NOWHERE),
        ("bert", bare(1000, ram=1000), "1 GPU", Place.ONE_GPU),
        ("llama", Bare(), "", Place.UNKNOWN),
    ],
)
def test_where_a_model_would_go(name: str, machine: Bare, said: str, place: Place) -> None:
    found = prospect(shape(name), 8192, machine, "header", fixed=True)
    assert (found.words, found.place) == (said, place)
    assert (found.most > 0) is (place < Place.NOWHERE)
    assert (found.on_gpus > 0) >= (place <= Place.GPUS)


def contexts(found: Fit) -> tuple[int, int]:
    return found.on_gpus, found.most


def test_contexts_go_from_gpus_to_ram_to_what_was_trained() -> None:
    """What one machine leaves is never less than what a smaller one does."""
    small, more, much = (
        prospect(shape("llama"), 8192, machine, "header")
        for machine in (bare(400, ram=300), bare(400, ram=700), bare(2000, ram=4000))
    )
    assert 4096 <= small.on_gpus == more.on_gpus < 32768
    assert small.on_gpus <= small.most < more.most <= 32768
    assert contexts(much) == (32768, 32768)
    assert prospect(shape("llama"), 8192, bare(100, ram=4000), "header").on_gpus == 0


def test_a_context_gives_way_in_words_but_not_in_the_place_that_ranks() -> None:
    found = prospect(shape("llama"), 32768, bare(400, ram=4000), "header")
    assert (found.words, found.place) == ("1 GPU", Place.GPU_AND_RAM)


def test_a_shape_is_scaled_with_its_file() -> None:
    whole = shape("qwen3moe")
    half = scaled(whole, 0.5, beside=7)
    assert half.weights == pytest.approx(whole.weights / 2, rel=0.001)
    assert half.beside == 7
    assert [layer.key for layer in half.layers] == [layer.key for layer in whole.layers]
    assert half.expert_layers == whole.expert_layers


def offered(known: Known | None) -> Offer:
    size = shape("llama").weights / 1e9
    files = {"x-Q8_0.gguf": size * 4, "x-Q4_K_M.gguf": size, "other-1B-Q2_K.gguf": size}
    return offer(repository(files), MEMORY, 8192, known)


def test_a_repository_is_judged_by_the_shape_of_its_model() -> None:
    size = int(shape("llama").weights / 1e9 * 1e9)
    rows = offered(Known(bare(400, ram=4000), {"x": Base(shape("llama"), size)})).rows
    told = {row.label: row.told() for row in rows}
    assert [told[name]["source"] for name in ("Q4_K_M", "Q8_0", "Q2_K")] == [
        *("header", "scaled", "guess")
    ]
    assert told["Q4_K_M"]["fits"] == "1 GPU"
    assert told["Q4_K_M"]["context_on_gpus"] > 4096
    assert "layers GPU" in told["Q8_0"]["fits"]
    assert told["Q8_0"]["context_on_gpus"] == 0
    assert told["Q8_0"]["layers"] == 12 > told["Q8_0"]["gpu_layers"] > 0


@pytest.mark.parametrize("known", [None, Known(Bare(), {}), Known(bare(1, ram=9), {})])
def test_without_a_shape_sizes_have_to_do(known: Known | None) -> None:
    assert {row.fit.source for row in offered(known).rows} == {"guess"}


@pytest.mark.parametrize(
    ("memory", "on_gpus", "most"),
    [
        (Memory(gpus=(8 * GIB,), ram=64 * GIB), range(8192, 32768), range(131072, 131073)),
        (Memory(gpus=(8 * GIB, 8 * GIB)), range(65536, 90000), range(65536, 90000)),
        (Memory(ram=16 * GIB), range(1), range(49152, 98304)),
        (Memory(gpus=(4 * GIB,), ram=GIB), range(1), range(1)),
        (Memory(), range(1), range(1)),
    ],
)
def test_contexts_that_are_guessed(memory: Memory, on_gpus: range, most: range) -> None:
    found = guess(4_920_734_272, 8_030_000_000, memory, 8192, 131072)
    assert found.on_gpus in on_gpus
    assert found.most in most
    assert found.source == "guess"
