"""A real daemon for tests: a folder of models, the fake engine, free ports, and its own process."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

from tests.fakes.gguf_maker import Gguf
from tests.fakes.wire import Wire, wire

FAKE = Path(__file__).with_name("llama_server.py")
DOOR = re.compile(r"^ +(\w+) +(https?://\S+)", re.MULTILINE)
PATIENCE = 30.0


class _NothingThere(BaseHTTPRequestHandler):
    """A hub and a registry without anything."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_HEAD = do_POST = do_GET  # noqa: N815 - their names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_nothing = ThreadingHTTPServer(("127.0.0.1", 0), _NothingThere)
threading.Thread(target=_nothing.serve_forever, name="an empty hub", daemon=True).start()
NOTHING = f"http://127.0.0.1:{_nothing.server_port}"
"""The hub and the registry of a house that says nothing of others: no test asks the world."""

START_PORT = 5800 + 1000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Two daemons that count from one port would often meet; a household has one."""


class House:
    """A state folder, a models folder and, once started, a daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.state = folder / "state"
        self.models.mkdir()
        self.engine = self._wrapper()
        self.url = ""
        self.ollama_url = ""
        """The Ollama door; empty where it is closed."""
        self.chat_url = ""
        """The chat's door; empty where it is closed, as it is unless a test wants it."""
        self.key = ""
        """What `ask` names itself with, where the daemon wants keys."""
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._reader: threading.Thread | None = None

    def _wrapper(self) -> Path:
        """The fake engine as a program with a name and no suffix, as a real one is installed."""
        program = self.folder / "bin" / "llama-server"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{FAKE}" "$@"\n')
        program.chmod(0o755)
        return program

    def add(self, name: str, **what: Any) -> Path:
        """Rename a finished GGUF into the models folder, as `{name}.gguf`."""
        return (
            Gguf(**what).write(self.folder / "incoming.gguf").rename(self.models / f"{name}.gguf")
        )

    @staticmethod
    def command(*words: str) -> str:
        """A `cmd` that runs the fake engine on `${PORT}`, with these words at its end."""
        given = [sys.executable, "-S", str(FAKE), "--port", "${PORT}", "--alias", "${MODEL_ID}"]
        return (
            shlex.join([*given, *words])
            .replace("'${PORT}'", "${PORT}")
            .replace("'${MODEL_ID}'", "${MODEL_ID}")
        )

    # --- living

    def config(self, **changes: Any) -> dict[str, Any]:
        """A configuration for this house; `changes` win. One model at a time, without groups."""
        alone = {} if {"groups", "matrix", "routing"} & changes.keys() else {"maxLoadedModels": 1}
        return {
            **alone,
            "modelsDir": str(self.models),
            "stateDir": str(self.state),
            "engines": {"fake": {"llamaServer": str(self.engine)}},
            "listen": {
                "openai": {"host": "127.0.0.1", "port": 0},
                "ollama": {"host": "127.0.0.1", "port": 0},
                "chat": None,
            },
            "unloadTimeout": 2,
            "startPort": START_PORT,
            "pulls": {"endpoint": NOTHING},
            "registryMirror": NOTHING,
            "minResidency": 0,
        } | changes

    def start(self, config: Mapping[str, Any] | None = None, *flags: str, **env: str) -> House:
        """Start the daemon, with these flags too, and return when its doors are open."""
        file = self.folder / "paddock.yaml"
        file.write_text(json.dumps(config or self.config()))
        return self.serve("--config", str(file), *flags, **env)

    def serve(self, *words: str, **env: str) -> House:
        """Start the daemon with nothing but these words after `paddock serve`."""
        self._said = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "paddock", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_inherited() | {"PYTHONUNBUFFERED": "1"} | env,
        )
        self._reader = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._reader.start()
        self.until(lambda: "openai" in self.doors() or self._process_ended(), "the doors open")
        if "openai" not in self.doors():
            raise AssertionError(f"the daemon did not start:\n{self.said}")
        self.url = self.doors()["openai"]
        self.ollama_url = self.doors().get("ollama", "")
        self.chat_url = self.doors().get("chat", "")
        return self

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._said.append(line)

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def said(self) -> str:
        """All the daemon wrote on stderr so far."""
        return "".join(self._said)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def doors(self) -> dict[str, str]:
        """Name and URL of each door, from the greeting."""
        return dict(DOOR.findall(self.said)) if "Ctrl-C" in self.said else {}

    def signal(self, number: int) -> None:
        """Send the daemon a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the daemon's end; its exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE)
        if self._reader is not None:
            self._reader.join(5)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code

    def stop(self) -> int:
        """End the daemon as an owner does; its exit code. Nothing to do when it has ended."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.wait()
        self._process = None
        return code

    # --- asking

    def until(self, check: Any, what: str, patience: float = PATIENCE) -> Any:
        """Poll until `check()` is true; what it returned. Fails with the daemon's words."""
        deadline = time.monotonic() + patience
        while True:
            if found := check():
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {patience} s until {what}; it said:\n{self.said}")
            time.sleep(0.01)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        door: str = "openai",
    ) -> Answer:
        """One request on a connection of its own; the whole answer."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(
            (self.ollama_url if door == "ollama" else self.url) + path,
            data,
            {"Content-Type": "application/json", **self._credentials(), **(headers or {})},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def _credentials(self) -> dict[str, str]:
        return {"x-api-key": self.key} if self.key else {}

    def get(self, path: str) -> Any:
        """The JSON that GET answers."""
        return self.ask("GET", path).json()

    def wire(self) -> AbstractContextManager[Wire]:
        """A connection to the door on which every byte is the test's."""
        return wire(self.url)

    def chat(self, model: str, text: str = "hello", **fields: Any) -> Answer:
        """One chat request."""
        asked = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return self.ask("POST", "/v1/chat/completions", asked)

    def load(self, *models: str) -> None:
        """Load these, one after the other. Fails when one of them cannot be loaded."""
        for model in models:
            answer = self.ask("POST", "/api/paddock/load", {"model": model})
            assert answer.status == 200, answer.text

    def running(self) -> list[str]:
        """Ids of the models in memory."""
        return [one["model"] for one in self.get("/running")["running"]]

    def engine_state(self, model: str) -> Any:
        """What the fake engine of a loaded model has seen."""
        return self.get(f"/upstream/{quote(model)}/fake/state")

    def last_request(self, model: str) -> Any:
        """The last request that the fake engine of a loaded model was sent."""
        return self.engine_state(model)["requests"][-1]


class Answer:
    """A whole HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    def events(self) -> list[str]:
        """The data of each event of a stream."""
        lines = self.text.split("\n")
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


def _inherited() -> dict[str, str]:
    """Our environment without pytest's: a test's name may hold what children must not see."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
