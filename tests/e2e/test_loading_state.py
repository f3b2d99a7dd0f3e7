"""What clients that stream see while they wait for their model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.fakes.caller import DIALECTS, Caller, Crowd, events, load_of
from tests.fakes.house import House

TEXT = "t0 t1 t2 t3 t4 t5 t6 t7 "
HELLO: Any = [{"role": "user", "content": "hello"}]
PATHS = sorted(DIALECTS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that shows how models load, and models that load in several ways."""
    house = House(tmp_path_factory.mktemp("home"))
    ways = {
        "stepwise": {"args": "--fake load=0.9 --fake steps=3"},
        "gated": {"args": f"--fake load_gate={house.folder / 'gate'}"},
        "sick": {"args": f"--fake load_gate={house.folder / 'death'} --fake die=oom"},
        "single": {"parallel": 1, "pinned": True},
        "silent": {"args": "--fake load=0.2", "sendLoadingState": False},
        "ready": {"pinned": True},  # nobody who needs memory sends them away
    }
    for name in ways:
        house.add(name)
    command = house.command("--fake", "load=0.3")
    ways['a "b"\n/ü'] = {"cmd": command.replace("${MODEL_ID}", "x"), "aliases": ["odd"]}
    house.start(house.config(sendLoadingState=True, maxLoadedModels=20, defaultTtl=0, models=ways))
    house.load("ready", "single")
    yield house
    house.stop()


@pytest.fixture
def gate(home: House) -> Iterator[Path]:
    """Let `gated` load by touching it. Nothing of it is loaded before."""
    path = home.folder / "gate"
    path.unlink(missing_ok=True)
    home.ask("POST", "/api/models/unload/gated")
    yield path
    path.touch()


@pytest.fixture
def sick(home: House) -> str:
    """A model that is loading, and runs out of memory when `death` is touched."""
    (home.folder / "death").unlink(missing_ok=True)
    home.until(lambda: "sick" not in home.running(), "it has died")
    home.ask("POST", "/models/load", {"model": "sick"})  # whatever happened before
    return "sick"


def unloaded(home: House, model: str) -> str:
    home.ask("POST", f"/api/models/unload/{model}")
    return model


def thoughts(body: bytes | bytearray) -> str:
    """All reasoning of a chat stream."""
    chunks = [json.loads(data) for _, data in events(body) if data != "[DONE]"]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("reasoning_content") or "" for delta in deltas)


def pings(body: bytes | bytearray) -> list[Any]:
    """What the pings of a messages stream carry."""
    return [json.loads(data)["paddock"] for name, data in events(body) if name == "ping"]


def comments(body: bytes | bytearray) -> list[str]:
    return re.findall(r"^: (.*)$", bytes(body).decode(), re.MULTILINE)


def shown(caller: Caller, dialect: str) -> str:
    """All that the client was told besides its answer."""
    told = comments(caller.body)
    if dialect == "chat":
        told.append(thoughts(caller.body))
    if dialect.startswith("ollama"):
        lines = [json.loads(line) for line in caller.body.splitlines()]
        told += [
            thinking
            for line in lines
            if (thinking := line.get("thinking") or line.get("message", {}).get("thinking"))
        ]
    if dialect == "messages":
        told += map(str, pings(caller.body))
    return "\n".join(told)


# --- chat completions -----------------------------------------------------------------------------


def test_a_chat_begins_with_a_line_that_names_the_model_and_ends_with_the_seconds(
    home: House, crowd: Crowd
) -> None:
    caller = crowd.ask(unloaded(home, "stepwise")).finish()
    lines = thoughts(caller.body).splitlines()

    assert lines[0].startswith("loading stepwise")
    assert any(re.fullmatch(r"(loading stepwise )?\d+ %", line) for line in lines), lines
    assert re.fullmatch(r"stepwise is ready after \d+(\.\d)?s", lines[-2])
    assert lines[-1] == ""


