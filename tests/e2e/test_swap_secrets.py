"""A secret of the environment that is put into a command reaches the model, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.fakes.house import House

SECRET = "canary's key"
ENV = {"PADDOCK_TEST_TOKEN": SECRET, "PADDOCK_TEST_PLACE": "/srv/seen"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon whose model has the secret in its command, by way of a macro, and its variables."""
    house = House(tmp_path_factory.mktemp("home"))
    entry = {
        "cmd": house.command("--alias", "SECRET", "--slot-save-path", "${env.PADDOCK_TEST_PLACE}")
        .replace("SECRET", '"${its}"'),
        "env": ["SOME_PLACE=${its}"],
        "metadata": {"note": "with ${env.PADDOCK_TEST_TOKEN}"},
    }  # fmt: skip
    macros = {"its": "${env.PADDOCK_TEST_TOKEN}"}
    house.start(house.config(macros=macros, models={"m": entry}), **ENV)
    assert house.chat("m").status == 200
    yield house
    house.stop()


def test_the_model_gets_it(home: House) -> None:
    state = home.engine_state("m")

    assert SECRET in state["argv"]
    assert state["env"]["SOME_PLACE"] == SECRET


@pytest.mark.parametrize(
    "path",
    [
        "/running",
        "/api/config",
        "/api/queue",
        "/api/paddock/instances",
        "/api/paddock/library",
        "/api/paddock/status",
        "/logs",
        "/logs/proxy",
    ],
)
def test_nobody_else_is_told(home: House, path: str) -> None:
    answer = home.ask("GET", path)

    assert answer.status == 200
    assert "canary" not in answer.text


@pytest.mark.parametrize("path", ["/running", "/api/config"])
def test_where_it_was_is_a_mask_and_the_rest_is_shown(home: House, path: str) -> None:
    text = home.ask("GET", path).text

    assert "**********" in text
    assert "/srv/seen" in text


def test_the_daemon_says_nothing_of_it(home: House) -> None:
    assert "canary" not in home.said


@pytest.mark.parametrize("words", [("config", "show"), ("config", "show", "--json")])
def test_the_command_line_shows_nothing_of_it(home: House, words: tuple[str, ...]) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "paddock", *words, str(home.folder / "paddock.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | ENV,
    )

    assert shown.returncode == 0, shown.stderr
    assert "canary" not in shown.stdout + shown.stderr
    assert "/srv/seen" in shown.stdout
