"""What a real llama-server says it would take, and what it then takes, on two software devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.gguf_maker import F32_TENSOR, Q4_K_TENSOR, Gguf

from paddock.config.schema import EngineEntry
from paddock.engine.buffers import HOST, Parts
from paddock.engine.devices import devices
from paddock.engine.dry_run import DryRuns
from paddock.errors import EngineMissing, FailureKind, InstanceFailed
from paddock.library.model import HeaderSummary

MIB = 1 << 20
WIDTH, HEAD = 1024, 128


def write_llama(path: Path, *, layers: int = 8, experts: int = 0, vocabulary: int = 4000) -> Path:
    """A llama with real buffers and a hole for weights."""
    wide = 2048
    tensors: list[tuple[str, int, tuple[int, ...]]] = [
        ("token_embd.weight", Q4_K_TENSOR, (WIDTH, vocabulary)),
        ("output.weight", Q4_K_TENSOR, (WIDTH, vocabulary)),
        ("output_norm.weight", F32_TENSOR, (WIDTH,)),
    ]
    for layer in range(layers):
        shapes: dict[str, tuple[int, ...]] = {
            "attn_q": (WIDTH, WIDTH),
            "attn_k": (WIDTH, WIDTH // 2),
            "attn_v": (WIDTH, WIDTH // 2),
            "attn_output": (WIDTH, WIDTH),
        }
        more = (experts,) if experts else ()
        suffix = "_exps" if experts else ""
        shapes |= {f"ffn_{one}{suffix}": (WIDTH, wide, *more) for one in ("gate", "up")}
        shapes[f"ffn_down{suffix}"] = (wide, WIDTH, *more)
        tensors += [(f"blk.{layer}.{n}.weight", Q4_K_TENSOR, s) for n, s in shapes.items()]
        norms: list[tuple[str, tuple[int, ...]]] = [("attn_norm", (WIDTH,)), ("ffn_norm", (WIDTH,))]
        norms += [("ffn_gate_inp", (WIDTH, experts))] if experts else []
        tensors += [(f"blk.{layer}.{n}.weight", F32_TENSOR, s) for n, s in norms]
    metadata: dict[str, Any] = {
        "llama.context_length": 32768,
        "llama.block_count": layers,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": wide,
        "llama.attention.head_count": WIDTH // HEAD,
        "llama.attention.head_count_kv": WIDTH // HEAD // 2,
        "llama.rope.dimension_count": HEAD,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    if experts:
        metadata |= {"llama.expert_count": experts, "llama.expert_used_count": 2}
    return Gguf("llama", metadata, tensors, vocabulary=vocabulary, merges=100).write(path)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("memory") / "llama.gguf")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than both devices hold."""
    return write_llama(tmp_path_factory.mktemp("memory") / "large.gguf", layers=24, experts=32)


@pytest.fixture
async def launcher(engineering, real_llama_server):
    """Its engine has two software devices, or the test is skipped."""
    env = {"GGML_VK_VISIBLE_DEVICES": "0,0"}
    launcher = await engineering.launcher(
        engines={"vulkan": EngineEntry(llama_server=real_llama_server, env=env)},
        health_check_timeout=100,
        parallel=1,
    )
    if len(await launcher.engines.named("vulkan").devices()) != 2:
        pytest.skip("no Vulkan driver here")
    return launcher


def dry_runs(engineering, launcher):
    return DryRuns(launcher.engines, engineering.folder / "dry")


