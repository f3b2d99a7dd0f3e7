"""A context asked for by name or header, at a door whose API has no field for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.house import House

HELLO = [{"role": "user", "content": "hello"}]
MIB = 1 << 20


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a model trained for 4096 tokens that is loaded with 1024."""
    house = House(tmp_path_factory.mktemp("roomy"))
    house.add("llama-a")
    house.add("llama-b")
    house.start(
        house.config(
            contextLength=1024,
            parallel=2,
            engines={
                "fake": {
                    "llamaServer": str(house.engine),
                    "env": {"FAKE_MEMORY": "CPU_Mapped:0.5,Vulkan0:63"},
                }
            },
            selectors={"any": {"strategy": "pin", "targets": ["llama-a"]}},
            models={"cmd": {"cmd": house.command()}, "llama-b": {"args": "-c 600"}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def home(roomy: House) -> House:
    """With nothing loaded."""
    roomy.ask("POST", "/api/models/unload")
    return roomy


def chat(house: House, model: str, **headers: str) -> int:
    body = {"model": model, "messages": HELLO}
    return house.ask("POST", "/v1/chat/completions", body, headers).status


def flag(house: House, name: str) -> str:
    argv = house.engine_state("llama-a")["argv"]
    return str(argv[argv.index(name) + 1])


def instance(house: House) -> Any:
    (one,) = house.get("/api/paddock/instances")["instances"]
    return one


@pytest.mark.parametrize(
    ("name", "headers", "context"),
    [
        ("llama-a", {}, 1024),
        ("llama-a@2k", {}, 2048),
        ("llama-a@2K", {}, 2048),
        ("LLAMA-A:latest@1536", {}, 1536),
        ("any@2k", {}, 2048),
        ("llama-a", {"X-Paddock-Context": "3k"}, 3072),
        ("llama-a", {"x-paddock-context": " 300 "}, 300),
        ("llama-a@2k", {"X-Paddock-Context": "3k"}, 3072),
        ("llama-a@128k", {}, 4096),
    ],
)
def test_a_name_or_a_header_says_the_context(home, name, headers, context):
    assert chat(home, name, **headers) == 200
    assert flag(home, "--ctx-size") == str(2 * context)
    assert instance(home)["context"] == context


def test_less_than_what_runs_and_nothing_said_change_nothing(home):
    assert chat(home, "llama-a@2k") == 200
    first = instance(home)["instance"]
    for name in ("llama-a", "llama-a@1k", "llama-a@2048"):
        assert chat(home, name) == 200
    assert instance(home)["instance"] == first
    assert chat(home, "llama-a@2049") == 200
    assert instance(home)["instance"] != first


@pytest.mark.parametrize("said", ["lots", "-5", "", "0", "32k tokens", "1e9", "99999999999", "k"])
def test_a_header_that_says_nothing_clear_is_refused_by_name(home, said):
    answer = home.ask(
        "POST",
        "/v1/chat/completions",
        {"model": "llama-a", "messages": HELLO},
        {"X-Paddock-Context": said},
    )
    assert (answer.status, answer.json()["error"]["param"]) == (400, "X-Paddock-Context")
    assert home.running() == []


def test_an_absurd_context_is_refused_before_anything_starts(home):
    answer = home.ask(
        "POST", "/v1/chat/completions", {"model": "llama-a@999999999", "messages": HELLO}
    )
    assert answer.status == 400
    assert "num_ctx" in answer.json()["error"]["message"]
    assert home.running() == []


@pytest.mark.parametrize("name", ["nobody@2k", "llama-a@", "llama-a@two", "@2k", "llama-a@2k@2k"])
def test_a_name_that_leads_nowhere_leads_nowhere_with_a_context_either(home, name):
    assert chat(home, name) == 404


def test_a_command_is_what_it_is(home):
    assert chat(home, "cmd@2k") == 200
    assert chat(home, "cmd") == 200


def test_the_owner_sees_memory_context_and_time_of_what_runs(home):
    home.load("llama-a")
    one = instance(home)
    assert one["memory"] == {"CPU": 3 * MIB // 2, "Vulkan0": 64 * MIB}
    assert (one["context"], one["keep_alive"], one["ttl"]) == (1024, 300, 300)


def test_a_context_of_the_owners_own_flags_is_everybodys(home):
    assert chat(home, "llama-b") == 200
    first = instance(home)
    assert (first["context"], chat(home, "llama-b@2k")) == (300, 200)
    assert instance(home)["instance"] == first["instance"]
