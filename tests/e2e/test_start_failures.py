"""A model that cannot start says why, at once, to all who wait for it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.fakes.caller import DIALECTS, Caller, Crowd, Load, load_of, seconds_until
from tests.fakes.house import House

DEATHS = {
    "oom": (503, "out_of_memory", "failed to allocate buffer"),
    "vulkan": (503, "out_of_memory", "memory"),
    "cuda": (503, "out_of_memory", "memory"),
    "arch": (500, "unsupported_architecture", "mamba9"),
    "corrupt": (500, "file_corrupt", "not within the file bounds"),
    "missing": (503, "file_missing", "/gone.gguf"),
    "bind": (503, "port_taken", "port"),
    "abort": (503, "signal", "SIGABRT"),
    "exit": (503, "exited", "exit code 1"),
    "signal": (503, "signal", "SIGSEGV"),
    "never": (503, "timeout", "not ready after 3 s"),
}
"""What the engine does: the status, the code and a part of the message that clients get."""


def faulty(house: House, fault: str) -> None:
    """Let the engine's program have this fault for as long as `house.folder / "fault"` exists."""
    run = house.engine.read_text().splitlines()[-1]
    broken = house.folder / "fault"
    broken.touch()
    house.engine.write_text(f'#!/bin/sh\n[ -e "{broken}" ] && export FAKE_{fault}\n{run}\n')


def starts(house: House, model: str) -> int:
    return house.said.count(f"starting {model}")


def four_ask(crowd: Crowd, name: str) -> list[Caller]:
    return [
        crowd.ask(name, dialect=dialect, stream=stream)
        for dialect in ("chat", "messages")
        for stream in (True, False)
    ]


def check_told(name: str, callers: list[Caller]) -> None:
    status, code, words = DEATHS[name]
    for number, caller in enumerate(callers):
        if caller.answer.status == 200:  # a slow machine: the stream was kept alive already
            dialect = DIALECTS["chat" if number < 2 else "messages"]
            assert words in dialect.error(caller.finish().body)["message"]
            continue
        error = caller.json()["error"]
        assert caller.answer.status == status, (name, error)
        assert words in error["message"]
        if number < 2:
            assert error["code"] == code
            assert error["hint"]
            assert any("starts " not in line for line in error["output"]), (name, error)
            assert len(error["output"]) <= 50
        assert ("Retry-After" in caller.answer.headers) == (status == 503)


def test_all_who_wait_get_the_reason_at_once(house: House, crowd: Crowd) -> None:
    gate = house.folder / "gate"
    for name in DEATHS:
        house.add(name)
    models: dict[str, Any] = {
        name: {"args": f"--fake load_gate={gate} --fake die={name}"} for name in DEATHS
    }
    models["never"] = {"args": "--fake never_ready=1", "healthCheckTimeout": 3}
    house.start(house.config(maxLoadedModels=len(DEATHS), models=models))
    asked = {name: four_ask(crowd, name) for name in DEATHS if name != "never"}
    seconds_until(lambda: load_of(house).queued == 4 * len(asked))
    gate.touch()

    for name, callers in asked.items():
        check_told(name, callers)
    check_told("never", four_ask(crowd, "never"))
    assert load_of(house) == Load(0, 0)
    # Memory may come back, and the plan may have been wrong: that is tried once more.
    assert all(
        starts(house, name) == (2 if DEATHS[name][1] == "out_of_memory" else 1) for name in DEATHS
    )


def test_a_stream_that_was_kept_alive_ends_in_the_reason(house: House, crowd: Crowd) -> None:
    gate = house.folder / "gate"
    house.add("llama-a")
    args = f"--fake load_gate={gate} --fake die=oom"
    house.start(house.config(models={"llama-a": {"args": args}}))
    events = (name for name in DIALECTS if not name.startswith("ollama"))  # lines have no comments
    asked = {dialect: crowd.ask("llama-a", dialect=dialect) for dialect in events}
    whole = crowd.ask("llama-a", stream=False)
    for caller in asked.values():
        assert caller.until(": loading llama-a").answer.status == 200
    gate.touch()

    for dialect, caller in asked.items():
        assert "memory" in DIALECTS[dialect].error(caller.finish().body)["message"]
        assert caller.whole
    assert whole.json()["error"]["code"] == "out_of_memory"
    assert whole.answer.status == 503


def test_a_model_that_always_crashes_is_given_up_until_it_is_loaded_by_hand(
    house: House,
) -> None:
    faulty(house, "DIE=exit")
    house.add("llama-a")
    house.start()
    waits = []
    while (answer := house.chat("llama-a")).headers.get("Retry-After"):
        assert answer.status == 503
        assert answer.json()["error"]["code"] == "exited"
        waits.append(float(answer.headers["Retry-After"]))
        time.sleep(waits[-1])
    assert starts(house, "llama-a") == 5
    assert sum(waits) >= 15

    began = time.monotonic()
    error = house.chat("llama-a").json()["error"]
    assert time.monotonic() - began < 1
    assert error["code"] == "crash_loop"
    assert "paddock load llama-a" in error["hint"]
    assert error["output"]
    assert starts(house, "llama-a") == 5

    (house.folder / "fault").unlink()
    assert house.chat("llama-a").status == 503
    house.load("llama-a")
    assert house.chat("llama-a").status == 200


@pytest.mark.parametrize("kind", ["arch", "corrupt"])
def test_what_no_retry_heals_is_tried_again_when_the_file_is_replaced(
    house: House, kind: str
) -> None:
    faulty(house, f"DIE={kind}")
    house.add("llama-a")
    house.start()
    for _ in range(3):
        assert house.chat("llama-a").status == 500
    assert starts(house, "llama-a") == 1

    (house.folder / "fault").unlink()
    house.add("llama-a", metadata={"general.name": "Mended"})

    house.until(lambda: house.chat("llama-a").status == 200, "the new file is served", 10)
    assert starts(house, "llama-a") == 2
