"""Models brought in, found and removed by the command line: a whole daemon and a fake hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.gguf_maker import Q4_K_TENSOR, Gguf
from tests.fakes.house import House
from tests.fakes.hub import Hub
from tests.fakes.terminal import Terminal

REPO = "maker/tiny-llama-GGUF"
ABOUT = {"total": 1_000_000, "architecture": "llama", "context_length": 4096}
DEMO = "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
DEMO_FILE = "qwen2.5-0.5b-instruct-q4_k_m.gguf"


def weights(folder: Path, rows: int = 32) -> Path:
    """A model of 144 bytes a row."""
    tensors = (("token_embd.weight", Q4_K_TENSOR, (256, rows)),)
    return Gguf(tensors=tensors).write(folder / f"{rows}.gguf")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path) as hub:
        files = {"Q8_0": 16000, "Q4_K_M": 9000, "Q2_K": 5000}
        hub.add_repo(
            REPO,
            {
                f"tiny-llama-{quant}.gguf": weights(tmp_path / "made", rows)
                for quant, rows in files.items()
            },
            gguf=ABOUT,
            downloads=1234,
            likes=56,
        )
        yield hub


@pytest.fixture
def house(tmp_path: Path, hub: Hub) -> Iterator[House]:
    folder = tmp_path / "house"
    folder.mkdir()
    house = House(folder)
    house.start(HF_ENDPOINT=hub.url)
    yield house
    house.stop()


def env(house: House) -> dict[str, str]:
    return os.environ | {
        "PADDOCK_HOST": house.url,
        "PADDOCK_API_KEY": "",
        "HOME": str(house.folder),
    }


def run(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    """One command, with its output in pipes."""
    ended = subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env(house),
        timeout=60,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def terminal(house: House, *words: str) -> Terminal:
    return Terminal([sys.executable, "-m", "paddock", *words], env(house), columns=120)


def ids(house: House) -> list[str]:
    return [one["id"] for one in house.get("/v1/models")["data"]]


def test_what_is_pulled_is_listed_at_both_doors_and_answers(house: House) -> None:
    pulled = run(house, "pull", REPO)

    assert (pulled.returncode, pulled.stdout) == (0, ""), pulled.stderr
    assert pulled.stderr.splitlines()[-1] == "in the library as tiny-llama-q8_0"
    assert "Q8_0" in pulled.stderr.splitlines()[0]  # what was taken, and why
    assert (house.models / "tiny-llama-Q8_0.gguf").is_file()
    assert ids(house) == ["tiny-llama-q8_0"]
    assert "tiny-llama-q8_0:latest" in run(house, "list").stdout
    assert run(house, "run", "tiny-llama-q8_0", "hello").stdout.strip()


def test_a_dry_run_brings_nothing(house: House) -> None:
    planned = run(house, "pull", REPO, "q4_k_m", "--dry-run")

    assert planned.returncode == 0, planned.stderr
    assert str(house.models / "tiny-llama-Q4_K_M.gguf") in planned.stdout
    assert "to download" in planned.stderr
    assert list(house.models.iterdir()) == []
    assert run(house, "pulls").stdout == ""


def test_what_is_here_is_not_fetched_again(house: House, hub: Hub) -> None:
    run(house, "pull", f"hf.co/{REPO}:Q2_K")
    before = len(hub.requests("content"))
    again = run(house, "pull", REPO, "Q2_K", "--json")
    planned = run(house, "pull", REPO, "Q2_K", "--dry-run")

    assert json.loads(again.stdout)["models"] == ["tiny-llama-q2_k"]
    assert len(hub.requests("content")) == before
    assert "is here" in planned.stdout


def test_run_pulls_what_is_missing(house: House) -> None:
    ended = run(house, "run", f"{REPO}:Q4_K_M", "hello")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
    assert ids(house) == ["tiny-llama-q4_k_m"]


def test_a_person_chooses_and_may_leave_and_a_killed_daemon_goes_on(house: House, hub: Hub) -> None:
    hub.switch(rate=200_000)
    with terminal(house, "pull", REPO) as it:
        it.until("best here")
        it.type("q8")
        it.until("\x1b[7m> Q8_0")
        it.type("\r")
        it.until("tiny-llama-Q8_0.gguf: ")
        it.type("\x03")
        it.until("paddock pulls --follow p1")
        assert it.end() == 130
    assert "pulling" in run(house, "pulls").stdout
    house.signal(signal.SIGKILL)
    house.wait()
    hub.switch(rate=None)
    house.start(HF_ENDPOINT=hub.url)
    house.until(lambda: ids(house) == ["tiny-llama-q8_0"], "the pull goes on and ends")

    assert "done" in run(house, "pulls", "--json").stdout


def test_a_pull_is_cancelled(house: House, hub: Hub) -> None:
    hub.switch(rate=100_000)
    begun = run(house, "pull", REPO, "Q8_0", "--detach")
    cancelled = run(house, "pulls", "cancel", begun.stdout.strip())
    told = json.loads(run(house, "pulls", "--json").stdout)["pulls"]

    assert cancelled.returncode == 0, cancelled.stderr
    assert [one["state"] for one in told] == ["cancelled"]
    assert ids(house) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("maker/nothing",), "maker/nothing"),
        ((REPO, "Q9_9"), "Q9_9"),
        ((f"{REPO}/../../x.gguf",), "paddock: "),
        (("https://192.168.0.1/x.gguf",), "paddock: "),
        (("http://127.0.0.1:1/ns/m:t",), "registries"),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error_with_a_hint(
    house: House, words: tuple[str, ...], told: str
) -> None:
    ended = run(house, "pull", *words)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert told in ended.stderr
    assert "\n  " in ended.stderr
    assert list(house.models.iterdir()) == []


def test_quants_and_search_print_what_pull_takes(house: House) -> None:
    quants = run(house, "quants", REPO)
    found = run(house, "search", "tiny")

    assert [line.split()[0] for line in quants.stdout.splitlines()] == [
        *("QUANT", "Q8_0", "Q4_K_M", "Q2_K")
    ]
    assert found.stdout.splitlines()[1].startswith(REPO)
    assert json.loads(run(house, "search", "tiny", "--json").stdout)["results"][0]["likes"] == 56


def test_rm_gives_the_room_back_and_du_tells_it(house: House) -> None:
    run(house, "pull", REPO, "Q2_K")
    usage = json.loads(run(house, "du", "--json").stdout)
    shown = run(house, "du").stdout
    dry = run(house, "rm", "tiny-llama-q2_k", "--dry-run")
    removed = run(house, "rm", "tiny-llama-q2_k", "--files")

    assert usage["models"][0]["unique"] > 5000 * 144
    assert "tiny-llama-q2_k" in shown
    assert str(house.models) in shown
    assert "would remove" in dry.stdout
    assert (removed.returncode, removed.stdout) == (0, "deleted 'tiny-llama-q2_k'\n")
    assert "freed" in removed.stderr
    assert list(house.models.iterdir()) == []


def test_what_runs_is_removed_by_force_only(house: House) -> None:
    house.add("busy")
    house.until(lambda: ids(house) == ["busy"], "it is listed")
    assert run(house, "load", "busy").returncode == 0
    refused = run(house, "rm", "--files", "busy")
    forced = run(house, "rm", "--files", "busy", "--force")

    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert forced.returncode == 0, forced.stderr
    assert ids(house) == []


def test_du_clean_without_leftovers_says_so(house: House) -> None:
    assert run(house, "du", "--clean").stderr == "nothing is left over\n"


# --- the demo


def demo(house: House, hub: Hub, *words: str) -> Terminal:
    """`paddock demo` on a terminal, with the fake engine on PATH."""
    own = {
        "HOME": os.environ["HOME"],  # the packaged model is put together there once
        "HF_ENDPOINT": hub.url,
        "PATH": f"{house.engine.parent}:{os.environ['PATH']}",
        "OLLAMA_HOST": "127.0.0.1:0",
        "PADDOCK_MODELS_DIR": str(house.models),
        "XDG_CONFIG_HOME": str(house.folder / "config"),
    }
    words = ("demo", "--port", "0", "--state-dir", str(house.state), *words)
    args = [sys.executable, "-m", "paddock", *words]
    return Terminal(args, env(house) | own, columns=200)


@pytest.fixture
def better(tmp_path: Path, hub: Hub) -> Hub:
    """The hub, with the model that the demo offers."""
    hub.add_repo(DEMO, {DEMO_FILE: weights(tmp_path / "made")}, gguf=ABOUT)
    return hub


@pytest.fixture
def closed(tmp_path: Path) -> House:
    """A house without a daemon."""
    folder = tmp_path / "demo"
    folder.mkdir()
    return House(folder)


def test_the_demo_offers_a_model_that_can_chat(closed: House, better: Hub) -> None:
    with demo(closed, better) as it:
        it.until("Bring it in? [Y/n]")
        it.type("\r")
        it.until("Ctrl-C")
        closed.until((closed.models / DEMO_FILE).exists, "the model is here")
        it.type("\x03")
        assert it.end() == 0


def test_the_packaged_demo_asks_nobody_and_nothing(closed: House, better: Hub) -> None:
    before = len(better.requests())
    with demo(closed, better, "--packaged") as it:
        it.until("Ctrl-C")
        it.type("\x03")
        assert it.end() == 0

    assert "Bring it in" not in it.said
    assert len(better.requests()) == before
