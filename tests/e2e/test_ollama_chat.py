"""`/api/chat` and `/api/generate`: through Ollama's own client, and byte by byte."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest
from tests.fakes.house import House
from tests.fakes.wire import wire

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode()
WEBP = base64.b64encode(b"RIFF\0\0\0\0WEBPVP8 ").decode()
TOOL = {
    "type": "function",
    "function": {"name": "get", "description": "", "parameters": {"type": "object"}},
}
THINKS = "{{ enable_thinking }} <think> {{ tools }}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a plain model, one that thinks and calls, one that sees, one that embeds."""
    house = House(tmp_path_factory.mktemp("house"))
    house.add("plain")
    house.add("clever", metadata={"tokenizer.chat_template": THINKS})
    house.add("embeds", architecture="bert")
    house.start(house.config(maxLoadedModels=4, drainTimeout=2))
    house.load("plain", "clever")
    yield house
    house.stop()


@pytest.fixture
def client(house: House) -> Iterator[ollama.Client]:
    with ollama.Client(house.ollama_url) as client:
        yield client


def sent(house: House, model: str, path: str) -> Any:
    """The body of the last request that the engine got on `path`."""
    requests = house.engine_state(model)["requests"]
    return json.loads(next(r["body"] for r in reversed(requests) if r["path"] == path))


