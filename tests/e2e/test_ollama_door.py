"""The Ollama door itself: what it is known by, its errors, its pages, and what both doors share."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator
from typing import Any

import ollama
import openai
import pytest
from tests.fakes.house import Answer, House
from tests.fakes.wire import wire

HELLO: Any = [{"role": "user", "content": "hello there"}]
THOUGHTS: Any = [{"role": "user", "content": "fake reasoning=2 tokens=2"}]
THINKS = "{{ enable_thinking }} <think> {{ tools }}"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a chat model, one that thinks, an embedding model and one of 16 tokens."""
    house = House(tmp_path_factory.mktemp("door"))
    house.add("plain")
    house.add("clever", metadata={"tokenizer.chat_template": THINKS})
    house.add("embeds", architecture="bert")
    house.add("small", architecture="bert")
    house.start(
        house.config(
            maxLoadedModels=5, drainTimeout=2, parallel=1, models={"small": {"contextLength": 16}}
        )
    )
    house.load("plain", "clever", "embeds", "small")
    yield house
    house.stop()


@pytest.fixture
def client(door: House) -> Iterator[ollama.Client]:
    with ollama.Client(door.ollama_url) as client:
        yield client


@pytest.fixture
def chatgpt(door: House) -> Iterator[openai.OpenAI]:
    base = f"{door.ollama_url}/v1"
    with openai.OpenAI(base_url=base, api_key="none", max_retries=0) as client:
        yield client


def ask(door: House, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return door.ask(method, path, body, named, door="ollama")


# --- what it is known by


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_it_says_that_it_is_running(door: House, method: str) -> None:
    answer = ask(door, method, "/")

    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert answer.text == ("Ollama is running" if method == "GET" else "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_its_version_is_numbers_with_dots(door: House, method: str) -> None:
    answer = ask(door, method, "/api/version")

    assert answer.status == 200
    if method == "GET":
        assert [int(part) for part in answer.json()["version"].split(".")] >= [0, 20, 0]
        assert answer.json()["paddock"]


def test_the_other_door_has_llama_swaps_version_and_ollamas_models(door: House) -> None:
    assert "build_date" in door.get("/api/version")
    assert {model["name"] for model in door.get("/api/tags")["models"]} >= {"plain:latest"}
    assert "Paddock" in door.ask("GET", "/").text


def test_there_is_no_cloud(door: House) -> None:
    assert ask(door, "GET", "/api/status").json()["cloud"]["disabled"] is True
    for method, path in (
        ("POST", "/api/me"),
        ("POST", "/api/signout"),
        ("DELETE", "/api/user/keys/x"),
        ("POST", "/api/experimental/web_search"),
        ("GET", "/api/experimental/model-recommendations"),
    ):
        answer = ask(door, method, path, {} if method == "POST" else None)
        assert (answer.status, list(answer.json())) == (403, ["error"]), path


def test_what_is_not_there_is_told_in_plain_text(door: House) -> None:
    unknown, wrong = ask(door, "GET", "/api/nothing"), ask(door, "GET", "/api/chat")

    assert (unknown.status, unknown.text) == (404, "404 page not found")
    assert (wrong.status, wrong.text) == (405, "405 method not allowed")
    assert wrong.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/chat", 404, "model 'none' not found"),
        ("/api/generate", 404, "model 'none' not found"),
        ("/api/show", 404, "model 'none' not found"),
        ("/api/embed", 404, "model 'none' not found"),
        ("/api/embeddings", 404, 'model "none" not found, try pulling it first'),
    ],
)
def test_an_unknown_model(door: House, path: str, status: int, text: str) -> None:
    answer = ask(door, "POST", path, {"model": "none", "messages": HELLO})
    assert (answer.status, answer.json()["error"]) == (status, text)


def test_a_near_name_is_offered_beside_the_error(door: House) -> None:
    told = ask(door, "POST", "/api/show", {"model": "plan"}).json()
    assert told == {"error": "model 'plan' not found", "hint": "did you mean 'plain'?"}


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings"])
def test_a_body_is_needed_and_a_right_one(door: House, path: str) -> None:
    assert ask(door, "POST", path, b"").json() == {"error": "missing request body"}
    wrong = ask(door, "POST", path, b"{")
    assert (wrong.status, list(wrong.json())) == (400, ["error"])


# --- pages


