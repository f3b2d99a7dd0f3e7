"""Which instance serves a request of Ollama's clients, how it is loaded, and how long it stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ollama
import pytest
from tests.fakes.house import House
from tests.fakes.ollama_store import OllamaStore

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a file of the folder that is in the store too, under another name."""
    house = House(tmp_path_factory.mktemp("running"))
    store = OllamaStore(house.state / "ollama")
    file = house.add("llama-a")
    store.add("stored:1b", file)
    store.add("wide:1b", file, params={"num_ctx": 3000})
    (blob,) = (b for b in (store.root / "blobs").iterdir() if b.stat().st_size > 5000)
    blob.unlink()
    os.link(file, blob)
    house.add("llama-b")
    house.start(house.config(contextLength=1024, parallel=2, defaultTtl=100))
    yield house
    house.stop()


@pytest.fixture
def house(running: House) -> House:
    """With nothing loaded."""
    running.ask("POST", "/api/models/unload")
    return running


@pytest.fixture
def client(house: House) -> Iterator[ollama.Client]:
    with ollama.Client(house.ollama_url) as client:
        yield client


def instance(house: House) -> Any:
    (one,) = house.get("/api/paddock/instances")["instances"]
    return one


def flags(house: House, model: str = "llama-a") -> list[str]:
    return list(house.engine_state(model)["argv"])


def value(house: House, flag: str) -> str:
    argv = flags(house)
    return argv[argv.index(flag) + 1]


# --- how it is loaded ---


def test_clients_that_alternate_contexts_cause_one_reload(
    house: House, client: ollama.Client
) -> None:
    seen = []
    for tokens in (2048, 4096) * 3:
        client.chat("llama-a", HELLO, options={"num_ctx": tokens})
        seen.append(instance(house)["instance"])
    client.chat("llama-a", HELLO)
    house.chat("llama-a")
    seen.append(instance(house)["instance"])
    assert len(set(seen)) == 2
    assert len(set(seen[1:])) == 1
    assert value(house, "--ctx-size") == "8192"
    assert client.ps().models[0].context_length == 4096


def test_options_become_flags(house: House, client: ollama.Client) -> None:
    options = {"num_gpu": 0, "num_batch": 64, "num_thread": 2, "use_mmap": False, "main_gpu": 0}
    client.generate("llama-a", "hello", options=options)
    assert value(house, "--gpu-layers") == "0"
    assert value(house, "--batch-size") == value(house, "--ubatch-size") == "64"
    assert value(house, "--threads") == "2"
    assert value(house, "--load-mode") == "none"
    assert value(house, "--main-gpu") == "0"
    first = instance(house)["instance"]
    client.generate("llama-a", "hello", options={"num_batch": 64, "num_gpu": -1})
    assert instance(house)["instance"] == first


def test_a_parameter_of_the_model_says_its_context(house: House, client: ollama.Client) -> None:
    client.chat("wide:1b", HELLO)
    assert instance(house)["context"] == 3000
    client.chat("wide:1b", HELLO, options={"num_ctx": 3500})
    assert instance(house)["context"] == 3500


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_ctx": 2**31}, "num_ctx"),
        ({"num_batch": 2**40}, "num_batch"),
        ({"num_thread": 10**6}, "num_thread"),
        ({"main_gpu": 1000}, "main_gpu"),
    ],
)
def test_absurd_options_are_refused_before_anything_starts(
    house: House, client: ollama.Client, options: dict[str, int], named: str
) -> None:
    with pytest.raises(ollama.ResponseError, match=named) as refused:
        client.chat("llama-a", HELLO, options=options)
    assert refused.value.status_code == 400
    assert house.running() == []


def test_a_name_may_say_the_context_here_too(house: House, client: ollama.Client) -> None:
    client.chat("stored:1b@2k", HELLO)
    assert instance(house)["context"] == 2048
    client.generate("llama-a:latest@3k", "hello")
    assert instance(house)["context"] == 3072


def test_loading_by_an_empty_prompt_goes_by_the_name_too(
    house: House, client: ollama.Client
) -> None:
    client.generate("llama-a@2k")
    assert instance(house)["context"] == 2048


# --- how long it stays ---


def test_keep_alive_sticks_whatever_its_form(house: House, client: ollama.Client) -> None:
    for said, seconds in (("10m", 600), (45, 45), (None, 45), (-1, -1), (None, -1), ("1h", 3600)):
        client.chat("llama-a", HELLO, keep_alive=said)
        assert instance(house)["keep_alive"] == seconds
    house.chat("llama-a")
    assert instance(house)["keep_alive"] == 3600