def test_percent_only_rises(home: House, crowd: Crowd) -> None:
    caller = crowd.ask(unloaded(home, "stepwise")).finish()
    percents = [int(number) for number in re.findall(r"(\d+) %", thoughts(caller.body))]

    assert percents == sorted(set(percents))
    assert percents[-1] <= 100


def test_chunks_before_the_answer_are_whole_chunks(home: House, crowd: Crowd) -> None:
    caller = crowd.ask(unloaded(home, "stepwise")).finish()
    told = [json.loads(data) for _, data in events(caller.body) if "reasoning_content" in data]

    assert len({chunk["id"] for chunk in told}) == 1
    for chunk in told:
        assert chunk["object"] == "chat.completion.chunk"
        assert isinstance(chunk["created"], int)
        assert chunk["model"] == "stepwise"
        (choice,) = chunk["choices"]
        assert set(choice) == {"index", "delta", "finish_reason"}
        assert set(choice["delta"]) == {"reasoning_content"}
        assert choice["finish_reason"] is None


def test_the_first_line_comes_at_once(home: House, crowd: Crowd, gate: Path) -> None:
    caller = crowd.ask("gated").until("loading gated")

    assert not gate.exists()
    gate.touch()
    caller.finish()
    assert b"gated is ready after" in caller.body


def test_a_model_with_a_free_slot_shows_nothing(home: House, crowd: Crowd) -> None:
    caller = crowd.ask("ready").finish()

    assert shown(caller, "chat").strip() == ""
    assert caller.answer.headers["Server-Timing"]


def test_who_waits_for_a_slot_learns_position_and_reason(
    home: House, crowd: Crowd, tmp_path: Path
) -> None:
    busy = crowd.ask("single", f"gate={tmp_path / 'go'}").until("t0 ")
    first = crowd.ask("single").until("waiting for single")
    second = crowd.ask("single").until("waiting for single")
    second.until("position 2: ")
    (tmp_path / "go").touch()

    assert "position 1: all 1 slots are in use" in thoughts(first.finish().body)
    assert "single is ready after" in thoughts(second.finish().body)
    assert b"[DONE]" in busy.finish().body


def test_an_odd_name_stays_one_json_text(home: House, crowd: Crowd) -> None:
    caller = crowd.ask(unloaded(home, "odd")).finish()

    assert thoughts(caller.body).startswith('loading a "b"\n/ü')


# --- every dialect --------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", PATHS)
def test_a_load_is_shown_and_the_answer_is_whole(
    home: House, crowd: Crowd, gate: Path, dialect: str
) -> None:
    caller = crowd.ask("gated", dialect=dialect).until("gated")
    gate.touch()
    caller.finish()

    assert caller.whole
    assert DIALECTS[dialect].ending in caller.body
    assert caller.answer.headers["Content-Type"].startswith(DIALECTS[dialect].content_type)
    assert "loading" in shown(caller, dialect)
    assert "ready" in shown(caller, dialect)


@pytest.mark.parametrize("dialect", PATHS)
def test_a_load_that_fails_is_told_in_the_open_stream(
    home: House, crowd: Crowd, sick: str, dialect: str
) -> None:
    caller = crowd.ask(sick, dialect=dialect).until("loading")
    (home.folder / "death").touch()

    assert "memory" in DIALECTS[dialect].error(caller.finish().body)["message"]


@pytest.mark.parametrize("dialect", PATHS)
def test_without_it_nothing_is_said_at_first(home: House, crowd: Crowd, dialect: str) -> None:
    caller = crowd.ask(unloaded(home, "silent"), dialect=dialect).finish()

    assert shown(caller, dialect).strip() == ""
    assert DIALECTS[dialect].ending in caller.body


@pytest.mark.parametrize("dialect", PATHS)
def test_a_client_that_does_not_stream_sees_nothing_of_it(
    home: House, crowd: Crowd, dialect: str
) -> None:
    caller = crowd.ask(unloaded(home, "odd"), dialect=dialect, stream=False)

    assert isinstance(caller.json(), dict)
    assert b"is ready after" not in caller.body