def test_a_page_of_this_machine_may_call_with_the_headers_of_its_client(door: House) -> None:
    page = "http://localhost:3000"
    asked = "authorization,content-type,x-stainless-os,x-stainless-retry-count"
    preflight = ask(
        door,
        "OPTIONS",
        "/v1/chat/completions",
        Origin=page,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers=asked,
    )
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == page
    assert preflight.headers["Access-Control-Allow-Headers"] == asked
    assert ask(door, "GET", "/api/tags", Origin=page).headers["Access-Control-Allow-Origin"] == page


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://localhost.evil.example"]
)
def test_other_pages_may_not(door: House, origin: str) -> None:
    answer = ask(door, "POST", "/api/chat", {"model": "plain", "messages": HELLO}, Origin=origin)

    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "may not call" in answer.json()["error"]


def test_the_openai_door_keeps_its_own_rules(door: House) -> None:
    answer = door.ask("GET", "/v1/models", None, {"Origin": "http://localhost:3000"})
    assert answer.status == 403


def test_a_page_that_took_our_name_is_refused(door: House) -> None:
    host = f"evil.example:{door.ollama_url.rpartition(':')[2]}"
    with wire(door.ollama_url) as connection:
        connection.send(f"GET /api/tags HTTP/1.1\r\nHost: {host}\r\n\r\n")
        answer = connection.answer()

    assert answer.status == 403


# --- both doors, one world


def test_a_model_asked_for_at_both_doors_runs_once(
    door: House, client: ollama.Client, chatgpt: openai.OpenAI
) -> None:
    client.chat("plain:latest", HELLO)
    client.generate("PLAIN", "hello")
    chatgpt.chat.completions.create(model="plain:latest", messages=HELLO)
    with openai.OpenAI(base_url=f"{door.url}/v1", api_key="none", max_retries=0) as other:
        other.chat.completions.create(model="plain", messages=HELLO)

    assert door.running().count("plain") == 1
    asked = [request["path"] for request in door.engine_state("plain")["requests"]]
    assert asked.count("/v1/chat/completions") >= 3


# --- /v1 at this door


def test_openais_chat_tells_thoughts_under_both_names(chatgpt: openai.OpenAI) -> None:
    whole = chatgpt.chat.completions.create(model="clever", messages=THOUGHTS)
    message: Any = whole.choices[0].message

    assert (whole.model, whole.system_fingerprint) == ("clever", "fp_ollama")
    assert message.reasoning == message.reasoning_content == "t2 t1 "
    assert (message.content, whole.choices[0].finish_reason) == ("t0 t1 ", "stop")
    assert whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_openais_chat_streams_with_its_usage_at_the_end(chatgpt: openai.OpenAI) -> None:
    with chatgpt.chat.completions.create(
        model="clever", messages=THOUGHTS, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks: list[Any] = list(stream)

    *pieces, ended, usage = chunks
    assert "".join(piece.choices[0].delta.content for piece in pieces) == "t0 t1 "
    told = [getattr(piece.choices[0].delta, "reasoning", "") for piece in pieces]
    assert "".join(told) == "t2 t1 "
    assert all(piece.choices[0].delta.role == "assistant" for piece in pieces)
    assert (ended.choices[0].finish_reason, ended.choices[0].delta.content) == ("stop", None)
    assert (usage.choices, usage.usage.completion_tokens) == ([], 4)
    assert {chunk.system_fingerprint for chunk in chunks} == {"fp_ollama"}


@pytest.mark.parametrize("stream", [False, True])
def test_openais_chat_calls_tools(chatgpt: openai.OpenAI, door: House, stream: bool) -> None:
    asked: Any = {
        "model": "clever",
        "messages": [{"role": "user", "content": "fake tool=weather"}],
        "tools": [{"type": "function", "function": {"name": "weather"}}],
        "tool_choice": "required",
    }
    answer: Any = chatgpt.chat.completions.create(**asked, stream=stream)
    if stream:
        with answer:
            pieces = [chunk.choices[0] for chunk in answer]
        calls = [call for piece in pieces for call in piece.delta.tool_calls or ()]
        assert pieces[-1].finish_reason == "tool_calls"
        assert calls[0].index == 0
    else:
        calls = answer.choices[0].message.tool_calls
        assert answer.choices[0].finish_reason == "tool_calls"
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("weather", '{"x":1}')
    ]
    assert sent(door, "clever")["tool_choice"] == "required"


def sent(door: House, model: str) -> Any:
    """The body of the last chat that the engine was asked for."""
    requests = door.engine_state(model)["requests"]
    chats = [one for one in requests if one["path"] == "/v1/chat/completions"]
    return json.loads(chats[-1]["body"])


