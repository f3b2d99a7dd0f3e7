"""Plans that the real engine carries out on two software GPUs: it takes no more than was free."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.architectures import ALL
from tests.fakes.engine_memory import MIB, loaded

from paddock.hardware.devices import Device
from paddock.library.gguf import read_header
from paddock.memory.flags import flags
from paddock.memory.placement import place
from paddock.memory.shape import shape_of
from paddock.memory.terms import Terms

TOTAL = 2048 * MIB


@pytest.mark.parametrize(
    ("name", "free", "kind"),
    [
        ("llama", (1000, 700), "gpu"),
        ("llama", (420, 400), "split"),
        ("llama", (290, 280), "hybrid"),
        ("llama", (), "cpu"),
        ("qwen3moe", (330, 330), "split"),
        ("qwen3moe", (250, 250), "hybrid"),
        ("gpt-oss", (240, 230), "hybrid"),
        ("gemma3", (290, 280), "split"),
        ("deepseek2", (255, 250), "split"),
        ("qwen3next", (275, 270), "gpu"),
        ("granite-hybrid", (235, 235), "gpu"),
        ("lfm2", (232,), "gpu"),
    ],
)
def test_the_engine_takes_no_more_than_was_free(
    real_llama_server: Path, tmp_path: Path, name: str, free: tuple[int, ...], kind: str
) -> None:
    model = ALL[name]().write(tmp_path / "m.gguf")
    shape = shape_of([read_header(model)])
    gpus = [Device(f"Vulkan{n}", "llvmpipe", TOTAL, one * MIB) for n, one in enumerate(free)]
    plan = place(shape, Terms(8192, slots=2), gpus, 1000 * MIB)
    assert plan.kind == kind, plan.reason
    told = loaded(real_llama_server, model, tmp_path, flags(plan, shape), "0,0")
    assert told.memory.keys() - {"host"} == plan.estimate.devices.keys()
    for device, parts in plan.estimate.devices.items():
        taken = sum(told.memory[device].values())
        assert taken * MIB + parts.outside <= free[int(device[-1])] * MIB, device
        assert told.memory[device]["weights"] * MIB == pytest.approx(parts.weights, rel=0.01)
        assert told.memory[device].get("kv", 0) * MIB == pytest.approx(parts.kv, rel=0.01)
    assert f"n_ctx_seq             = {plan.context}" in told.log
