"""The `paddock` commands of Ollama's kind against a running daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import House
from tests.fakes.terminal import Terminal

PROMPT = ">>> "


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with two models, and a home for the command line."""
    house = House(tmp_path_factory.mktemp("served"))
    house.add("llama-a")
    house.add("llama-b")
    (house.folder / "home").mkdir()
    house.start(house.config(ollama={"models": str(house.folder / "store")}))
    yield house
    house.stop()


def environment(house: House, door: str) -> dict[str, str]:
    url = house.url if door == "openai" else house.ollama_url
    home = str(house.folder / "home")
    return {**os.environ, "PADDOCK_HOST": url, "HOME": home, "XDG_STATE_HOME": ""}


def paddock(
    house: House, *words: str, stdin: str = "", door: str = "ollama"
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        env=environment(house, door),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=house.folder / "home",
    )
    assert "Traceback" not in ended.stderr
    return ended


def good(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("door", ["openai", "ollama"])
def test_run_answers_on_both_doors(served: House, door: str) -> None:
    assert good(paddock(served, "run", "llama-a", "fake tokens=3", door=door)).split() == [
        *("t0", "t1", "t2")
    ]


def test_run_with_a_pipe_and_statistics(served: House) -> None:
    ended = paddock(served, "run", "llama-a", "--verbose", stdin="fake tokens=2")

    assert good(ended).split() == ["t0", "t1"]
    assert "eval rate:" in ended.stderr
    assert "eval count:           2 token(s)" in ended.stderr


def test_run_of_an_unknown_model_is_an_error(served: House) -> None:
    ended = paddock(served, "run", "nowhere", "hi")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nowhere" in ended.stderr


def test_an_answer_that_breaks_off_is_an_error(served: House) -> None:
    ended = paddock(served, "run", "llama-a", "fake error_after=2")

    assert ended.returncode == 1
    assert ended.stdout.split() == ["t0", "t1"]
    assert ended.stderr.startswith("paddock: ")


def test_create_show_cp_list_and_rm(served: House) -> None:
    modelfile = "FROM llama-a\nPARAMETER temperature 0.25\nSYSTEM Be nice."
    good(paddock(served, "create", "nice", "-f", "-", stdin=modelfile))
    shown = good(paddock(served, "show", "nice"))
    system = good(paddock(served, "show", "nice", "--system"))
    copied = good(paddock(served, "cp", "nice", "nicer"))
    listed = good(paddock(served, "list", "nice"))
    removed = good(paddock(served, "rm", "nice", "nicer"))

    assert "temperature    0.25" in shown
    assert system == "Be nice.\n"
    assert copied == "copied 'nice' to 'nicer'\n"
    assert {line.split()[0] for line in listed.splitlines()} == {
        *("NAME", "nice:latest", "nicer:latest")
    }
    assert removed == "deleted 'nice'\ndeleted 'nicer'\n"
    assert good(paddock(served, "list", "nice")) == ""


def test_what_show_tells_as_a_modelfile_makes_the_same_model(served: House) -> None:
    modelfile = 'FROM llama-a\nPARAMETER stop "</s>"\nSYSTEM """Two\nlines."""\nMESSAGE user hi\n'
    good(paddock(served, "create", "first", "-f", "-", stdin=modelfile))
    told = good(paddock(served, "show", "first", "--modelfile"))
    good(paddock(served, "create", "second", "-f", "-", stdin=told))

    first, second = (
        json.loads(good(paddock(served, "show", name, "--json"))) for name in ("first", "second")
    )
    assert {k: first[k] for k in ("system", "parameters", "messages")} == {
        k: second[k] for k in ("system", "parameters", "messages")
    }
    paddock(served, "rm", "first", "second")


@pytest.mark.parametrize("place", ["models", "home"])
def test_create_from_a_file_shares_it_or_sends_it(served: House, place: str) -> None:
    if place == "models":
        file = served.models / "llama-b.gguf"
    else:
        file = Gguf(metadata={"general.name": "elsewhere"}).write(
            served.folder / "home" / "elsewhere.gguf"
        )
    ended = paddock(served, "create", "made", "-f", "-", stdin=f"FROM {file}")

    good(ended)
    assert ("sending" in ended.stderr) == (place == "home")
    assert good(paddock(served, "run", "made", "fake tokens=1")).split() == ["t0"]
    good(paddock(served, "rm", "made", "--force"))
    assert file.exists()


def test_rm_of_a_file_in_the_folder_has_to_be_said(served: House) -> None:
    file = served.add("doomed")
    served.until(lambda: "doomed" in good(paddock(served, "list")), "it is listed")
    refused = paddock(served, "rm", "doomed")

    assert refused.returncode == 1
    assert "--files" in refused.stderr
    assert file.exists()
    good(paddock(served, "rm", "doomed", "--files"))
    assert not file.exists()


def test_pull_of_what_is_here_and_of_what_is_not(served: House) -> None:
    here = paddock(served, "pull", "llama-a")
    elsewhere = paddock(served, "pull", "nowhere")

    assert good(here) == ""
    assert here.stderr.splitlines()[-1] == "success"
    assert elsewhere.returncode == 1
    assert "nowhere" in elsewhere.stderr


def test_ps_and_stop(served: House) -> None:
    good(paddock(served, "run", "llama-a", "--keepalive", "-1"))
    running = good(paddock(served, "ps"))
    stopped = paddock(served, "stop", "llama-a")

    assert running.split()[:6] == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert "llama-a:latest" in running
    assert "Forever" in running
    assert good(stopped) == ""
    assert "llama-a" not in good(paddock(served, "ps"))


def test_a_conversation_is_saved_and_loaded_again(served: House) -> None:
    args = [sys.executable, "-m", "paddock", "run", "llama-a"]
    with Terminal(args, environment(served, "ollama")) as it:
        it.until("Send a message")
        for line, told in (
            ("/set system Be nice.", "Set system message."),
            ("fake tokens=2", "t1"),
            ("/save kept", "Created new model 'kept'"),
            ("/load kept", ">>> fake tokens=2"),
            ("fake tokens=4", "t3"),
            ("/show system", "Be nice."),
        ):
            it.until(PROMPT)
            it.type(f"{line}\r")
            it.until("\x1b[?2004l")
            it.until(told)
        it.until(PROMPT)
        it.type("\x04")
        assert it.end() == 0

    sent = json.loads(served.last_request("kept")["body"])["messages"]
    assert [(message["role"], message["content"].strip()) for message in sent] == [
        ("system", "Be nice."),
        ("user", "fake tokens=2"),
        ("assistant", "t0 t1"),
        ("user", "fake tokens=4"),
    ]
    paddock(served, "rm", "kept")


def test_ctrl_c_frees_the_engine(served: House) -> None:
    args = [sys.executable, "-m", "paddock", "run", "llama-b"]
    with Terminal(args, environment(served, "ollama")) as it:
        it.until(PROMPT)
        it.type(f"fake tokens=100000 tps=50 gate={served.folder / 'never'} gate_at=3\r")
        it.until("\x1b[?2004l")
        it.until("t1")
        it.type("\x03")
        it.until(PROMPT)
        served.until(lambda: served.engine_state("llama-b")["running"] == 0, "it stops")
        it.type("fake tokens=1\r")
        it.until("t0")
        it.until(PROMPT)
        it.type("/bye\r")
        assert it.end() == 0
