"""`/api/plan` and `paddock plan`: told without anything being changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.architectures import ALL
from tests.fakes.caller import Crowd
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.sized_models import put, sized

TOOK = "memory=CPU:12.5,Fake0:1300"  # and 1 MiB for its output


@pytest.fixture
def planning(house: House) -> House:
    """A daemon whose one GPU has room for one of two large models, and some that are special."""
    files = {
        "llama": ALL["llama"](),
        "bert": ALL["bert"](),
        "strange": Gguf("strange"),
        "large": sized(layers=16, heads=40),
        "larger": sized(layers=16, heads=40, weights=24),
        "giant-f16": sized(layers=32, width=4096, weights=48000),
        "giant-q2_k": sized(layers=32, width=4096),
        "dwarf-q2_k": sized(layers=32, width=4096),
        "forced": ALL["llama"](),
        "odd": ALL["llama"](),
    }
    for name, made in files.items():
        put(made, house.models, name)
    entries = {
        "mine": {"cmd": house.command("--fake", TOOK), "proxy": "http://127.0.0.1:${PORT}"},
        "large": {"args": f"--fake {TOOK}"},
        "forced": {"args": "-ngl 3"},
        "odd": {"args": "--override-tensor blk.0.*=CPU"},
    }
    config = house.config(
        models=entries, defaultModelArgs="--no-webui", defaultTtl=0, sendLoadingState=True
    )
    del config["maxLoadedModels"]
    return house.start(config)


def ask(house: House, query: str) -> Any:
    answer = house.ask("GET", f"/api/plan?{query}")
    assert answer.status == 200, answer.text
    return answer.json()


def paddock(house: House, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "paddock", *words, "--host", house.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_a_plan_tells_where_and_why_and_starts_nothing(planning: House) -> None:
    told = ask(planning, "model=llama")
    assert (told["kind"], told["context"], told["parallel"]) == ("gpu", 8192, 2)
    assert told["processor"] == "100% GPU"
    assert told["trusted"]
    assert told["flags"][:4] == ["--device", "Fake0", "--gpu-layers", "13"]
    (device,) = told["devices"]
    assert device["layers"] == 12
    assert device["free_bytes"] == 2000 << 20
    parts = ("weights_bytes", "kv_bytes", "compute_bytes", "outside_bytes")
    assert device["needed_bytes"] == sum(device[part] for part in parts)
    limits = [*told["flags"], "--cache-ram", "8192"]  # the engine's own, where there is RAM for it
    cache = int(limits[limits.index("--cache-ram") + 1])
    assert told["host"]["may_grow"]["prompt_cache_bytes"] == cache << 20
    assert (told["leave"], told["needs"], told["running"]) == ([], "", None)
    assert told["seconds"] >= 1
    assert told["seconds_estimated"]
    assert planning.running() == []

    printed = paddock(planning, "plan", "llama")
    assert printed.startswith("llama: whole on one GPU\n")
    assert "by its size" in printed
    assert "Flags: --device Fake0" in printed


def test_what_is_asked_for_is_kept(planning: House) -> None:
    told = ask(planning, "model=llama&ctx=16384&parallel=3&kv=q8_0")
    assert (told["context"], told["parallel"], told["kv"]) == (16384, 3, "q8_0")
    assert ask(planning, "model=bert")["context"] == 512


def test_flags_of_the_owners_are_part_of_it(planning: House) -> None:
    told = ask(planning, "model=forced")
    assert (told["kind"], told["gpu_layers"]) == ("hybrid", 3)
    assert told["processor"] == "2/12 layers GPU"
    assert told["flags"][2:4] == ["--gpu-layers", "3"]
    assert "--override-tensor" in ask(planning, "model=odd")["doubts"][-1]


def test_an_unknown_architecture_is_planned_with_doubts(planning: House) -> None:
    told = ask(planning, "model=strange")
    assert not told["trusted"]
    assert "strange" in told["doubts"][0]


def test_of_what_does_not_fit_a_smaller_quantization_that_does_is_named(planning: House) -> None:
    told = ask(planning, "model=giant-f16&ctx=4096&parallel=1")
    assert told["kind"] == "refused"
    assert told["helps"][0].startswith("a smaller quantization that is here: giant-q2_k (")
    assert "dwarf" not in told["helps"][0]


def test_who_would_leave_and_what_runs(planning: House, crowd: Crowd, tmp_path: Path) -> None:
    crowd.ask("large", f"gate={tmp_path / 'go'}").until("t0 ")
    told = ask(planning, "model=larger")
    assert [(one["model"], one["busy"]) for one in told["leave"]] == [("large", True)]
    assert "on Fake0" in told["needs"]
    assert told["needs"] in told["leave"][0]["why"]
    assert told["devices"][0]["free_bytes"] < told["devices"][0]["needed_bytes"]
    assert "large would leave first when its requests have ended" in paddock(
        planning, "plan", "larger"
    )

    planning.until(lambda: ask(planning, "model=large")["learned"], "its load is remembered")
    again = ask(planning, "model=large")
    assert again["leave"] == []
    assert again["devices"][0]["needed_bytes"] >= 1300 << 20
    assert not again["seconds_estimated"]
    assert again["running"]["processor"] == "100% GPU"
    assert again["running"]["memory"]["Fake0"] == 1301 << 20
    assert planning.running() == ["large"]
    assert "large: whole on one GPU (now ready 100% GPU)" in paddock(planning, "plan", "large")
    (tmp_path / "go").touch()


def test_who_waits_for_memory_is_told_who_holds_it(
    planning: House, crowd: Crowd, tmp_path: Path
) -> None:
    crowd.ask("large", f"gate={tmp_path / 'go'}").until("t0 ")
    crowd.ask("larger").until(" on Fake0 is needed)")
    (waiting,) = planning.get("/api/queue")["waiting"]
    printed, status = paddock(planning, "ps"), paddock(planning, "status")
    (tmp_path / "go").touch()

    assert waiting["reason"].startswith("waits for room: large serves 1 request, its turn ends in")
    large, _titles, larger = printed.splitlines()[1:]
    assert "100% GPU" in large
    assert large.split()[-1] == "Forever"
    assert larger.startswith("larger ")
    assert "GiB on Fake0 is needed" in larger
    assert "large (ready, 1/1 busy, 100% GPU)" in status
    assert "1 request" in status


def test_of_a_command_what_it_took_the_last_time(planning: House) -> None:
    refused = planning.ask("GET", "/api/plan?model=mine")
    assert (refused.status, "cannot be planned" in refused.text) == (400, True)

    planning.load("mine")
    planning.until(
        lambda: planning.ask("GET", "/api/plan?model=mine").status == 200, "it is remembered"
    )
    told = ask(planning, "model=mine")
    assert told["kind"] == "command"
    assert [one["needed_bytes"] for one in told["devices"]] == [1301 << 20]
    assert told["running"]["state"] == "ready"
    printed = paddock(planning, "plan", "mine")
    assert "mine: where it likes" in printed
    assert "It loaded in" in printed

    (leaver,) = ask(planning, "model=llama")["leave"]
    assert (leaver["model"], leaver["busy"]) == ("mine", False)
    assert "runs alone" in leaver["why"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "model is missing"),
        ("model=nosuch", 404, "nosuch"),
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