def test_what_ollamas_clients_load_stays_as_long_as_with_ollama(
    house: House, client: ollama.Client
) -> None:
    client.chat("llama-a", HELLO)
    assert instance(house)["keep_alive"] == 300


def test_what_others_load_stays_as_the_owner_says(house: House, client: ollama.Client) -> None:
    house.chat("llama-a")
    client.chat("llama-a", HELLO)
    assert instance(house)["keep_alive"] == 100


def test_a_model_leaves_when_its_time_is_over(house: House, client: ollama.Client) -> None:
    client.chat("llama-a", HELLO, keep_alive="10ms")
    house.until(lambda: house.running() == [], "it has left")


@pytest.mark.parametrize("said", ["10", "-1", "soon", True, [1]])
def test_a_wrong_keep_alive_is_refused_by_name(house: House, said: Any) -> None:
    body = {"model": "llama-a", "messages": HELLO, "keep_alive": said}
    answer = house.ask("POST", "/api/chat", body, door="ollama")
    assert answer.status == 400
    assert "keep_alive" in answer.json()["error"]
    assert house.running() == []


# --- one file, two names, two doors ---


def test_a_model_of_two_names_runs_once_and_is_told_of_under_both(
    house: House, client: ollama.Client
) -> None:
    client.chat("stored:1b", HELLO)
    assert house.chat("llama-a").status == 200
    assert house.running() == ["llama-a"]
    told = {one["id"]: one["state"] for one in house.get("/api/paddock/library")["models"]}
    assert (told["llama-a"], told["stored:1b"], told["llama-b"]) == (
        "loaded",
        "loaded",
        "unloaded",
    )
    listed = {one["id"]: one["status"]["value"] for one in house.get("/v1/models")["data"]}
    assert listed["stored:1b"] == listed["llama-a"] == "loaded"
    assert house.engine_state("stored:1b")["pid"] == house.engine_state("llama-a")["pid"]


def test_a_model_of_two_names_that_are_asked_for_at_once_runs_once(house: House) -> None:
    names, doors = ("stored:1b", "llama-a", "STORED:1B", "llama-a:latest"), ("ollama", "openai")
    asked = [(name, door) for name in names for door in doors]

    def ask(name: str, door: str) -> int:
        body = {"model": name, "messages": HELLO, "stream": False}
        path = "/api/chat" if door == "ollama" else "/v1/chat/completions"
        return house.ask("POST", path, body, door=door).status

    with ThreadPoolExecutor(len(asked)) as threads:
        statuses = set(threads.map(lambda one: ask(*one), asked))

    assert statuses == {200}
    assert house.running() == ["llama-a"]
    assert house.engine_state("llama-a")["seen"] >= len(asked)


def test_what_runs_is_told_under_the_name_it_was_asked_for_last(
    house: House, client: ollama.Client
) -> None:
    def told() -> list[str | None]:
        return [one.model for one in client.ps().models]

    client.chat("stored:1b", HELLO)
    assert told() == ["stored:1b"]
    client.generate("llama-a")
    assert told() == ["llama-a:latest"]
    client.copy("stored:1b", "another:1b")
    client.generate("another:1b", "hello")
    assert told() == ["another:1b"]
    client.delete("another:1b")
    assert told() == ["llama-a:latest"]
    assert house.running() == ["llama-a"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_ctx": -1}, "num_ctx"),
        ({"num_batch": -512}, "num_batch"),
        ({"num_thread": -2}, "num_thread"),
    ],
)
def test_less_than_nothing_is_refused(
    house: House, client: ollama.Client, options: dict[str, int], named: str
) -> None:
    with pytest.raises(ollama.ResponseError, match=f"{named} is -") as refused:
        client.generate("llama-a", "hello", options=options)
    assert refused.value.status_code == 400
    assert house.running() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/models/unload/stored:1b", None),
        ("POST", "/models/unload", {"model": "stored:1b"}),
        ("POST", "/api/generate", {"model": "stored:1b", "keep_alive": 0}),
    ],
)
def test_either_name_unloads_it(house: House, method: str, path: str, body: Any) -> None:
    house.load("stored:1b")
    assert house.running() == ["llama-a"]
    assert house.ask(method, path, body).status == 200
    house.until(lambda: house.running() == [], "it has left")
