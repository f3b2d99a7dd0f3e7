"""Other vendors' clients at the Ollama door, and what Ollama's clients count on that is not said
elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import anthropic
import ollama
import openai
import pytest
from tests.fakes.caller import Caller
from tests.fakes.house import House

TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a model that chats, one that embeds, one that ranks, and little patience."""
    house = House(tmp_path_factory.mktemp("house"))
    house.add("plain", metadata={"tokenizer.chat_template": "{{ tools }}"})
    house.add("embeds", architecture="bert")
    house.add("single", metadata={"general.name": "single"})
    models = {
        "ranks": {"cmd": house.command()},
        "single": {"parallel": 1, "concurrencyLimit": 1, "queueLimit": 0},
    }
    house.start(house.config(maxLoadedModels=4, models=models))
    yield house
    house.stop()


@pytest.fixture
def client(house: House) -> Iterator[ollama.Client]:
    with ollama.Client(house.ollama_url) as client:
        yield client


@pytest.fixture
def claude(house: House) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=house.ollama_url, api_key="x", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(house: House) -> Iterator[openai.OpenAI]:
    url = f"{house.ollama_url}/v1"
    with openai.OpenAI(base_url=url, api_key="ollama", max_retries=0) as client:
        yield client


# --- /v1/messages


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_anthropics_client_is_answered_whole(claude: anthropic.Anthropic) -> None:
    answer: Any = claude.messages.create(
        model="plain:latest", max_tokens=99, system="s", messages=said("fake tokens=3")
    )

    assert answer.content[0].text == "t0 t1 t2 "
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 3


def test_anthropics_client_reads_the_stream(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(
        model="plain", max_tokens=99, messages=said("fake tokens=3")
    ) as stream:
        assert "".join(stream.text_stream) == "t0 t1 t2 "


def test_anthropics_client_is_called_back(claude: anthropic.Anthropic) -> None:
    answer: Any = claude.messages.create(
        model="plain", max_tokens=99, tools=[TOOL], messages=said("fake tool=weather")
    )

    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == [("weather", {"x": 1})]
    assert answer.stop_reason == "tool_use"


def test_anthropics_client_counts_and_is_refused_in_its_shape(claude: anthropic.Anthropic) -> None:
    assert claude.messages.count_tokens(model="plain", messages=said("a b c")).input_tokens == 3
    with pytest.raises(anthropic.NotFoundError) as refused:
        claude.messages.create(model="none", max_tokens=9, messages=said("x"))
    body: Any = refused.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")


# --- the rest of /v1


def test_openais_other_streams(gpt: openai.OpenAI) -> None:
    with gpt.responses.create(model="plain", input="fake tokens=2", stream=True) as events:
        kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")

    with gpt.completions.create(model="plain", prompt="fake tokens=2", stream=True) as chunks:
        assert "".join(chunk.choices[0].text for chunk in chunks) == "t0 t1 "


def test_openais_vectors_in_base64_are_the_same(gpt: openai.OpenAI) -> None:
    packed = gpt.embeddings.create(model="embeds", input=["one two"])  # the client asks for base64
    plain = gpt.embeddings.create(model="embeds", input=["one two"], encoding_format="float")

    assert packed.data[0].embedding == plain.data[0].embedding


def test_speech_is_written_down(gpt: openai.OpenAI) -> None:
    told = gpt.audio.transcriptions.create(model="plain", file=("a.wav", b"RIFF0000WAVEfmt "))

    assert told.text.startswith("heard ")


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v1/reranking"])
def test_documents_are_ranked(house: House, path: str) -> None:
    asked = {"model": "ranks", "query": "q", "documents": ["a", "b", "c"], "top_n": 2}
    answer = house.ask("POST", path, asked, door="ollama")

    assert [one["index"] for one in answer.json()["results"]] == [0, 1]


# --- what Ollama's clients count on


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/api/chat", {"messages": []}, 400, "model is required"),
        ("/api/embeddings", {"prompt": "x"}, 400, "model is required"),
        ("/api/show", {}, 400, "model is required"),
        ("/api/generate", {"prompt": "x"}, 404, "model '' not found"),
        ("/api/embed", {"input": "x"}, 404, "model '' not found"),
        ("/api/embed", {"model": "embeds", "input": 7}, 400, "invalid input type"),
        ("/api/chat", {"model": "embeds"}, 400, '"embeds" does not support chat'),
        ("/api/generate", {"model": "embeds"}, 400, '"embeds" does not support generate'),
        (
            "/api/generate",
            {"model": "plain", "prompt": "a", "suffix": "b"},
            400,
            "registry.ollama.ai/library/plain:latest does not support insert",
        ),
        (
            "/api/generate",
            {"model": "plain", "prompt": "a", "think": True},
            400,
            '"plain" does not support thinking',
        ),
        ("/api/copy", {"source": "none", "destination": "x"}, 404, 'model "none" not found'),
        ("/v1/chat/completions", {"model": "plain", "messages": []}, 400, "[] is too short"),
    ],
)
def test_errors_have_ollamas_words(
    house: House, path: str, body: Any, status: int, error: str
) -> None:
    answer = house.ask("POST", path, body, door="ollama")

    told = answer.json()["error"]
    assert answer.status == status
    assert error in (told if isinstance(told, str) else told["message"])


def test_a_full_queue_says_that_the_server_is_busy(house: House) -> None:
    body = {"model": "single", "messages": said("fake tokens=100000 tps=50")}
    busy = Caller(house.ollama_url, "/api/chat", body)
    try:
        busy.until("t0 ")
        answer = house.ask("POST", "/api/chat", body, door="ollama")
    finally:
        busy.close()

    assert answer.status == 503
    assert answer.json()["error"].startswith("server busy, please try again.  maximum pending")


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
def test_a_model_that_only_embeds_is_unloaded_as_others_are(
    house: House, client: ollama.Client, path: str
) -> None:
    client.embed("embeds", "x")
    assert "embeds" in house.running()

    answer = house.ask("POST", path, {"model": "embeds", "keep_alive": 0}, door="ollama")

    assert (answer.status, answer.json()["done_reason"]) == (200, "unload")
    house.until(lambda: "embeds" not in house.running(), "it has left")


def test_what_runs_has_an_end_that_can_be_read(client: ollama.Client) -> None:
    client.generate("plain", keep_alive="10m")
    (one,) = [one for one in client.ps().models if one.model == "plain:latest"]

    assert one.expires_at is not None
    left = one.expires_at - datetime.now(one.expires_at.tzinfo)
    assert math.isclose(left.total_seconds(), 600, abs_tol=60)
    client.generate("plain", keep_alive=-1)
    (one,) = [one for one in client.ps().models if one.model == "plain:latest"]
    assert one.expires_at is not None
    assert one.expires_at.year > 2200