def test_openais_fields_reach_the_engine(chatgpt: openai.OpenAI, door: House) -> None:
    chatgpt.chat.completions.create(
        model="clever",
        messages=HELLO,
        max_completion_tokens=3,
        reasoning_effort="high",
        seed=5,
        extra_body={"chat_template_kwargs": {"mine": 1}, "keep_alive": "10m"},
    )
    told = sent(door, "clever")

    assert (told["max_completion_tokens"], told["seed"]) == (3, 5)
    assert (told["temperature"], told["top_p"]) == (1.0, 1.0)
    assert told["reasoning_effort"] == "high"
    assert told["chat_template_kwargs"] == {
        "enable_thinking": True, "reasoning_effort": "high", "mine": 1,
    }  # fmt: skip
    assert not {"keep_alive", "n_predict"} & told.keys()


def test_no_effort_is_no_thinking(chatgpt: openai.OpenAI, door: House) -> None:
    chatgpt.chat.completions.create(model="clever", messages=HELLO, reasoning_effort="none")
    assert sent(door, "clever")["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_models_own_settings_go_before_openais(client: ollama.Client, door: House) -> None:
    client.create("calm", from_="plain", system="Be calm.", parameters={"temperature": 0.25})
    asked = {"model": "calm", "messages": HELLO}
    assert ask(door, "POST", "/v1/chat/completions", asked).status == 200
    told = sent(door, "plain")
    assert told["messages"][0] == {"role": "system", "content": "Be calm."}
    assert (told["temperature"], told["top_p"]) == (0.25, 1.0)


@pytest.mark.parametrize(
    ("body", "status", "kind", "text"),
    [
        ({"model": "none", "messages": HELLO}, 404, "not_found_error", "not found"),
        ({"model": "plain", "messages": []}, 400, "invalid_request_error", "[] is too short"),
        ({"model": "plain", "messages": "x"}, 400, "invalid_request_error", "`messages`"),
        ({"messages": HELLO}, 400, "invalid_request_error", "`model`"),
        (
            {"model": "plain", "messages": [{"role": "user", "content": "fake status=500"}]},
            500,
            "api_error",
            "fake status",
        ),
    ],
)
def test_openais_errors_are_of_ollamas_types(
    door: House, body: Any, status: int, kind: str, text: str
) -> None:
    answer = ask(door, "POST", "/v1/chat/completions", body)

    assert (answer.status, answer.json()["error"]["type"]) == (status, kind)
    assert text in answer.json()["error"]["message"]


def test_a_stream_that_breaks_ends_in_an_error_and_not_in_done(door: House) -> None:
    broken = [{"role": "user", "content": "fake end_after=2"}]
    asked = {"model": "plain", "messages": broken, "stream": True}
    events = ask(door, "POST", "/v1/chat/completions", asked).events()

    assert '"type": "api_error"' in events[-1]
    assert "[DONE]" not in events


def test_a_context_is_asked_for_in_a_header(door: House) -> None:
    asked = {"model": "plain", "messages": HELLO}
    answer = ask(door, "POST", "/v1/chat/completions", asked, X_Paddock_Context="many")

    assert answer.status == 400
    assert "X-Paddock-Context" in answer.json()["error"]["message"]


def test_openais_list_has_ollamas_names_and_owners(
    chatgpt: openai.OpenAI, client: ollama.Client, door: House
) -> None:
    client.copy("plain", "somebody/mine")
    owners = {model.id: model.owned_by for model in chatgpt.models.list()}

    assert (owners["plain:latest"], owners["somebody/mine:latest"]) == ("library", "somebody")
    for name in ("somebody/mine", "somebody/mine:latest"):
        assert chatgpt.models.retrieve(name).id == "somebody/mine:latest"
    assert ask(door, "GET", "/v1/models/somebody/mine").json()["owned_by"] == "somebody"
    assert ask(door, "GET", "/v1/models/none").json()["error"]["type"] == "not_found_error"
    client.delete("somebody/mine")


def test_every_other_route_of_openai_is_here_too(chatgpt: openai.OpenAI, door: House) -> None:
    assert chatgpt.responses.create(model="plain", input="hi").output_text
    assert chatgpt.completions.create(model="plain", prompt="hi").choices[0].text
    assert chatgpt.embeddings.create(model="embeds", input=["a"]).data[0].embedding
    anthropic = {"model": "plain", "max_tokens": 5, "messages": HELLO}
    assert ask(door, "POST", "/v1/messages", anthropic).json()["type"] == "message"


# --- embeddings


def test_vectors_have_the_length_1_and_are_counted(client: ollama.Client) -> None:
    answer = client.embed("embeds", ["one two", "three"])

    assert answer.model == "embeds"
    assert len(answer.embeddings) == 2
    assert answer.prompt_eval_count == 3
    assert answer.total_duration
    assert answer.load_duration


def test_one_text_is_one_vector_and_none_loads_the_model(client: ollama.Client) -> None:
    assert len(client.embed("embeds", "one").embeddings) == 1
    assert client.embed("embeds", "").embeddings == []
    assert client.embed("embeds", []).embeddings == []
    assert client.embeddings("embeds", "").embedding == []


def test_fewer_dimensions_are_cut_and_made_length_1_again(client: ollama.Client) -> None:
    (vector,) = client.embed("embeds", "xxx", dimensions=2).embeddings

    assert vector == pytest.approx([3 / math.sqrt(10), 1 / math.sqrt(10)])


def test_the_older_form_gives_one_vector_as_it_is(door: House, client: ollama.Client) -> None:
    assert client.embeddings("embeds", "xxx").embedding == [3, 1, 0, 0]
    assert '"embd_normalize":-1' in door.last_request("embeds")["body"]


def test_a_text_that_is_too_long_is_cut_and_it_is_told(door: House) -> None:
    long = " ".join(map(str, range(40)))
    answer = ask(door, "POST", "/api/embed", {"model": "small", "input": ["short", long]})

    assert answer.status == 200
    assert answer.headers["X-Paddock-Truncated"] == "1"
    assert len(answer.json()["embeddings"]) == 2
    assert answer.json()["prompt_eval_count"] == 1 + 16


@pytest.mark.parametrize("truncate", [False, None])
def test_a_text_that_is_too_long_is_refused_on_request(door: House, truncate: Any) -> None:
    long = " ".join(map(str, range(40)))
    asked = {"model": "small", "input": long, "truncate": truncate}
    answer = ask(door, "POST", "/api/embed", asked)

    assert answer.status == (400 if truncate is False else 200)
    if truncate is False:
        assert answer.json() == {"error": "the input length exceeds the context length"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"input": 5}, "invalid input type"),
        ({"input": ["a", 5]}, "invalid input type"),
        ({"input": {"a": 1}}, "invalid input type"),
        ({"input": "a", "dimensions": "3"}, "`dimensions` must be a number above 0"),
        ({"input": "a", "keep_alive": "10"}, 'keep_alive: time: missing unit in duration "10"'),
        ({"input": "a", "model": "plain"}, '"plain" does not support embeddings'),
    ],
)
def test_wrong_fields_are_named(door: House, fields: Any, text: str) -> None:
    answer = ask(door, "POST", "/api/embed", {"model": "embeds", **fields})
    assert (answer.status, answer.json()["error"]) == (400, text)


