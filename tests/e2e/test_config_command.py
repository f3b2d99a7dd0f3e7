"""`paddock config` on files of llama-swap and llama-server, and a daemon that runs on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House

REPOSITORY = Path(__file__).parents[2]


def paddock(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paddock", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"HOME": "/home/ann"} | env,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    return tmp_path


def test_a_folder_of_files_is_checked_with_the_file(folder):
    (folder / "c.yaml").write_text("logLevel: info\nmodels: {a: {}}\n")
    (folder / "d" / "1.yaml").write_text("models: {b: {}}\n")
    ended = paddock("config", "check", folder / "c.yaml", "--config-dir", folder / "d")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr == f"{folder}/c.yaml and {folder}/d: nothing wrong\n"


def test_a_folder_alone_is_checked_without_the_users_own_file(folder):
    (folder / "bad.yaml").write_text("nonsense: 1\n")
    ended = paddock(
        "config", "check", "--config-dir", folder / "d", PADDOCK_CONFIG=str(folder / "bad.yaml")
    )
    assert (ended.returncode, ended.stderr) == (0, f"{folder}/d: nothing wrong\n")


def test_contradictions_of_files_name_both_lines(folder):
    (folder / "c.yaml").write_text("logLevel: info\nmodels: {a: {}}\n")
    (folder / "d" / "1.yaml").write_text("\nlogLevel: warn\nmodels: {a: {}, b: {nmae: x}}\n")
    words = ("config", "check", folder / "c.yaml", "--config-dir", folder / "d")
    ended = paddock(*words)
    one = f"{folder}/d/1.yaml"
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"{one}:2: logLevel: has another value in {folder}/c.yaml:1 (say it in one file only)",
        f"{one}:3: models.b.nmae: unknown key (did you mean `name`?)",
        f"{one}:3: models.a: is already defined in {folder}/c.yaml:2 (say it in one file only)",
    ]
    problems = json.loads(paddock(*words, "--json").stdout)["problems"]
    assert [problem["line"] for problem in problems] == [2, 3, 3]


def test_what_is_in_force_in_several_files_is_shown(folder):
    (folder / "d" / "1.yaml").write_text("parallel: 3\n")
    (folder / "d" / "2.yaml").write_text("macros: {x: n}\nmodels: {m: {name: '${x}'}}\n")
    shown = json.loads(paddock("config", "show", "--config-dir", folder / "d", "--json").stdout)
    assert (shown["parallel"], shown["models"]["m"]["name"]) == (3, "n")


def test_an_import_is_a_configuration_without_problems(folder):
    imported = paddock("config", "import", REPOSITORY / "examples" / "llama-swap.yaml")
    assert (imported.returncode, imported.stderr) == (0, "")
    (folder / "new.yaml").write_text(imported.stdout)
    assert paddock("config", "check", folder / "new.yaml").returncode == 0


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("c.yaml", "models: {a: {cmd: '${nope}'}}\n", ":1: models.a.cmd: no macro is named `nope`"),
        ("m.ini", "[a]\nhf-repo = x/y\n", ":2: a.hf-repo: models cannot be fetched yet"),
    ],
)
def test_what_cannot_be_imported_is_told_without_a_traceback(folder, name, text, told):
    (folder / name).write_text(text)
    ended = paddock("config", "import", folder / name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"{folder}/{name}{told}")


@pytest.fixture(scope="module")
def moved_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon on a file with macros, on presets and on a folder of files."""
    house = House(tmp_path_factory.mktemp("moved-in"))
    outside = house.folder / "elsewhere"
    outside.mkdir()
    Gguf().write(outside / "preset.gguf")
    (house.folder / "models.ini").write_text(
        "[*]\nctx-size = 512\n[from-preset]\nmodel = elsewhere/preset.gguf\nalias = preset\n"
    )
    more = house.folder / "conf.d"
    more.mkdir()
    added = {"models": {"added": {"cmd": "${server} ${what}", "macros": {"what": "--alias mine"}}}}
    (more / "added.yaml").write_text(json.dumps(added))
    house.start(
        house.config(
            presets=["models.ini"],
            maxLoadedModels=4,
            macros={"server": house.command(), "what": "--alias ${env.WHAT}"},
            models={"written": {"cmd": "${server} ${what}", "aliases": ["${MODEL_ID}-too"]}},
        ),
        "--config-dir",
        str(more),
        WHAT="yours",
    )
    yield house
    house.stop()


@pytest.mark.parametrize("model", ["written", "written-too", "added", "from-preset", "preset"])
def test_every_source_of_models_serves(moved_in, model):
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    answer = moved_in.ask("POST", "/v1/chat/completions", body)
    assert (answer.status, answer.json()["object"]) == (200, "chat.completion")


@pytest.mark.parametrize(
    ("model", "word"),
    [("written", "yours"), ("added", "mine"), ("from-preset", "--ctx-size 512")],
)
def test_macros_variables_and_presets_reach_the_command(moved_in, model, word):
    moved_in.load(model)
    [running] = [one for one in moved_in.get("/running")["running"] if one["model"] == model]
    assert word in " ".join(running["cmd"].split())
