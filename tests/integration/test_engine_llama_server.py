import asyncio
import json
import time

import psutil
import pytest

from paddock.config.schema import EngineEntry
from paddock.engine.environment import child_environment
from paddock.engine.program import Program
from paddock.errors import FailureKind, InstanceFailed

PATIENCE = 60.0


@pytest.fixture
def program(real_llama_server, tmp_path):
    return Program(real_llama_server, child_environment({}, tmp_path), tmp_path / "cache")


@pytest.fixture
async def on_cpu(engineering, real_llama_server):
    """A launcher on the real program, without its devices."""
    entry = EngineEntry(llama_server=real_llama_server, args="-dev none")
    return await engineering.launcher(engines={"cpu": entry}, health_check_timeout=PATIENCE)


async def ask(instance, path, body):
    fetched = await instance.pool.fetch(
        "POST", path, body=json.dumps(body).encode(), timeout=PATIENCE
    )
    return fetched.status, fetched.body


async def test_its_flags_are_read(program):
    flags = await program.flags()
    arity = {
        "--ctx-size": 1,
        "-np": 1,
        "--no-kv-unified": 0,
        "-nkvo": 0,
        "--no-webui": 0,
        "--reranking": 0,
        "-ot": 1,
        "--flash-attn": 1,
        "--cors-origins": 1,
        "--control-vector-layer-range": 2,
    }
    for name, values in arity.items():
        flag = flags.find(name)
        assert flag is not None, name
        assert flag.arity == values, name
    draft = flags.find("--draft-max")
    assert draft is not None
    assert draft.successor.startswith("--spec-draft-n-max")
    assert flags.find("--mlock") is None
    assert await program.version()


async def test_it_runs_with_our_flags(engineering, on_cpu, tiny_llama):
    instance = on_cpu.new(engineering.model(path=tiny_llama, parallel=3, context_length=512))
    await instance.start()
    props = json.loads((await instance.pool.fetch("GET", "/props", timeout=PATIENCE)).body)
    assert props["total_slots"] == instance.slots == 3
    assert props["default_generation_settings"]["n_ctx"] == 512
    assert props["model_alias"] == "m"
    chat = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
    status, body = await ask(instance, "/v1/chat/completions", chat)
    assert status == 200
    assert json.loads(body)["usage"]["completion_tokens"] == 3
    assert any(event.progress is not None for event in engineering.events)


async def test_a_stop_is_quick_idle_and_in_the_middle_of_an_answer(engineering, on_cpu, tiny_llama):
    for busy in (False, True):
        instance = on_cpu.new(engineering.model(path=tiny_llama))
        await instance.start()
        body = {"prompt": "x", "n_predict": 100_000, "ignore_eos": True}
        asking = asyncio.ensure_future(ask(instance, "/completion", body)) if busy else None
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        await instance.stop()
        assert time.monotonic() - begin < 1.5
        assert not psutil.pid_exists(instance.pid)
        if asking:
            await asyncio.gather(asking, return_exceptions=True)


async def test_a_cancelled_start_is_quick(engineering, on_cpu, tiny_llama):
    instance = on_cpu.new(engineering.model(path=tiny_llama))
    start = asyncio.ensure_future(instance.start())
    while instance.pid is None:
        await asyncio.sleep(0.001)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not psutil.pid_exists(instance.pid)


async def test_a_bad_value_is_classified(engineering, on_cpu, tiny_llama):
    instance = on_cpu.new(engineering.model(path=tiny_llama, args="--pooling never"))
    with pytest.raises(InstanceFailed) as failed:
        await instance.start()
    assert failed.value.kind is FailureKind.BAD_FLAG
    assert "--pooling" in failed.value.message


async def test_an_embedding_model_embeds_a_whole_input(engineering, real_llama_server, on_cpu):
    from paddock.library.model import HeaderSummary, Model, Trait

    path = real_llama_server.parents[2] / "models" / "all-minilm-l6-v2-q8_0.gguf"
    if not path.exists():
        pytest.skip("no embedding model here")
    header = HeaderSummary(context_length=512)
    traits = frozenset({Trait.EMBEDDING})
    instance = on_cpu.new(Model(id="minilm", path=path, header=header, traits=traits))
    await instance.start()
    status, body = await ask(instance, "/v1/embeddings", {"input": "word " * 480})
    assert status == 200
    assert len(json.loads(body)["data"][0]["embedding"]) == 384


async def test_software_devices_are_listed_and_run_a_model(
    engineering, real_llama_server, tiny_llama
):
    env = {"GGML_VK_VISIBLE_DEVICES": "0,0"}
    launcher = await engineering.launcher(
        engines={"vulkan": EngineEntry(llama_server=real_llama_server, env=env)},
        health_check_timeout=100,
    )
    instance = launcher.new(engineering.model(path=tiny_llama, args="--no-warmup"))
    engine = launcher._site.engines.named("vulkan")
    devices = await engine.devices()
    if not devices:
        pytest.skip("no Vulkan driver here")
    assert [device.name for device in devices] == ["Vulkan0", "Vulkan1"]
    assert all(device.total > 0 for device in devices)
    await instance.start()
    lines = "\n".join(instance.output.tail())
    assert "Vulkan0 model buffer size" in lines
    assert "Vulkan1 model buffer size" in lines