def test_requests_for_vectors_are_in_the_list_of_requests(
    door: House, client: ollama.Client
) -> None:
    client.embed("embeds", ["one two three"])
    rows = door.get("/api/metrics/activity?model=embeds")["data"]
    assert rows[0]["req_path"] == "/api/embed"


# --- beginning


def test_models_that_the_owner_names_are_loaded_at_the_start(house: House) -> None:
    house.add("early")
    house.start(house.config(ollama={"loadModels": ["early"]}))
    house.until(lambda: house.running() == ["early"], "the model is loaded")


def test_a_port_that_is_taken_closes_only_a_door_that_nobody_asked_for(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = house.config()
        del config["listen"]["ollama"]
        house.start(config, OLLAMA_HOST="")
        assert "ollama" in house.doors()
        house.stop()

        with pytest.raises(AssertionError, match=f"the ollama door cannot open: .*:{port} is in"):
            house.start(config, OLLAMA_HOST=f"127.0.0.1:{port}")


def test_a_key_is_asked_for_here_too(house: House) -> None:
    house.add("plain")
    house.start(house.config(apiKeys=["a-long-key"]))
    assert house.ask("GET", "/api/tags", door="ollama").json() == {"error": "a key is needed"} | {
        "hint": "send `Authorization: Bearer KEY`"
    }
    assert house.ask("GET", "/", door="ollama").status == 200
    with ollama.Client(house.ollama_url, headers={"Authorization": "Bearer a-long-key"}) as client:
        assert client.list().models