def test_comments_of_an_odd_name_are_one_line_each(home: House, crowd: Crowd) -> None:
    caller = crowd.ask(unloaded(home, "odd"), dialect="completions").finish()

    assert 'loading a "b" /ü' in comments(caller.body)[0]
    lines = [line for line in caller.body.decode().splitlines() if line]
    assert all(line.startswith(("data: ", ": ")) for line in lines)


def test_pings_carry_the_state(home: House, crowd: Crowd) -> None:
    caller = crowd.ask(unloaded(home, "stepwise"), dialect="messages").finish()
    told = pings(caller.body)

    assert told[0]["model"] == "stepwise"
    assert told[0]["state"] == "loading"
    assert told[0]["position"] == 1
    assert any(one.get("progress") for one in told), told
    assert told[-1]["state"] == "ready"
    assert told[-1]["seconds"] > 0


def test_an_unknown_model_is_answered_with_its_status(home: House, crowd: Crowd) -> None:
    assert crowd.ask("nothing").answer.status == 404


def test_a_client_that_leaves_while_it_is_told_leaves_the_queue(
    home: House, crowd: Crowd, gate: Path
) -> None:
    caller = crowd.ask("gated").until("loading gated")
    caller.close()

    home.until(lambda: load_of(home).queued == 0, "the queue is empty")


def test_a_stream_gives_a_sign_of_life_while_nothing_changes(
    home: House, crowd: Crowd, gate: Path
) -> None:
    caller = crowd.ask("gated").until("data: ").until(": loading gated\n\n")
    gate.touch()

    assert b"[DONE]" in caller.finish().body


# --- the clients people have ----------------------------------------------------------------------


def test_openai_reads_the_stream(home: House) -> None:
    model = unloaded(home, "stepwise")
    with (
        openai.OpenAI(base_url=f"{home.url}/v1", api_key="-", max_retries=0) as client,
        client.chat.completions.create(model=model, messages=HELLO, stream=True) as stream,
    ):
        chunks = list(stream)

    said = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in said) == TEXT
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in said)
    assert reasoning.startswith("loading stepwise")


def test_openai_accumulates_the_stream(home: House) -> None:
    model = unloaded(home, "stepwise")
    with (
        openai.OpenAI(base_url=f"{home.url}/v1", api_key="-", max_retries=0) as client,
        client.chat.completions.stream(model=model, messages=HELLO) as stream,
    ):
        answer = stream.get_final_completion()

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"


def test_openai_reads_responses(home: House) -> None:
    model = unloaded(home, "stepwise")
    with (
        openai.OpenAI(base_url=f"{home.url}/v1", api_key="-", max_retries=0) as client,
        client.responses.create(model=model, input="hello", stream=True) as stream,
    ):
        said = [event.delta for event in stream if event.type == "response.output_text.delta"]

    assert "".join(said) == TEXT


def test_openai_raises_what_failed_in_the_open_stream(home: House, sick: str) -> None:
    with (
        openai.OpenAI(base_url=f"{home.url}/v1", api_key="-", max_retries=0) as client,
        client.chat.completions.create(model=sick, messages=HELLO, stream=True) as stream,
    ):
        (home.folder / "death").touch()
        with pytest.raises(openai.APIError, match="memory"):
            list(stream)


def test_anthropic_reads_the_stream(home: House) -> None:
    model = unloaded(home, "stepwise")
    with (
        anthropic.Anthropic(base_url=home.url, api_key="-", max_retries=0) as client,
        client.messages.stream(model=model, max_tokens=99, messages=HELLO) as stream,
    ):
        answer = stream.get_final_message()

    assert [block.text for block in answer.content if block.type == "text"] == [TEXT]
    assert answer.stop_reason == "end_turn"


def test_anthropic_raises_what_failed_in_the_open_stream(home: House, sick: str) -> None:
    with (
        anthropic.Anthropic(base_url=home.url, api_key="-", max_retries=0) as client,
        client.messages.create(model=sick, max_tokens=9, messages=HELLO, stream=True) as stream,
    ):
        (home.folder / "death").touch()
        with pytest.raises(anthropic.APIError, match="memory"):
            list(stream)