def whole(parts: dict[str, Parts]) -> dict[str, tuple[int, int]]:
    """Weights and cache of each device, as the dry run prints them."""
    return {
        name: (part.weights // MIB, part.kv // MIB) for name, part in parts.items() if name != HOST
    }


ON_BOTH = "--no-warmup -c 2048"
LOADS = {
    "both": ON_BOTH,
    "one": f"{ON_BOTH} -dev Vulkan1 --gpu-layers 99",
    "split": f"{ON_BOTH} --tensor-split 3,1 --gpu-layers 99 -np 2",
    "partial": f"{ON_BOTH} --gpu-layers 5 -ctk q8_0 -ctv q8_0",
}


@pytest.mark.parametrize("args", LOADS.values(), ids=LOADS)
async def test_what_it_says_it_takes_is_what_it_takes(engineering, launcher, llama, args):
    model = engineering.model(path=llama, args=args)
    said = await dry_runs(engineering, launcher).of(model)
    instance = launcher.new(model)
    await instance.start()
    assert whole(said.chosen) == whole(instance.parts)
    assert said.fits
    assert said.chosen[HOST].kv // MIB == instance.parts[HOST].kv // MIB
    for name, part in said.chosen.items():
        # In a pipeline of devices the last one is said to need more than it does.
        assert instance.parts[name].compute <= part.compute + MIB


async def test_what_a_load_took_is_known_before_the_next(engineering, launcher, llama):
    model = engineering.model(path=llama, args=ON_BOTH)
    instance = launcher.new(model)
    await instance.start()
    await launcher.learned.aclose()
    launch = await launcher.engines.choose(model).launch(model, port=1, key="other")
    taken = launcher.learned.find(model, launch)
    assert taken is not None
    assert taken.parts == instance.parts
    assert (taken.context, taken.slots) == (2048, 1)
    assert sum(part.total for part in taken.parts.values()) == sum(instance.memory.values())
    assert {"Vulkan0", "Vulkan1", HOST} <= set(taken.parts)


async def test_what_does_not_fit_is_made_to(engineering, launcher, large):
    model = engineering.model(path=large, args=ON_BOTH)
    said = await dry_runs(engineering, launcher).of(model)
    assert said.fits
    assert said.wanted["Vulkan0"].total + said.wanted["Vulkan1"].total > 2048 * MIB
    assert set(said.layers) == {"Vulkan0", "Vulkan1"}
    assert sum(part.total for name, part in said.chosen.items() if name != HOST) < 2048 * MIB


async def test_a_context_that_nobody_asked_for_is_made_shorter(engineering, launcher, llama):
    model = replace(engineering.model(path=llama, context_length=0), header=HeaderSummary())
    runs = dry_runs(engineering, launcher)
    said = await runs.of(model, "--device", "Vulkan0", "--fit-target", "1600")
    assert 0 < said.context < 32768
    assert said.chosen["Vulkan0"].kv == said.context * (said.wanted["Vulkan0"].kv // 32768)


async def test_it_is_asked_once(engineering, launcher, llama, monkeypatch):
    model = engineering.model(path=llama, args=ON_BOTH)
    runs = dry_runs(engineering, launcher)
    said = await runs.of(model)
    monkeypatch.setattr("paddock.engine.dry_run._run", None)
    assert await runs.of(model) == said
    assert await dry_runs(engineering, launcher).of(model) == said
    with pytest.raises(TypeError):
        await runs.of(model, "--ctx-size", "512")


async def test_a_file_that_cannot_be_loaded_is_told_in_words(engineering, launcher):
    runs = launcher.dry_runs
    with pytest.raises(InstanceFailed) as failed:
        await runs.of(engineering.model())  # an empty file
    assert failed.value.kind is FailureKind.FILE_CORRUPT
    with pytest.raises(InstanceFailed) as failed:
        await runs.of(engineering.model(path=engineering.folder / "none.gguf"))
    assert failed.value.kind is FailureKind.FILE_MISSING


async def test_a_cache_that_the_device_cannot_hold_is_told(engineering, launcher, llama):
    model = engineering.model(path=llama, args="--no-warmup -c 262144 --gpu-layers 99")
    with pytest.raises(InstanceFailed) as failed:
        await dry_runs(engineering, launcher).of(model)
    assert failed.value.kind is FailureKind.OUT_OF_MEMORY


async def test_a_command_cannot_be_asked(engineering, launcher):
    with pytest.raises(EngineMissing, match="command"):
        await dry_runs(engineering, launcher).of(engineering.model(cmd="server"))


async def test_an_engine_that_does_not_tell_is_not_waited_for(engineering, monkeypatch):
    launcher = await engineering.launcher()
    monkeypatch.setattr("paddock.engine.dry_run.SECONDS", 0.0)
    with pytest.raises(InstanceFailed, match="did not tell"):
        await dry_runs(engineering, launcher).of(engineering.model())


async def test_the_embedded_engine_tells_too(engineering, llama):
    pytest.importorskip("xllamacpp")
    launcher = await engineering.launcher(engines={"embedded": EngineEntry()}, parallel=1)
    engine = launcher.engines.named("embedded")
    assert await devices(engine, fresh=True) == ()
    model = engineering.model(path=llama, args="-c 2048")
    said = await dry_runs(engineering, launcher).of(model)
    assert set(said.wanted) == {HOST}
    instance = launcher.new(model)
    await instance.start()
    assert said.wanted[HOST].kv == instance.parts[HOST].kv


async def test_devices_have_numbers_of_their_own_where_no_driver_tells(launcher):
    engine = launcher.engines.named("vulkan")
    first, second = await devices(engine)
    assert [first.name, second.name] == ["Vulkan0", "Vulkan1"]
    assert (first.total, first.free, first.measured) == (2048 * MIB, 2048 * MIB, False)
    assert await devices(engine, fresh=True) == (first, second)