def post(house: House, path: str, body: Any) -> tuple[int, list[Any]]:
    """Status and lines of an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with wire(house.ollama_url) as line:
        answer = line.ask("POST", path, "Content-Type: application/json", body=data).answer()
    return answer.status, [json.loads(one) for one in answer.body.splitlines()]


# --- chats ----------------------------------------------------------------------------------------


def test_a_chat_is_answered_whole(house: House, client: ollama.Client) -> None:
    answer = client.chat("plain", [{"role": "user", "content": "fake tokens=3"}])

    assert answer.message.content == "t0 t1 t2 "
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert answer.eval_count == 3
    assert answer.prompt_eval_count
    assert answer.load_duration
    assert answer.total_duration
    assert sent(house, "plain", "/v1/chat/completions")["stream"] is True


def test_a_chat_is_streamed_in_lines_that_all_have_a_role(client: ollama.Client) -> None:
    lines = list(client.chat("plain", [{"role": "user", "content": "fake tokens=3"}], stream=True))

    assert [line.message.content for line in lines] == ["t0 ", "t1 ", "t2 ", ""]
    assert all(line.message.role == "assistant" for line in lines)
    assert [line.done for line in lines] == [False, False, False, True]


def test_the_lines_are_framed_as_ollama_frames_them(house: House) -> None:
    body = {"model": "plain:latest", "messages": [{"role": "user", "content": "fake tokens=2"}]}
    with wire(house.ollama_url) as line:
        answer = line.ask(
            "POST", "/api/chat", "Content-Type: application/json", body=json.dumps(body).encode()
        ).answer()

    assert answer.header("content-type") == "application/x-ndjson"
    assert answer.header("transfer-encoding") == "chunked"
    assert answer.body.endswith(b"\n")
    assert b"\n\n" not in answer.body
    first, _, last = [json.loads(one) for one in answer.body.splitlines()]
    assert first.keys() == {"model", "created_at", "message", "done"}
    assert first["model"] == "plain:latest"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", first["created_at"])
    assert last.keys() == first.keys() | {
        "done_reason", "total_duration", "load_duration", "prompt_eval_count",
        "prompt_eval_duration", "eval_count", "eval_duration",
    }  # fmt: skip
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (1_500_000, 10_000_000)


def test_a_whole_answer_is_one_json_object(house: House) -> None:
    body = {"model": "plain", "messages": [{"role": "user", "content": "x"}], "stream": False}
    with wire(house.ollama_url) as line:
        answer = line.ask(
            "POST", "/api/chat", "Content-Type: application/json", body=json.dumps(body).encode()
        ).answer()

    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.json()["done"] is True


def test_all_sampling_is_told_to_the_engine(house: House, client: ollama.Client) -> None:
    client.chat(
        "plain",
        [{"role": "user", "content": "x"}],
        options={"temperature": 0, "num_predict": 7, "stop": ["END"], "seed": 3, "nonsense": 1},
    )

    body = sent(house, "plain", "/v1/chat/completions")
    assert body | {"temperature": 0, "n_predict": 7, "stop": ["END"], "seed": 3} == body
    assert body | {"top_k": 40, "top_p": 0.9, "min_p": 0, "typical_p": 1, "n_keep": 4} == body
    assert body | {"repeat_penalty": 1, "repeat_last_n": 64, "presence_penalty": 0} == body
    assert body["cache_prompt"] is True
    assert "nonsense" not in body


def test_an_answer_that_is_cut_says_so(client: ollama.Client) -> None:
    answer = client.chat("plain", [{"role": "user", "content": "x"}], options={"num_predict": 2})

    assert (answer.done_reason, answer.eval_count) == ("length", 2)


def test_tools_are_called_with_an_object(house: House, client: ollama.Client) -> None:
    asked: Any = [{"role": "user", "content": "fake tool=get"}]
    answer = client.chat("clever", asked, tools=[TOOL])
    lines = list(client.chat("clever", asked, tools=[TOOL], stream=True))

    calls = answer.message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [("get", {"x": 1})]
    assert answer.done_reason == "stop"
    told = [line for line in lines if line.message.tool_calls]
    assert len(told) == 1
    assert not told[0].done
    assert sent(house, "clever", "/v1/chat/completions")["tools"] == [TOOL]


def test_results_of_tools_reach_the_engine_with_their_calls(house: House) -> None:
    messages = [
        {"role": "user", "content": "fake tokens=1"},
        {"role": "assistant", "content": "",
         "tool_calls": [{"function": {"name": "get", "arguments": {"x": 1}}}]},
        {"role": "tool", "content": "42", "tool_name": "get"},
        {"role": "user", "content": ""},
    ]  # fmt: skip
    status, _ = post(house, "/api/chat", {"model": "clever", "messages": messages})

    asked = sent(house, "clever", "/v1/chat/completions")["messages"]
    assert status == 200
    assert [one["role"] for one in asked] == ["user", "assistant", "tool"]
    call = asked[1]["tool_calls"][0]
    assert call["function"] == {"name": "get", "arguments": '{"x": 1}'}
    assert asked[2]["tool_call_id"] == call["id"]


def test_thoughts_are_told_apart(client: ollama.Client) -> None:
    asked: Any = [{"role": "user", "content": "fake reasoning=2 tokens=1"}]

    thought = client.chat("clever", asked)
    quiet = client.chat("clever", asked, think=False)

    assert (thought.message.thinking, thought.message.content) == ("t2 t1 ", "t0 ")
    assert (quiet.message.thinking, quiet.message.content) == (None, "t0 ")


@pytest.mark.parametrize(
    ("think", "told"),
    [
        (None, {"enable_thinking": True}),
        (True, {"enable_thinking": True}),
        (False, {"enable_thinking": False}),
        ("max", {"enable_thinking": True, "reasoning_effort": "high"}),
    ],
)
def test_how_much_to_think_reaches_the_template(
    house: House, think: Any, told: dict[str, Any]
) -> None:
    asked = {"model": "clever", "messages": [{"role": "user", "content": "x"}], "think": think}
    post(house, "/api/chat", asked)

    assert sent(house, "clever", "/v1/chat/completions")["chat_template_kwargs"] == told


def test_a_format_becomes_a_response_format(house: House, client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    client.chat("plain", [{"role": "user", "content": "x"}], format=schema)
    with_schema = sent(house, "plain", "/v1/chat/completions")["response_format"]
    client.chat("plain", [{"role": "user", "content": "x"}], format="json")

    assert with_schema == {"type": "json_schema", "json_schema": {"schema": schema}}
    assert sent(house, "plain", "/v1/chat/completions")["response_format"] == {
        "type": "json_object"
    }


# --- requests, as the engine gets them ------------------------------------------------------------

GOLDEN = Path(__file__).with_name("ollama_requests.jsonl")
REQUESTS = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
"""What a client asks, and what its engine is asked then. To write that anew after a change that is
meant: `PADDOCK_WRITE_GOLDEN=1 pytest THIS_FILE -n 0 -k golden`, and look at the diff."""


@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_a_request_reaches_the_engine_as_the_golden_one_does(house: House, number: int) -> None:
    known = REQUESTS[number]
    post(house, known["path"], known["asked"])
    asked = house.engine_state(known["asked"]["model"])["requests"]
    last = next(one for one in reversed(asked) if one["path"] in GENERATING)
    told = {"route": last["path"], "told": json.loads(last["body"])}

    if os.environ.get("PADDOCK_WRITE_GOLDEN"):
        REQUESTS[number] = {"path": known["path"], "asked": known["asked"]} | told
        lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in REQUESTS]
        GOLDEN.write_text("".join(lines))
    else:
        assert told == {"route": known["route"], "told": known["told"]}


GENERATING = ("/v1/chat/completions", "/completion", "/infill")


# --- refusals -------------------------------------------------------------------------------------

CHAT = {"messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/api/chat", b"", 400, "missing request body"),
        ("/api/chat", {}, 400, "model is required"),
        ("/api/generate", {}, 404, "model '' not found"),
        ("/api/chat", {"model": "nobody", **CHAT}, 404, "model 'nobody' not found"),
        ("/api/generate", {"model": "nobody"}, 404, "model 'nobody' not found"),
        ("/api/chat", {"model": "embeds", **CHAT}, 400, '"embeds" does not support chat'),
        ("/api/generate", {"model": "embeds", "prompt": "x"}, 400,
         '"embeds" does not support generate'),
        ("/api/chat", {"model": "plain", "think": True, **CHAT}, 400,
         '"plain" does not support thinking'),
        ("/api/chat", {"model": "plain", "tools": [TOOL], **CHAT}, 400,
         "registry.ollama.ai/library/plain:latest does not support tools"),
        ("/api/generate", {"model": "plain", "prompt": "x", "suffix": "y"}, 400,
         "registry.ollama.ai/library/plain:latest does not support insert"),
        ("/api/generate", {"model": "plain", "prompt": "x", "images": [PNG]}, 400,
         "registry.ollama.ai/library/plain:latest does not support vision"),
        ("/api/generate", {"model": "plain", "prompt": "x", "raw": True, "system": "s"}, 400,
         "raw mode does not support template, system, or context"),
        ("/api/chat", {"model": "plain", "options": {"stop": "x"}, **CHAT}, 500,
         'option "stop" must be of type array'),
        ("/api/chat", {"model": "plain", "top_logprobs": 21, **CHAT}, 400,
         "top_logprobs must be between 0 and 20"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_ollamas_words(
    house: House, path: str, body: Any, status: int, text: str
) -> None:
    got, lines = post(house, path, body)

    assert (got, lines[0]["error"]) == (status, text)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": [1]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "images": ["?"]}]}, "messages[0].images[0]"),
        ({"messages": [{"role": "user", "images": [WEBP]}]}, "WebP"),
        ({"stream": "yes"}, "stream"),
        ({"format": "yaml"}, "yaml"),
        ({"think": "hard"}, "hard"),
        ({"keep_alive": "10"}, "10"),
        ({"tools": {}}, "tools"),
        ({"options": []}, "options"),
    ],
)
def test_what_is_wrong_is_named(house: House, change: dict[str, Any], named: str) -> None:
    status, lines = post(house, "/api/chat", {"model": "plain", **CHAT, **change})

    assert status in {400, 500}
    assert named in lines[0]["error"]


# --- prompts --------------------------------------------------------------------------------------


def test_a_prompt_is_answered_and_can_be_gone_on_with(house: House, client: ollama.Client) -> None:
    first = client.generate("plain", "fake tokens=2", system="be brief")
    asked = sent(house, "plain", "/v1/chat/completions")["messages"]
    client.generate("plain", "and then", context=first.context)

    assert first.response == "t0 t1 "
    assert first.context
    assert asked == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "fake tokens=2"},
    ]
    assert sent(house, "plain", "/completion")["prompt"] == [*first.context, "and then"]


def test_a_raw_prompt_reaches_the_model_as_it_is(house: House, client: ollama.Client) -> None:
    lines = list(client.generate("plain", "fake tokens=2", raw=True, stream=True))

    assert [line.response for line in lines] == ["t0 ", "t1 ", ""]
    assert lines[-1].context is None
    assert sent(house, "plain", "/completion")["prompt"] == "fake tokens=2"


def test_only_the_prompt_can_be_asked_for(house: House) -> None:
    body = {"model": "plain", "prompt": "hello", "system": "s", "_debug_render_only": True}
    status, lines = post(house, "/api/generate", body)

    assert (status, lines[0]["_debug_info"]) == (200, {"rendered_template": "s\nhello"})


# --- loading and leaving --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_nothing_said_loads_and_keep_alive_0_lets_go(house: House, path: str) -> None:
    house.add("passing")
    house.until(lambda: "passing" in house.ask("GET", "/v1/models").text, "it is found")

    _, loaded = post(house, path, {"model": "passing"})
    assert "passing" in house.running()
    _, gone = post(house, path, {"model": "passing", "keep_alive": 0})
    house.until(lambda: "passing" not in house.running(), "it is gone")
    _, again = post(house, path, {"model": "passing", "keep_alive": 0})

    assert (loaded[0]["done"], loaded[0]["done_reason"]) == (True, "load")
    assert gone[0]["done_reason"] == again[0]["done_reason"] == "unload"


def test_keep_alive_0_with_a_prompt_unloads_after_the_answer(house: House) -> None:
    house.add("brief")
    house.until(lambda: "brief" in house.ask("GET", "/v1/models").text, "it is found")

    _, lines = post(house, "/api/generate", {"model": "brief", "prompt": "x", "keep_alive": 0})

    assert lines[-1]["done_reason"] == "stop"
    house.until(lambda: "brief" not in house.running(), "it is gone")


# --- what goes wrong in the middle ----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["error_after=2", "rst_after=2", "truncate_after=2",
                                   "half_after=2", "end_after=2"])  # fmt: skip
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_stream_that_breaks_ends_in_an_error_and_never_in_a_last_line(
    house: House, path: str, fault: str
) -> None:
    text = f"fake tokens=5 {fault}"
    body = {"model": "plain", "prompt": text, "messages": [{"role": "user", "content": text}]}

    status, lines = post(house, path, body)

    assert status == 200
    assert len(lines) == 3
    assert lines[-1]["error"]
    assert not any(line.get("done") for line in lines)


@pytest.mark.parametrize("fault", ["error_after=2", "rst_after=2", "end_after=2"])
def test_a_whole_answer_that_breaks_has_its_status(house: House, fault: str) -> None:
    asked = [{"role": "user", "content": f"fake tokens=5 {fault}"}]

    status, lines = post(house, "/api/chat", {"model": "plain", "messages": asked, "stream": False})

    assert status in {500, 502}
    assert lines[0]["error"]


def test_a_client_that_leaves_ends_the_generation(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    asked = [{"role": "user", "content": f"fake tokens=9 gate={gate} gate_at=2"}]
    before = house.engine_state("plain")["aborted"]
    body = json.dumps({"model": "plain", "messages": asked}).encode()
    with wire(house.ollama_url) as line:
        lines = line.ask("POST", "/api/chat", body=body).lines()
        assert json.loads(next(lines))["message"]["content"] == "t0 "

    house.until(lambda: house.engine_state("plain")["aborted"] == before + 1, "it is aborted")


def test_every_byte_of_a_stream_may_come_alone(client: ollama.Client) -> None:
    lines = client.chat(
        "plain", [{"role": "user", "content": "fake tokens=4 bytewise=1"}], stream=True
    )

    assert "".join(line.message.content or "" for line in lines) == "t0 t1 t2 t3 "


# --- what is known of it afterwards ---------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_gets_a_row_with_its_tokens(house: House, stream: bool) -> None:
    asked = [{"role": "user", "content": "fake tokens=4"}]
    post(house, "/api/chat", {"model": "plain", "messages": asked, "stream": stream})

    row = house.get("/api/metrics/activity?limit=1")["data"][0]

    assert (row["model"], row["req_path"], row["resp_status_code"]) == ("plain", "/api/chat", 200)
    assert row["tokens"]["output_tokens"] == 4
    assert row["tokens"]["input_tokens"] == 2


# --- models of others -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, house: House) -> Iterator[House]:
    """A daemon whose models are another one's."""
    near = House(tmp_path_factory.mktemp("near"))
    near.start(near.config(peers={"far": {"proxy": house.url, "models": ["plain", "clever"]}}))
    yield near
    near.stop()


