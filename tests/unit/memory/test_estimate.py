"""Estimates: sums that match, and what grows when more is asked for."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes import architectures
from tests.fakes.gguf_maker import Gguf

from paddock.errors import GgufError
from paddock.library.gguf import read_header
from paddock.library.header import Header
from paddock.memory.estimate import Estimate, estimate
from paddock.memory.kv import kv
from paddock.memory.layout import HOST, Layout, homes
from paddock.memory.shape import Shape, shape_of
from paddock.memory.terms import Terms

MIB = 1 << 20
TWO = ("Vulkan0", "Vulkan1")
NAMES = sorted(architectures.ALL)


def header_of(model: Gguf) -> Header:
    """The header of a file with this model."""
    with TemporaryDirectory() as folder:
        return read_header(model.write(Path(folder) / "m.gguf"))


@cache
def shape(name: str) -> Shape:
    """The shape of one of the generated models."""
    return shape_of([header_of(architectures.ALL[name]())])


def everything(numbers: Estimate) -> tuple[int, int]:
    """Bytes of weights and of caches, wherever they are."""
    parts = [*numbers.devices.values(), numbers.host]
    return sum(one.weights for one in parts), sum(one.kv for one in parts)


names = st.sampled_from(NAMES)
terms = st.builds(
    Terms,
    context=st.integers(1, 200_000),
    slots=st.integers(1, 16),
    unified=st.booleans(),
    ubatch=st.sampled_from([32, 256, 512, 2048]),
    keys=st.sampled_from(["f16", "q8_0", "q4_0"]),
)
layouts = st.builds(
    lambda count, split, layers, experts: Layout(
        tuple(f"Vulkan{n}" for n in range(count)), tuple(split[:count]), layers, experts
    ),
    st.integers(1, 4),
    st.lists(st.integers(1, 100), min_size=4, max_size=4),
    st.integers(1, 20),
    st.integers(0, 5),
)


@given(names, terms, layouts)
def test_every_tensor_is_somewhere_and_caches_do_not_depend_on_the_place(
    name: str, asked: Terms, layout: Layout
) -> None:
    model = shape(name)
    weights, caches = everything(estimate(model, asked, layout))
    copies = model.everywhere * len(layout.devices) + model.tied
    assert model.weights <= weights <= model.weights + copies
    assert caches == sum(kv(model, asked, Layout()).values())


@given(names, terms, layouts, st.integers(1, 50_000), st.integers(1, 4))
def test_more_context_and_more_slots_take_no_less(
    name: str, asked: Terms, layout: Layout, context: int, slots: int
) -> None:
    model = shape(name)
    less = estimate(model, asked, layout)
    for more in (
        Terms(asked.context + context, asked.slots, asked.unified, ubatch=asked.ubatch),
        Terms(asked.context, asked.slots + slots, asked.unified, ubatch=asked.ubatch),
    ):
        plain = Terms(asked.context, asked.slots, asked.unified, ubatch=asked.ubatch)
        less, greater = estimate(model, plain, layout), estimate(model, more, layout)
        assert greater.host.kv + greater.host.weights >= less.host.kv + less.host.weights
        for device, parts in less.devices.items():
            assert greater.devices[device].kv >= parts.kv
            assert greater.devices[device].weights == parts.weights


@given(names, terms, st.integers(1, 19))
def test_each_layer_more_on_a_device_is_one_less_on_the_host(
    name: str, asked: Terms, layers: int
) -> None:
    model = shape(name)
    fewer, more = (
        estimate(model, asked, Layout(("Vulkan0",), (1,), number))
        for number in (layers, layers + 1)
    )
    assert more.host.weights <= fewer.host.weights
    assert more.host.kv <= fewer.host.kv
    assert more.devices["Vulkan0"].weights >= fewer.devices["Vulkan0"].weights


def test_layers_go_where_the_engine_puts_them() -> None:
    assert homes(Layout(TWO, (3, 5), 999), 12) == ("Vulkan0",) * 5 + ("Vulkan1",) * 8
    assert homes(Layout(TWO, (1, 1), 5), 6) == (HOST,) * 2 + ("Vulkan0",) * 3 + ("Vulkan1",) * 2
    assert homes(Layout(), 2) == (HOST,) * 3


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_counts_as_a_split_are_those_counts(counts: list[int]) -> None:
    devices = tuple(f"Vulkan{n}" for n in range(len(counts)))
    placed = homes(Layout(devices, tuple(counts), sum(counts)), sum(counts) - 1)
    assert [placed.count(device) for device in devices] == counts


@pytest.mark.parametrize(
    ("name", "context", "cached"),
    [("gemma3", 16384, 2 * 16 * MIB + 12 * MIB), ("gpt-oss", 8192, 17.5 * MIB), ("bert", 512, 0)],
)
def test_windows_and_encoders(name: str, context: int, cached: float) -> None:
    assert sum(kv(shape(name), Terms(context), Layout()).values()) == cached


def test_four_slots_that_share_a_cache_pay_four_windows() -> None:
    alone = kv(shape("gemma3"), Terms(16384), Layout())[HOST]
    shared = kv(shape("gemma3"), Terms(16384, slots=4, unified=True), Layout())[HOST]
    assert shared - alone == 12 * (2560 - 1024) * 2 * 256 * 2


def test_what_may_grow_later_is_told() -> None:
    numbers = estimate(shape("gemma3"), Terms(8192, slots=2), Layout())
    assert numbers.growth.prompt_cache == 8192 * MIB
    assert numbers.growth.checkpoints == 32 * 2 * 12 * 1024 * 2 * 256 * 2
    assert estimate(shape("bert"), Terms(512), Layout()).growth.prompt_cache == 0
    assert estimate(shape("llama-tied"), Terms(512), Layout()).growth.repacked > 80 * MIB


def test_doubts_are_told() -> None:
    two = Layout(TWO, (1, 1), 999)
    assert estimate(shape("llama"), Terms(8192), two).trusted
    assert not estimate(shape("mamba2"), Terms(8192), two).trusted
    assert not estimate(shape("deepseek2"), Terms(8192, slots=2), two).trusted
    assert not estimate(shape("llama"), Terms(8192, flash=False), two).trusted
    strange = shape_of([header_of(Gguf("strange"))])
    assert "strange" in estimate(strange, Terms(512), Layout()).doubts[0]


@pytest.mark.parametrize("blocks", [0, 1 << 31])
def test_a_header_without_layers_is_refused(blocks: int) -> None:
    with pytest.raises(GgufError, match="how many layers"):
        shape_of([header_of(Gguf(metadata={"llama.block_count": blocks}))])


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "attention.head_count",
                "attention.head_count_kv",
                "attention.key_length",
                "attention.sliding_window",
                "attention.sliding_window_pattern",
                "attention.shared_kv_layers",
                "attention.kv_lora_rank",
                "expert_used_count",
                "nextn_predict_layers",
                "ssm.conv_kernel",
                "ssm.inner_size",
                "ssm.state_size",
                "embedding_length",
                "context_length",
            ]
        ),
        st.one_of(
            st.integers(-5, (1 << 63)),
            st.text(max_size=3),
            st.floats(width=32),
            st.lists(st.integers(0, 1 << 31), min_size=1, max_size=4),
        ),
    ),
    st.sampled_from(["llama", "gemma3", "deepseek2", "mamba2"]),
)
def test_a_hostile_header_is_a_number_or_an_error_of_ours(
    told: dict[str, object], architecture: str
) -> None:
    metadata = {f"{architecture}.{key}": value for key, value in told.items()}
    tensors = architectures.ALL[architecture]().tensors
    metadata[f"{architecture}.block_count"] = 12
    header = header_of(Gguf(architecture, metadata, tensors))
    try:
        numbers = estimate(shape_of([header]), Terms(4096), Layout(TWO, (1, 1), 8))
    except GgufError:
        return
    assert numbers.host.total >= 0
