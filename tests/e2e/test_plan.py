"""`/api/plan` and `paddock plan`: told without anything being changed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.fakes.architectures import ALL
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House


@pytest.fixture
def planning(house: House) -> House:
    """A daemon with two models that could run, one of the owner's and one that is none."""
    for name in ("llama", "bert"):
        ALL[name]().write(house.folder / "made.gguf").rename(house.models / f"{name}.gguf")
    Gguf("strange").write(house.folder / "made.gguf").rename(house.models / "strange.gguf")
    own = {"mine": {"cmd": house.command(), "proxy": "http://127.0.0.1:${PORT}"}}
    return house.start(house.config(models=own, defaultModelArgs="--no-webui -ngl 3"))


def ask(house: House, query: str) -> Any:
    answer = house.ask("GET", f"/api/plan?{query}")
    assert answer.status == 200, answer.text
    return answer.json()


def test_a_plan_tells_where_and_why_and_starts_nothing(planning: House) -> None:
    told = ask(planning, "model=llama")
    assert (told["kind"], told["context"], told["parallel"]) == ("gpu", 8192, 2)
    assert told["trusted"]
    assert told["flags"][:4] == ["--device", "Fake0", "--gpu-layers", "13"]
    (device,) = told["devices"]
    assert device["layers"] == 12
    assert device["free_bytes"] == 2000 << 20
    parts = ("weights_bytes", "kv_bytes", "compute_bytes", "outside_bytes")
    assert device["needed_bytes"] == sum(device[part] for part in parts)
    assert told["host"]["may_grow"]["prompt_cache_bytes"] == 8192 << 20
    assert "-ngl" in told["notes"][0]
    assert "not placed by this plan yet" in told["notes"][-1]
    assert planning.running() == []


def test_what_is_asked_for_is_kept(planning: House) -> None:
    told = ask(planning, "model=llama&ctx=16384&parallel=3&kv=q8_0")
    assert (told["context"], told["parallel"], told["kv"]) == (16384, 3, "q8_0")
    assert ask(planning, "model=bert")["context"] == 512


def test_an_unknown_architecture_is_planned_with_doubts(planning: House) -> None:
    told = ask(planning, "model=strange")
    assert not told["trusted"]
    assert "strange" in told["doubts"][0]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "model is missing"),
        ("model=nosuch", 404, "nosuch"),
        ("model=mine", 400, "cannot be planned"),
        ("model=llama&ctx=0", 400, "ctx must be"),
        ("model=llama&ctx=%D9%A3", 400, "ctx must be"),
        ("model=llama&parallel=100000", 400, "parallel must be"),
        ("model=llama&kv=q9", 400, "one of f32"),
    ],
)
def test_questions_that_have_no_answer(
    planning: House, query: str, status: int, words: str
) -> None:
    answer = planning.ask("GET", f"/api/plan?{query}")
    assert words in answer.text
    assert answer.status == status


def test_the_command_prints_it(planning: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paddock", "plan", "llama", "--host", planning.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "llama: whole on one GPU" in done.stdout
    assert "Fake0" in done.stdout
    assert "Flags: --device Fake0" in done.stdout
    assert "not placed by this plan yet" in done.stderr