def test_a_peers_model_is_asked_in_openais_dialect(near: House, house: House) -> None:
    with ollama.Client(near.ollama_url) as client:
        asked: Any = [{"role": "user", "content": "fake tokens=3"}]
        chat = client.chat("far/plain", asked, options={"top_p": 0.5, "num_predict": 9})
        lines = list(client.generate("far/plain", "fake tokens=2", stream=True))
        called = client.chat(
            "far/clever", [{"role": "user", "content": "fake tool=get"}], tools=[TOOL]
        )

    body = json.loads(
        [r for r in house.engine_state("plain")["requests"] if "chat" in r["path"]][-2]["body"]
    )
    assert chat.message.content == "t0 t1 t2 "
    assert (chat.eval_count, chat.prompt_eval_count) == (3, 2)
    assert body | {"top_p": 0.5, "max_tokens": 9} == body
    assert "top_k" not in body
    assert [line.response for line in lines] == ["t0 ", "t1 ", ""]
    assert called.message.tool_calls


def test_what_a_peer_cannot_be_asked_is_refused(near: House) -> None:
    status, lines = post(near, "/api/generate", {"model": "far/plain", "prompt": "x", "raw": True})

    assert status == 400
    assert "peer" in lines[0]["error"]


def test_a_peers_model_counts_as_loaded(near: House) -> None:
    loaded = post(near, "/api/generate", {"model": "far/plain"})
    gone = post(near, "/api/generate", {"model": "far/plain", "keep_alive": 0})

    assert (loaded[1][0]["done_reason"], gone[1][0]["done_reason"]) == ("load", "unload")
