"""What hostile requests, names, templates and answers do at the Ollama door: nothing."""

from __future__ import annotations

import base64
import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import Caller, Child
from tests.fakes.house import Answer, House

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode()
HELLO: Any = [{"role": "user", "content": "fake tokens=1"}]
TOOL: Any = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}
GO = "{{ range .Messages }}{{ .Content }} {{ end }}{{ if .Tools }}tools{{ end }}"
NAN = '{"name":"get","arguments":{"x":NaN,"y":1e999}}'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a plain model, one that embeds, and one that calls tools as it should not."""
    house = House(tmp_path_factory.mktemp("house"))
    house.add("plain", metadata={"tokenizer.chat_template": "{{ tools }}"})
    house.add("embeds", architecture="bert")
    house.add("other", metadata={"general.name": "other"})
    args = f"--fake tokens=1 --fake text={shlex.quote(NAN)}"
    house.start(house.config(maxLoadedModels=4, models={"other": {"args": args}}))
    house.load("plain")
    ask(house, "POST", "/api/create", {"model": "odd", "from": "other", "template": GO})
    yield house
    house.stop()


def ask(house: House, method: str, path: str, body: Any = None) -> Answer:
    return house.ask(method, path, body, door="ollama")


def everything_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*") if not path.is_dir()}


# --- time and memory ------------------------------------------------------------------------------


def chat(**fields: Any) -> tuple[str, Any]:
    return "/api/chat", {"model": "plain", "messages": HELLO, **fields}


def pictures(*images: str, messages: int = 1) -> tuple[str, Any]:
    return chat(messages=[{"role": "user", "content": "x", "images": images}] * messages)


CALLS = [{"function": {"name": "f"}}] * 200_000
RESULTS = [{"role": "tool", "tool_name": "g", "content": ""}] * 4000

HEAVY: dict[str, Callable[[], tuple[str, Any]]] = {
    "a picture that is none": lambda: pictures(PNG[:-4] + "A" * 40_000_000 + "!!!!"),
    "many pictures": lambda: pictures(*[PNG] * 256, messages=500),
    "calls and results": lambda: chat(
        messages=[{"role": "assistant", "tool_calls": CALLS}, *RESULTS]
    ),
    "messages": lambda: chat(messages=HELLO * 200_000),
    "tools": lambda: chat(tools=[TOOL] * 100_000),
    "a wide schema": lambda: chat(format={"properties": {f"p{n}": {} for n in range(100_000)}}),
    "a deep schema": lambda: chat(format=json.loads('{"items":' * 60 + "{}" + "}" * 60)),
    "a pattern": lambda: chat(format={"type": "string", "pattern": "(a|a)*" * 10_000}),
    "stops": lambda: chat(options={"stop": ["a"] * 1_000_000}),
    "a template": lambda: (
        "/api/generate",
        {"model": "plain", "prompt": "x", "template": "{{ range .Messages }}" * 3000},
    ),
    "a template that repeats": lambda: (
        "/api/generate",
        {
            "model": "plain",
            "prompt": "x",
            "template": '{{ $a := "x" }}' + "{{ $a = print $a $a }}" * 99,
        },
    ),
    "tokens": lambda: (
        "/api/generate",
        {"model": "plain", "prompt": "x", "context": [1 << 40] * 1_000_000},
    ),
    "texts": lambda: ("/api/embed", {"model": "embeds", "input": ["a"] * 1_000_000}),
    "licences": lambda: (
        "/api/create",
        {"model": "m", "from": "plain", "license": [str(n) for n in range(100_000)]},
    ),
    "files": lambda: (
        "/api/create",
        {"model": "m", "files": {f"f{n}": f"sha256:{n:064}" for n in range(100_000)}},
    ),
    "said by the model": lambda: (
        "/api/create",
        {"model": "m", "from": "plain", "messages": HELLO * 200_000},
    ),
    "openai's messages": lambda: (
        "/v1/chat/completions",
        {"model": "plain", "messages": HELLO * 200_000},
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_request_is_refused_while_others_are_served(house: House, name: str) -> None:
    child = Child(house, "plain").state()["pid"]
    caller = Caller(house.ollama_url, *HEAVY[name]())
    try:
        began = time.monotonic()
        assert ask(house, "GET", "/api/version").status == 200
        assert time.monotonic() - began < 5  # unbounded, some of these took a minute or an hour
        assert caller.refusal()
        assert caller.answer.status == 400
        assert time.monotonic() - began < 20
    finally:
        caller.close()
    assert Child(house, "plain").state()["pid"] == child


def test_many_options_are_no_work(house: House) -> None:
    path, body = chat(options={f"o{n}": n for n in range(300_000)}, stream=False)

    assert ask(house, "POST", path, body).status == 200


# --- what reaches the engine ----------------------------------------------------------------------


@pytest.mark.parametrize("raw", [False, True])
def test_what_would_harm_the_engine_does_not_reach_it(house: House, raw: bool) -> None:
    harm = {"n_discard": -5, "id_slot": 3, "lora": [{"id": 0}], "grammar_lazy": True, "n_probs": 9}
    body = {"model": "plain", "prompt": "fake tokens=1", "raw": raw, "options": harm, **harm}
    body["options"] = {**harm, "repeat_last_n": 1 << 40}

    assert ask(house, "POST", "/api/generate", body | {"stream": False}).status == 200

    requests = house.engine_state("plain")["requests"]
    path = "/completion" if raw else "/v1/chat/completions"
    sent = json.loads(next(one["body"] for one in reversed(requests) if one["path"] == path))
    assert not harm.keys() & sent.keys()
    assert sent["repeat_last_n"] < 1 << 20


@pytest.mark.parametrize(
    "image", ["http://127.0.0.1:9/x.png", "file:///etc/passwd", "data:image/png;base64,file:///x"]
)
def test_a_picture_is_never_fetched(house: House, image: str) -> None:
    path, body = pictures(image)
    part = {"type": "image_url", "image_url": {"url": image}}
    openai = {"model": "plain", "messages": [{"role": "user", "content": [part]}]}

    assert "is not base64" in ask(house, "POST", path, body).json()["error"]
    if not image.startswith("data:"):
        assert ask(house, "POST", "/v1/chat/completions", openai).status == 400


# --- what the model says --------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_arguments_that_are_no_json_do_not_break_the_line(house: House, stream: bool) -> None:
    body = {"model": "odd", "messages": HELLO, "tools": [TOOL], "stream": stream}
    answer = ask(house, "POST", "/api/chat", body)

    assert answer.status == 200, answer.text
    lines = [json.loads(line, parse_constant=pytest.fail) for line in answer.body.splitlines()]
    calls = [call for line in lines for call in line["message"].get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in calls] == [{}]
    assert lines[-1]["done"] is True


# --- names and paths ------------------------------------------------------------------------------

ODD_NAMES = (
    "../../../etc/passwd",
    "..",
    "a/../../b",
    "/etc/passwd",
    "a/b/c/d/e",
    "C:\\x",
    "x\0y",
    "x\ny",
    "-rf",
    ".hidden",
    "x:..",
    "x:../../y",
    "x" * 300,
    "registry.ollama.ai/../../x",
    "%2e%2e/x",
    "x:y/z",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_name_leads_nowhere(house: House, name: str) -> None:
    before = everything_below(house.folder)
    asked = [
        ("POST", "/api/create", {"model": name, "from": "plain"}),
        ("POST", "/api/copy", {"source": "plain", "destination": name}),
        ("POST", "/api/copy", {"source": name, "destination": "fine"}),
        ("DELETE", "/api/delete", {"model": name, "files": True}),
        ("POST", "/api/show", {"model": name}),
        ("POST", "/api/chat", {"model": name, "messages": HELLO}),
        ("POST", "/api/generate", {"model": name, "prompt": "x"}),
    ]
    for method, path, body in asked:
        answer = ask(house, method, path, body)
        assert answer.status in {400, 404}, (path, answer.text)
        assert next(iter(answer.json())) == "error"
    assert everything_below(house.folder) == before


@pytest.mark.parametrize("field", ["paths", "adapter_paths"])
def test_a_file_elsewhere_is_not_looked_at(house: House, field: str) -> None:
    for path in ("/etc/passwd", "/proc/self/environ", "../x", str(house.models / ".." / "x")):
        body = {"model": "m", "from": "plain", field: {"a.gguf": path}}
        answer = ask(house, "POST", "/api/create", body)

        assert answer.status == 400
        assert "is not in a models folder" in answer.json()["error"]
