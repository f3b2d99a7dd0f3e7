"""The real `ollama` program as a client: its lists, its REPL's one-shots, and making models.

It is found by PADDOCK_TEST_OLLAMA, or on PATH; where there is none the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.fakes.house import House

TEXT = "t0 t1 t2 t3 t4 t5 t6 t7"


@pytest.fixture(scope="module")
def program() -> str:
    """The program, or the tests are skipped."""
    found = os.environ.get("PADDOCK_TEST_OLLAMA") or shutil.which("ollama")
    if not found:
        pytest.skip("no ollama here; name one in PADDOCK_TEST_OLLAMA")
    return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, program: str) -> Iterator[House]:
    """A daemon with one model."""
    house = House(tmp_path_factory.mktemp("program"))
    house.add("plain")
    house.start(house.config(maxLoadedModels=2, drainTimeout=2))
    yield house
    house.stop()


class Ollama:
    """The program, with a home of its own."""

    def __init__(self, program: str, house: House) -> None:
        self._program = program
        self._env = {"OLLAMA_HOST": house.ollama_url, "HOME": str(house.folder), "PATH": "/bin"}

    def ask(self, words: Sequence[str], piped: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._program, *words],
            env=self._env,
            input=piped,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def __call__(self, *words: str, piped: str = "") -> str:
        """What `ollama words` prints; fails with its error."""
        ended = self.ask(words, piped)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def fails(self, *words: str) -> str:
        """The error of `ollama words`."""
        ended = self.ask(words)
        assert ended.returncode == 1
        return ended.stderr


@pytest.fixture
def program_of(house: House, program: str) -> Ollama:
    return Ollama(program, house)


def test_it_lists_and_shows(program_of: Ollama) -> None:
    ollama = program_of
    header, *rows = ollama("list").splitlines()
    assert header.split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert "plain:latest" in {row.split()[0] for row in rows}
    shown = ollama("show", "plain").split()
    assert {"architecture", "llama", "quantization", "completion"} <= set(shown)


def test_it_runs_a_prompt_and_a_pipe_and_stops_the_model(program_of: Ollama, house: House) -> None:
    ollama = program_of
    assert ollama("run", "plain", "hello").strip() == TEXT
    assert ollama("run", "plain", piped="from a pipe").strip() == TEXT
    header, row = ollama("ps").splitlines()
    assert header.split() == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert row.startswith("plain:latest")
    ollama("stop", "plain")
    house.until(lambda: not house.running(), "the model has left")
    assert "couldn't find model" in ollama.fails("stop", "nobody")


@pytest.mark.parametrize("source", ["plain", "file"])
def test_it_makes_copies_and_removes_models(
    program_of: Ollama, house: House, tmp_path: Path, source: str
) -> None:
    ollama = program_of
    base = house.models / "plain.gguf" if source == "file" else source
    modelfile = tmp_path / "Modelfile"
    modelfile.write_text(f'FROM {base}\nSYSTEM """be kind"""\nPARAMETER temperature 0.5\n')
    ollama("create", "kind", "-f", str(modelfile))
    assert "SYSTEM be kind" in ollama("show", "--modelfile", "kind")
    assert ollama("show", "--system", "kind").strip() == "be kind"
    assert ollama("cp", "kind", "kinder").strip() == "copied 'kind' to 'kinder'"
    assert ollama("run", "kinder", "hello").strip() == TEXT
    assert ollama("rm", "kind", "kinder").splitlines() == ["deleted 'kind'", "deleted 'kinder'"]
    assert 'model "kind" not found' in ollama.fails("rm", "kind")
    assert (house.models / "plain.gguf").exists()


def test_it_pulls_what_is_here_already(program_of: Ollama, tmp_path: Path) -> None:
    ollama = program_of
    (tmp_path / "Modelfile").write_text("FROM plain\n")
    ollama("create", "pulled", "-f", str(tmp_path / "Modelfile"))
    ollama("pull", "pulled")
    ollama("rm", "pulled")
