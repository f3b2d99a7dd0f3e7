"""A fake daemon with the native API, and the command line as a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.terminal import Terminal

ROOT = Path(__file__).parents[3]


class Native:
    """A running fake daemon, and a home for the command line."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.address = f"127.0.0.1:{port}"

    def env(self, **env: str) -> dict[str, str]:
        own = {"PADDOCK_HOST": self.address, "HOME": str(self.home), "PADDOCK_API_KEY": ""}
        return {**os.environ, "XDG_STATE_HOME": "", **own, **env}

    def run(
        self, *words: str, stdin: str | bytes = b"", **env: str
    ) -> subprocess.CompletedProcess[str]:
        """One command, with its output in pipes."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        ended = subprocess.run(
            [sys.executable, "-m", "paddock", *words],
            input=given,
            capture_output=True,
            env=self.env(**env),
            cwd=self.home,
            timeout=60,
        )
        out, err = ended.stdout.decode(), ended.stderr.decode()
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(ended.args, ended.returncode, out, err)

    def terminal(self, *words: str, columns: int = 80, **env: str) -> Terminal:
        """One command on a terminal."""
        args = [sys.executable, "-m", "paddock", *words]
        return Terminal(args, self.env(**env), columns)

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.address}/fake/state", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def until_aborted(self) -> None:
        """Wait until it knows that the client of one answer left."""
        deadline = time.monotonic() + 20
        while self.state()["aborted"] != 1:
            assert time.monotonic() < deadline, "the client did not leave"

    def go(self) -> None:
        """Let the pulls go on that wait for it."""
        asked = urllib.request.Request(f"http://{self.address}/fake/go", data=b"{}")
        urllib.request.urlopen(asked, timeout=10).close()

    def asked(self, path: str) -> list[Any]:
        """The bodies that were sent to `path`."""
        return [body for _, at, body in self.state()["requests"] if at == path]


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Native]:
    """A fake daemon that speaks Ollama's API and no other."""
    with _served(tmp_path, "tests.fakes.ollama_server") as native:
        yield native


@pytest.fixture
def puller(tmp_path: Path) -> Iterator[Native]:
    """A fake daemon with Paddock's endpoints of pulls."""
    with _served(tmp_path, "tests.fakes.paddock_server") as native:
        yield native


@contextmanager
def _served(tmp_path: Path, program: str) -> Iterator[Native]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-m", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    home = tmp_path / "home"
    home.mkdir()
    try:
        port = int(process.stdout.readline().split()[-1])
        yield Native(home, port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
