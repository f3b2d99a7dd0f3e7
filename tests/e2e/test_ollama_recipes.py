"""What a model of the store adds to its weights, on both doors; and prompts that are too long."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import ollama
import openai
import pytest
from tests.fakes.house import House
from tests.fakes.wire import wire

JINJA = "{{ messages }}"
GO = (
    "{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}"
    "{{ range .ToolCalls }}<tool_call>"
    '{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
    "</tool_call>{{ end }}{{ end }}{{ if .Tools }}tools{{ end }}<|assistant|>"
)
SAME = "{{ range $i, $m := .Messages }}{{ if $i }}\n{{ end }}{{ .Content }}{{ end }}"
"""What the fake engine's own template writes."""
CALL = '<tool_call>{"name":"get","arguments":{"x":1}}</tool_call>'
HELLO: Any = [{"role": "user", "content": "fake tokens=2"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "get", "description": "", "parameters": {"type": "object"}},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with models of the store, made of one file; and some that load slowly."""
    house = House(tmp_path_factory.mktemp("house"))
    house.add("base", metadata={"tokenizer.chat_template": JINJA})
    for name in ("bare", "slow", "quiet"):
        house.add(name, metadata={"general.name": name})
    entries = {
        "slow": {"args": "--fake load=0.3 --fake steps=3", "sendLoadingState": True},
        "quiet": {"args": "--fake load=0.3"},
        "caller": {"args": f"--fake tokens=1 --fake text={shlex.quote(CALL)}"},
    }
    house.start(house.config(maxLoadedModels=9, drainTimeout=2, models=entries))
    with ollama.Client(house.ollama_url) as client:
        client.create(
            "cook",
            from_="base",
            system="Be a cook.",
            parameters={"temperature": 0.1, "stop": ["END"], "num_predict": 5},
            messages=[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        )
        client.create("written", from_="base", template=GO, parameters={"stop": ["<|user|>"]})
        client.create("same", from_="base", template=SAME)
        client.create("caller", from_="quiet", template=GO)
        client.create("gap", from_="bare", template="<P>{{ .Prompt }}<S>{{ .Suffix }}<M>")
    yield house
    house.stop()


@pytest.fixture
def client(house: House) -> Iterator[ollama.Client]:
    with ollama.Client(house.ollama_url) as client:
        yield client


@pytest.fixture
def gpt(house: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{house.url}/v1", api_key="x", max_retries=0) as gpt:
        yield gpt


def last(house: House, model: str, path: str) -> Any:
    """The body of the last request that a model's engine got on `path`. Models that differ only in
    their recipes share one, which runs under the name of the file or of the first of them.
    """
    running = house.running()
    name = next(
        name for name in (model, f"{model}:latest", *ROOTS.get(model, ())) if name in running
    )
    asked = house.engine_state(name)["requests"]
    return json.loads(next(one["body"] for one in reversed(asked) if one["path"] == path))


ROOTS = {"gap": ("bare",), "cook": ("base",), "written": ("base",), "same": ("base",)}


# --- SYSTEM, MESSAGE, PARAMETER -------------------------------------------------------------------


def test_a_recipe_counts_in_chats_of_both_doors(
    house: House, client: ollama.Client, gpt: openai.OpenAI
) -> None:
    expected = [
        {"role": "system", "content": "Be a cook."},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        *HELLO,
    ]

    client.chat("cook", HELLO)
    native = last(house, "cook", "/v1/chat/completions")
    gpt.chat.completions.create(model="cook", messages=HELLO)
    other = last(house, "cook", "/v1/chat/completions")

    for body in (native, other):
        assert body["messages"] == expected
        assert (body["temperature"], body["stop"], body["n_predict"]) == (0.1, ["END"], 5)
    assert native["top_k"] == 40
    assert "top_k" not in other


def test_a_request_goes_before_the_recipe(
    house: House, client: ollama.Client, gpt: openai.OpenAI
) -> None:
    mine: Any = [{"role": "system", "content": "mine"}, *HELLO]

    client.chat("cook", mine, options={"temperature": 0.7})
    native = last(house, "cook", "/v1/chat/completions")
    gpt.chat.completions.create(model="cook", messages=mine, temperature=0.7, max_tokens=3)
    other = last(house, "cook", "/v1/chat/completions")

    for body in (native, other):
        assert body["messages"][0]["content"] == "mine"
        assert body["temperature"] == 0.7
    assert "n_predict" not in other


def test_a_prompt_gets_system_and_messages(house: House, client: ollama.Client) -> None:
    client.generate("cook", "fake tokens=1", system="other")

    messages = last(house, "cook", "/v1/chat/completions")["messages"]
    assert [one["content"] for one in messages] == ["other", "q", "a", "fake tokens=1"]


# --- TEMPLATE -------------------------------------------------------------------------------------


def test_a_template_that_differs_writes_the_prompt(
    house: House, client: ollama.Client, gpt: openai.OpenAI
) -> None:
    prompt = "<|user|>fake tokens=2<|assistant|>"

    native = client.chat("written", HELLO)
    first = last(house, "written", "/completion")
    stream = gpt.chat.completions.create(
        model="written", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    second = last(house, "written", "/completion")
    whole = gpt.chat.completions.create(model="written", messages=HELLO)

    assert first["prompt"] == second["prompt"] == prompt
    assert first["stop"] == second["stop"] == ["<|user|>"]
    assert native.message.content
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content == native.message.content
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert whole.usage is not None


def test_a_template_that_says_the_same_is_left_to_the_engine(
    house: House, client: ollama.Client, gpt: openai.OpenAI
) -> None:
    native = client.chat("same", HELLO)
    whole = gpt.chat.completions.create(model="same", messages=HELLO)
    streamed = list(gpt.chat.completions.create(model="same", messages=HELLO, stream=True))

    assert native.message.content == whole.choices[0].message.content == "t0 t1 "
    assert "".join(c.choices[0].delta.content or "" for c in streamed if c.choices) == "t0 t1 "
    assert last(house, "same", "/v1/chat/completions")["messages"] == HELLO


def test_a_request_may_bring_its_template(house: House, client: ollama.Client) -> None:
    answer = client.generate("base", "hi", template="[{{ .Prompt }}]")

    assert last(house, "base", "/completion")["prompt"] == "[hi]"
    assert answer.context


def test_a_hostile_template_is_refused(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError) as refused:
        client.generate("base", "hi", template="{{ range")

    assert refused.value.status_code == 400


def test_the_template_says_how_to_fill_a_gap(house: House, client: ollama.Client) -> None:
    client.generate("gap", "before", suffix="after")

    assert last(house, "gap", "/completion")["prompt"] == "<P>before<S>after<M>"


@pytest.mark.parametrize("stream", [True, False])
def test_calls_are_found_in_the_text_of_a_rendered_chat(
    house: House, gpt: openai.OpenAI, stream: bool
) -> None:
    body = {"model": "caller", "messages": HELLO, "tools": [TOOL], "stream": stream}
    _, lines = post(house, "/api/chat", body)
    whole = gpt.chat.completions.create(model="caller", messages=HELLO, tools=[TOOL])

    told = [line["message"] for line in lines if line["message"].get("tool_calls")]
    assert [one["function"]["arguments"] for one in told[0]["tool_calls"]] == [{"x": 1}]
    assert "".join(line["message"]["content"] for line in lines).strip() == ""
    assert lines[-1]["done_reason"] == "stop"
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.tool_calls
    assert last(house, "caller", "/completion")["prompt"].endswith("tools<|assistant|>")


def post(house: House, path: str, body: Any) -> tuple[int, list[Any]]:
    """Status and lines of an answer."""
    with wire(house.ollama_url) as line:
        answer = line.ask("POST", path, body=json.dumps(body).encode()).answer()
    return answer.status, [json.loads(one) for one in answer.body.splitlines()]


# --- what is too long -----------------------------------------------------------------------------


def long_chat() -> list[Any]:
    """Nine messages of ten words, after a system message, before a last one."""
    words = [f"w{number}" for number in range(9)]
    turns = [
        {"role": ("user", "assistant")[number % 2], "content": f"m{number} {' '.join(words)}"}
        for number in range(8)
    ]
    return [
        {"role": "system", "content": "be brief"},
        *turns,
        {"role": "user", "content": "fake window=40 tokens=2"},
    ]


def test_the_oldest_messages_of_a_long_chat_are_left_out_and_that_is_told(house: House) -> None:
    body = {"model": "base", "messages": long_chat(), "options": {"num_predict": 4}}
    with wire(house.ollama_url) as line:
        answer = line.ask("POST", "/api/chat", body=json.dumps(body).encode()).answer()

    end = json.loads(answer.body.splitlines()[-1])
    kept = last(house, "base", "/v1/chat/completions")["messages"]
    assert [one["content"].split()[0] for one in kept] == ["be", "m6", "m7", "fake"]
    assert (end["truncated"], answer.header("x-paddock-truncated")) == (6, "6")
    assert "6 messages were left out" in house.said


def test_a_result_goes_with_its_call(house: House) -> None:
    call = {"function": {"name": "get", "arguments": {}}}
    words = " ".join(f"w{number}" for number in range(10))
    messages = [
        {"role": "user", "content": words},
        {"role": "assistant", "content": words, "tool_calls": [call]},
        {"role": "tool", "content": words},
        {"role": "user", "content": "fake window=30 tokens=1"},
    ]
    post(house, "/api/chat", {"model": "base", "messages": messages})

    kept = last(house, "base", "/v1/chat/completions")["messages"]
    assert [one["role"] for one in kept] == ["user"]


def test_what_may_not_be_truncated_is_refused_with_both_numbers(house: House) -> None:
    status, lines = post(
        house, "/api/chat", {"model": "base", "messages": long_chat(), "truncate": False}
    )

    assert status == 400
    assert lines[0]["error"].startswith("the prompt is longer than the context length")
    assert "85" in lines[0]["error"]
    assert "40" in lines[0]["error"]


def test_a_last_message_that_is_too_long_by_itself_is_refused(house: House) -> None:
    words = "fake window=5 " + "w " * 20
    status, lines = post(
        house, "/api/chat", {"model": "base", "messages": [{"role": "user", "content": words}]}
    )

    assert status == 400
    assert "longer than the context length" in lines[0]["error"]


@pytest.mark.parametrize("raw", [True, False])
def test_a_long_prompt_loses_its_beginning(house: House, raw: bool) -> None:
    prompt = "fake window=16 " + " ".join(f"w{number}" for number in range(30))
    status, lines = post(house, "/api/generate", {"model": "base", "prompt": prompt, "raw": raw})

    path = "/completion" if raw else "/v1/chat/completions"
    sent = last(house, "base", path)
    kept = sent["prompt"] if raw else sent["messages"][0]["content"]
    assert status == 200
    assert kept.split() == [f"w{number}" for number in range(16, 30)]
    assert lines[-1]["truncated"] == 18


# --- loading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_client_may_be_shown_how_its_model_loads(house: House, path: str) -> None:
    house.ask("POST", "/api/models/unload/slow")
    _, lines = post(house, path, {"model": "slow", "prompt": "fake tokens=1", "messages": HELLO})

    told = [line.get("message", line) for line in lines]
    thoughts = "".join(one.get("thinking", "") for one in told)
    assert "loading slow" in thoughts
    assert "slow is ready after" in thoughts
    assert lines[-1]["done"] is True


def test_otherwise_it_hears_nothing_before_the_answer(house: House) -> None:
    house.ask("POST", "/api/models/unload/quiet")
    _, lines = post(house, "/api/chat", {"model": "quiet", "messages": HELLO})

    assert [line["message"]["content"] for line in lines] == ["t0 ", "t1 ", ""]
