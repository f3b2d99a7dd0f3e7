"""llama-swap's `sendLoadingState`: for whom, in which dialect, and when not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.caller import DIALECTS, Caller, Crowd, events
from tests.fakes.house import House

STREAMS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"prompt": "x"},
    "/v1/responses": {"input": "x"},
    "/v1/messages": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
    "/v/messages": {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9},
    "/v/responses": {"input": "x"},
    "/completion": {"prompt": "x"},
    "/infill": {"input_prefix": "x", "input_suffix": "y"},
}
CHATS = [path for path in STREAMS if "chat" in path]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon that shows nothing by itself, and loaded models of one slot each."""
    house = House(tmp_path_factory.mktemp("home"))
    for name in ("shown", "silent", "plain"):
        house.add(name)
    one = {"parallel": 1}
    house.start(
        house.config(
            maxLoadedModels=4,
            defaultTtl=0,
            models={
                "shown": {**one, "sendLoadingState": True, "aliases": ["an alias"]},
                "silent": {**one, "sendLoadingState": False},
                "plain": one,
                "no-queue": {
                    "cmd": house.command(),
                    "sendLoadingState": True,
                    "concurrencyLimit": 1,
                    "queueLimit": 0,
                },
            },
        )
    )
    house.load("shown", "silent", "plain", "no-queue")
    yield house
    house.stop()


def wait_behind(
    home: House, crowd: Crowd, gate: Path, path: str, model: str, *, until: str = "", **fields: Any
) -> Caller:
    """The answer to a request that had to wait for a slot of `model` until `until` was told."""
    occupied = model if model != "an alias" else "shown"
    busy = crowd.ask(occupied, f"gate={gate}").until("t0 ")
    body = {**STREAMS[path], "model": model, "stream": True, **fields}
    caller = crowd.came(Caller(home.url, path, body))
    home.until(lambda: home.get("/api/queue")["waiting"], "it waits")
    if until:
        caller.until(until)
    gate.touch()
    busy.finish()
    return caller.finish()


@pytest.mark.parametrize("path", STREAMS)
def test_who_waits_for_a_slot_is_shown_why(
    home: House, crowd: Crowd, tmp_path: Path, path: str
) -> None:
    caller = wait_behind(home, crowd, tmp_path / "go", path, "shown", until="slots are in use")

    assert caller.answer.status == 200
    assert caller.answer.headers["Content-Type"].startswith("text/event-stream")
    assert caller.whole
    assert b"t7" in caller.body


@pytest.mark.parametrize("model", ["silent", "plain"])
@pytest.mark.parametrize("path", STREAMS)
def test_who_is_shown_nothing_sees_only_the_answer(
    home: House, crowd: Crowd, tmp_path: Path, path: str, model: str
) -> None:
    caller = wait_behind(home, crowd, tmp_path / "go", path, model)

    assert b"slots are in use" not in caller.body
    assert b"is ready after" not in caller.body
    assert caller.answer.headers["Server-Timing"]
    assert b"t7" in caller.body


@pytest.mark.parametrize("stream", [False, None, "true", 1])
@pytest.mark.parametrize("path", [*CHATS[:1], "/v1/completions"])
def test_only_a_stream_is_shown_it(
    home: House, crowd: Crowd, tmp_path: Path, path: str, stream: Any
) -> None:
    caller = wait_behind(home, crowd, tmp_path / "go", path, "shown", stream=stream)

    assert b"slots are in use" not in caller.body


@pytest.mark.parametrize("path", STREAMS)
def test_who_need_not_wait_is_shown_nothing(home: House, crowd: Crowd, path: str) -> None:
    body = {**STREAMS[path], "model": "shown", "stream": True}
    caller = crowd.came(Caller(home.url, path, body)).finish()

    assert b"shown is" not in caller.body
    assert b"event: ping" not in caller.body
    assert not caller.body.startswith(b":")


@pytest.mark.parametrize("path", CHATS)
def test_a_chat_is_shown_lines_of_reasoning(
    home: House, crowd: Crowd, tmp_path: Path, path: str
) -> None:
    caller = wait_behind(home, crowd, tmp_path / "go", path, "shown", until="slots are in use")
    chunks = [json.loads(data) for _, data in events(caller.body) if data != "[DONE]"]
    told = [c["choices"][0]["delta"] for c in chunks if c["model"] == "shown" and c["choices"]]
    lines = [delta["reasoning_content"] for delta in told if "reasoning_content" in delta]

    assert lines[0].startswith("waiting for shown, position 1: ")
    assert all(line.endswith("\n") for line in lines)
    assert lines[-1].startswith("shown is ready after ")
    assert not any("content" in delta and delta["content"] for delta in told[: len(lines)])


@pytest.mark.parametrize("path", CHATS)
def test_an_alias_is_shown_the_models_own_name(
    home: House, crowd: Crowd, tmp_path: Path, path: str
) -> None:
    caller = wait_behind(home, crowd, tmp_path / "go", path, "an alias", until="waiting for shown")

    assert b"t7" in caller.body


@pytest.mark.parametrize("path", STREAMS)
def test_what_cannot_wait_is_refused_before_a_stream_is_opened(
    home: House, crowd: Crowd, tmp_path: Path, path: str
) -> None:
    busy = crowd.ask("no-queue", f"gate={tmp_path / 'go'}").until("t0 ")
    body = {**STREAMS[path], "model": "no-queue", "stream": True}
    caller = crowd.came(Caller(home.url, path, body))
    status, told = caller.answer.status, caller.json()
    (tmp_path / "go").touch()

    assert status == 429
    assert told["error"]["message"]
    assert DIALECTS["chat"].ending in busy.finish().body


@pytest.mark.parametrize("path", STREAMS)
def test_an_error_of_the_engine_after_the_wait_is_an_error_event(
    home: House, crowd: Crowd, tmp_path: Path, path: str
) -> None:
    caller = wait_behind(
        home, crowd, tmp_path / "go", path, "shown", until="slots are in use", fake={"status": 500}
    )
    last = events(caller.body)[-1]

    assert caller.answer.status == 200
    assert json.loads(last[1])["error"]["message"] == "fake status"
    assert b"[DONE]" not in caller.body
