"""Where models go, as a table and for every machine that Hypothesis thinks of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paddock.hardware.devices import Device
from paddock.memory.estimate import estimate
from paddock.memory.flags import flags
from paddock.memory.layout import Layout
from paddock.memory.placement import LEAST, Fixed, Plan, place
from paddock.memory.terms import Terms

from .test_estimate import MIB, NAMES, shape

TOTAL = 2048 * MIB


def gpu(number: int, free: int, *, integrated: bool = False, total: int = TOTAL) -> Device:
    """A GPU with so many MiB free."""
    return Device(f"Vulkan{number}", "a card", total, free * MIB, integrated=integrated)


def plan(name: str, *free: int, ram: int = 1000, wanted: Terms | None = None) -> Plan:
    """A plan for a model on GPUs with so many MiB free."""
    gpus = [gpu(number, one) for number, one in enumerate(free)]
    return place(shape(name), wanted or Terms(8192, slots=2), gpus, ram * MIB)


@pytest.mark.parametrize(
    ("free", "kind", "devices"),
    [
        ((1000, 700), "gpu", ("Vulkan1",)),
        ((700, 1000), "gpu", ("Vulkan0",)),
        ((1000, 300), "gpu", ("Vulkan0",)),
        ((420, 400), "split", ("Vulkan0", "Vulkan1")),
        ((420, 200, 400), "split", ("Vulkan0", "Vulkan2")),
        ((290, 280), "hybrid", ("Vulkan0", "Vulkan1")),
        ((100, 100), "cpu", ()),
        ((), "cpu", ()),
    ],
)
def test_the_order_of_places(free: tuple[int, ...], kind: str, devices: tuple[str, ...]) -> None:
    found = plan("llama", *free)
    assert (found.kind, found.layout.devices) == (kind, devices), found.reason
    assert (found.context, found.slots) == (8192, 2)


def test_a_context_that_nobody_asked_for_gives_way_before_the_devices_do() -> None:
    found = plan("llama", 350, wanted=Terms(8192))
    assert found.kind == "gpu"
    assert LEAST <= found.context < 8192
    assert f"{found.context} tokens instead of 8192" in found.reason


def test_a_context_that_was_asked_for_does_not() -> None:
    fixed = Fixed(context=True)
    found = place(shape("llama"), Terms(8192), [gpu(0, 350)], 1000 * MIB, fixed)
    assert found.kind == "hybrid"
    assert found.context == 8192


def test_slots_give_way_first_unless_they_are_fixed() -> None:
    wanted = Terms(8192, slots=4)
    assert plan("llama", 400, wanted=wanted).slots == 1
    found = place(shape("llama"), wanted, [gpu(0, 400)], 1000 * MIB, Fixed(slots=True))
    assert found.slots == 4


def test_more_than_the_model_knows_is_not_given() -> None:
    assert plan("llama", 2048, 2048, wanted=Terms(1 << 20)).context == 32768


def test_experts_leave_before_layers() -> None:
    found = plan("gpt-oss", 240, 230)
    assert found.kind == "hybrid"
    assert found.layout.gpu_layers == 9
    assert found.layout.cpu_experts == 1
    assert "experts first" in found.reason


def test_a_gpu_in_the_processor_is_taken_only_where_there_is_no_other() -> None:
    gpus = [gpu(0, 2000, integrated=True), gpu(1, 600)]
    assert place(shape("llama"), Terms(8192), gpus, 4000 * MIB).layout.devices == ("Vulkan1",)
    alone = place(shape("llama"), Terms(8192), gpus[:1], 4000 * MIB)
    assert alone.layout.devices == ("Vulkan0",)
    # Its memory is the machine's own: it cannot have more than that.
    assert place(shape("llama"), Terms(8192), gpus[:1], 300 * MIB).kind != "gpu"


def test_a_refusal_tells_numbers_and_what_would_help() -> None:
    found = plan("qwen3", 100, ram=150)
    assert found.kind == "refused"
    assert "24 MiB of weights" in found.reason
    assert "Vulkan0 100 MiB and RAM 150 MiB" in found.reason
    assert "a context of" in found.helps[0]
    assert any("1.9 GiB on Vulkan0" in one for one in found.helps)
    assert flags(found, shape("qwen3")) == []


def test_a_tensor_that_a_device_cannot_work_with_is_not_put_there() -> None:
    """The engine would abort."""
    soft = replace(gpu(0, 2000), description="llvmpipe (LLVM 15.0.6, 256 bits)")
    model = shape("llama")
    wanted, fixed = Terms(524288 // 2, slots=2), Fixed(True, True)
    assert place(model, replace(wanted, context=32768, slots=8), [soft], TOTAL * 9, fixed).kind in {
        "gpu",
        "hybrid",
    }
    assert place(
        model, replace(wanted, context=32768, slots=16), [soft], TOTAL * 9, fixed
    ).kind == ("cpu")


def test_caches_in_blocks_need_heads_that_divide() -> None:
    odd = [layer._replace(key=72, value=72) for layer in shape("llama").layers]
    model = replace(shape("llama"), layers=tuple(odd))
    gpus = [gpu(0, 2000)]
    assert place(model, Terms(4096), gpus, TOTAL).kind == "gpu"
    assert place(model, Terms(4096, keys="q8_0", values="q8_0"), gpus, TOTAL).kind == "cpu"


@pytest.mark.parametrize(
    ("free", "words"),
    [
        ((1000,), "--device Vulkan0 --gpu-layers 13 --ctx-size 16384 --parallel 2"),
        ((), "--device none --gpu-layers 0 --ctx-size 16384 --parallel 2"),
        ((290, 280), "--device Vulkan0,Vulkan1 --gpu-layers 7 --tensor-split 3,4"),
    ],
)
def test_flags(free: tuple[int, ...], words: str) -> None:
    told = " ".join(flags(plan("llama", *free), shape("llama")))
    assert told.startswith(words)
    assert told.endswith("--no-kv-unified --fit off")


def test_flags_of_experts_and_small_caches() -> None:
    told = " ".join(flags(plan("gpt-oss", 240, 230), shape("gpt-oss")))
    assert "--n-cpu-moe 1" in told
    wanted = Terms(4096, unified=True, keys="q8_0", values="q8_0")
    told = " ".join(flags(plan("llama", 1000, wanted=wanted), shape("llama")))
    assert "--kv-unified --cache-type-k q8_0 --cache-type-v q8_0 --flash-attn on" in told


def test_flash_attention_is_kept_where_the_engine_would_drop_it() -> None:
    model, terms, layout = shape("lfm2"), Terms(8192), Layout(("Vulkan0",), (1,), 6)
    found = Plan("hybrid", layout, terms, estimate(model, terms, layout), "")
    assert "--flash-attn on" in " ".join(flags(found, model))


@given(
    st.sampled_from(NAMES),
    st.lists(st.integers(0, 2048), max_size=4),
    st.integers(50, 4096),
    st.integers(256, 65536),
    st.integers(1, 8),
    st.tuples(st.booleans(), st.booleans()),
)
def test_a_plan_never_takes_more_than_is_free(
    name: str, free: list[int], ram: int, context: int, slots: int, fixed: tuple[bool, bool]
) -> None:
    gpus = [gpu(number, one) for number, one in enumerate(free)]
    model, wanted = shape(name), Terms(context, slots=slots)
    found = place(model, wanted, gpus, ram * MIB, Fixed(*fixed))
    assert found.reason
    if found.kind == "refused":
        assert found.helps
        return
    numbers = estimate(model, found.terms, found.layout)
    assert numbers.host.total <= ram * MIB
    for device, parts in numbers.devices.items():
        assert parts.total <= next(one.free for one in gpus if one.name == device)
    assert found.context >= min(wanted.context, model.context, LEAST)
    if fixed[0]:
        assert found.context == min(wanted.context, model.context)
    if fixed[1]:
        assert found.slots == slots


@given(st.sampled_from(NAMES), st.lists(st.integers(0, 2048), min_size=1, max_size=3))
def test_more_room_is_never_a_worse_place(name: str, free: list[int]) -> None:
    order = ["gpu", "split", "hybrid", "cpu", "refused"]
    before = plan(name, *free)
    after = plan(name, *(one + 300 for one in free))
    assume(before.kind != "refused")
    assert order.index(after.kind) <= order.index(before.kind)
