"""Real models behind the Ollama door, on the embedded engine: vectors with a meaning, chats."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import ollama
import openai
import pytest
from tests.fakes.house import House

EMBEDDER = "all-minilm-l6-v2-q8_0"
SHARED = Path(__file__).parents[3] / "shared" / "models" / f"{EMBEDDER}.gguf"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with the real embedding model, where there is one, and a tiny model that chats."""
    pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")
    from tests.fakes.tiny_llama import write

    house = House(tmp_path_factory.mktemp("real"))
    write(house.models / "tiny.gguf")
    if SHARED.exists():
        shutil.copy(SHARED, house.models)
    house.start(
        house.config(
            engines={},
            engine="embedded",
            contextLength=512,
            parallel=1,
            maxLoadedModels=2,
            drainTimeout=5,
        )
    )
    yield house
    house.stop()


@pytest.fixture
def client(house: House) -> Iterator[ollama.Client]:
    with ollama.Client(house.ollama_url) as client:
        yield client


@pytest.fixture
def embedder() -> str:
    """The embedding model's name, or the test is skipped."""
    if not SHARED.exists():
        pytest.skip(f"there is no {SHARED}")
    return EMBEDDER


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def test_vectors_of_texts_with_like_meanings_are_near(client: ollama.Client, embedder: str) -> None:
    texts = ["a llama on a meadow", "an alpaca in the grass", "the interest rate of a loan"]
    answer = client.embed(embedder, [*texts, texts[0]])
    llama, alpaca, loan, again = answer.embeddings

    assert {len(vector) for vector in answer.embeddings} == {384}
    assert math.fsum(x * x for x in llama) == pytest.approx(1, abs=1e-3)
    assert cosine(llama, again) == pytest.approx(1, abs=1e-3)
    assert cosine(llama, alpaca) > cosine(llama, loan) + 0.1
    assert answer.prompt_eval_count
    assert answer.prompt_eval_count > 20


def test_what_many_vectors_took_is_in_the_list_of_requests(
    house: House, client: ollama.Client, embedder: str
) -> None:
    answer = client.embed(embedder, ["hello"] * 40)
    rows = house.get("/api/metrics/activity")["data"]

    assert rows[0]["tokens"]["input_tokens"] == answer.prompt_eval_count == 120


def test_every_way_to_vectors_gives_the_same(
    house: House, client: ollama.Client, embedder: str
) -> None:
    (vector,) = client.embed(embedder, "hello").embeddings
    old = client.embeddings(embedder, "hello").embedding
    base = f"{house.ollama_url}/v1"
    with openai.OpenAI(base_url=base, api_key="none", max_retries=0) as chatgpt:
        answer = chatgpt.embeddings.create(model=embedder, input="hello", encoding_format="float")
    length = math.sqrt(math.fsum(x * x for x in old))

    assert vector == pytest.approx(answer.data[0].embedding, abs=1e-5)
    assert vector == pytest.approx([x / length for x in old], abs=1e-5)


def test_fewer_dimensions_are_the_first_ones(client: ollama.Client, embedder: str) -> None:
    (vector,) = client.embed(embedder, "hello", dimensions=64).embeddings
    (whole,) = client.embed(embedder, "hello").embeddings

    assert len(vector) == 64
    assert cosine(vector, vector) == pytest.approx(1)
    assert vector[0] / vector[1] == pytest.approx(whole[0] / whole[1], rel=1e-3)


def test_a_text_that_is_too_long_is_cut_as_the_model_counts(
    client: ollama.Client, embedder: str
) -> None:
    long = "word " * 2000
    answer = client.embed(embedder, [long, "word " * 510])

    assert cosine(*answer.embeddings) == pytest.approx(1, abs=1e-3)
    assert answer.prompt_eval_count == 512 + 512
    with pytest.raises(ollama.ResponseError, match="the input length exceeds the context length"):
        client.embed(embedder, long, truncate=False)


def test_a_model_that_only_embeds_does_not_chat(client: ollama.Client, embedder: str) -> None:
    with pytest.raises(ollama.ResponseError, match=f'"{embedder}" does not support chat'):
        client.chat(embedder, [{"role": "user", "content": "hi"}])


def test_a_chat_at_both_doors_is_of_one_model(house: House, client: ollama.Client) -> None:
    answer = client.chat("tiny", [{"role": "user", "content": "hi"}], options={"num_predict": 6})
    with openai.OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0) as chatgpt:
        chatgpt.chat.completions.create(
            model="tiny:latest", max_tokens=6, messages=[{"role": "user", "content": "hi"}]
        )

    assert (answer.eval_count, answer.done_reason) == (6, "length")
    assert house.running().count("tiny") == 1
    assert [model.model for model in client.ps().models].count("tiny:latest") == 1


def test_a_model_leaves_when_it_is_told_to(house: House, client: ollama.Client) -> None:
    client.generate("tiny", "hello", options={"num_predict": 2}, keep_alive=0)
    house.until(lambda: "tiny" not in house.running(), "the model has left")
    assert client.generate("tiny", keep_alive=0).done_reason == "unload"
