"""A daemon with a real llama-server on two software GPUs, and what its children told of memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from tests.fakes.engine_memory import BUFFER, KINDS
from tests.fakes.gguf_maker import Gguf
from tests.fakes.house import Answer, House
from tests.fakes.sized_models import put

SHARED = Path(__file__).parents[3] / "shared"
GPUS = ("Vulkan0", "Vulkan1")
TWO = {"GGML_VK_VISIBLE_DEVICES": "0,0"}
EACH = 2048
"""MiB of each."""
PATIENCE = 110.0
"""Seconds. It is slow where it runs on a processor that others use too."""
START = "load_model: loading model"
Sizes = dict[str, dict[str, float]]
"""MiB by device, `CPU` for the machine's own memory, and kind: weights, kv, compute."""


def engine_or_skip() -> Path:
    """A llama-server that sees two software GPUs when told to, or the tests are skipped."""
    named = os.environ.get("PADDOCK_TEST_LLAMA_SERVER")
    program = Path(named) if named else SHARED / "bin" / "llama-server" / "llama-server"
    if not program.exists():
        pytest.skip("no llama-server here; name one in PADDOCK_TEST_LLAMA_SERVER")
    listed = subprocess.run(
        [program, "--list-devices"],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | TWO,
        check=False,
    )
    if not all(re.search(rf"{gpu}: .*\({EACH} MiB", listed.stdout) for gpu in GPUS):
        pytest.skip(f"{program} does not see two software GPUs of {EACH} MiB here")
    return program


def two_gpus(folder: Path, program: Path, files: Mapping[str, Gguf], **config: Any) -> House:
    """A daemon with these models. One whose name begins with `gated` loads when `gate` is there.

    Its children are not warmed up: a software GPU takes a second for 100 MiB of weights.
    """
    house = House(folder)
    for name, model in files.items():
        put(model, house.models, name)
    house.engine.write_text(
        f'#!/bin/sh\ncase "$*" in *gated*--port*) '
        f'while [ ! -e "{folder}/gate" ]; do sleep 0.05; done;; esac\n'
        f'exec "{program}" "$@"\n'
    )
    engine = {
        "llamaServer": str(house.engine),
        "env": TWO,
        "args": "--no-warmup",
    }
    settings = house.config(
        engines={"vulkan": engine}, contextLength=4096, parallel=1, drainTimeout=5, defaultTtl=0
    )
    del settings["maxLoadedModels"]
    return house.start(settings | config)


def ask(house: House, door: str, model: str, **options: Any) -> Answer:
    """One token of this model, asked for at this door; `options` are Ollama's."""
    message = {"model": model, "messages": [{"role": "user", "content": "a"}], "stream": False}
    if door == "openai":
        return _post(f"{house.url}/v1/chat/completions", {**message, "max_tokens": 1})
    body = {**message, "options": {"num_predict": 1, **options}}
    return _post(f"{house.ollama_url}/api/chat", body)


def load(house: House, *models: str) -> None:
    """Load these, one after the other. Fails when one of them cannot be loaded."""
    for model in models:
        answer = _post(f"{house.url}/api/paddock/load", {"model": model})
        assert answer.status == 200, answer.text


def _post(url: str, body: Any) -> Answer:
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), kind)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def logged(house: House, model: str) -> Sizes:
    """What the child of this model said when it started the last time."""
    told: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    output = house.ask("GET", f"/logs/{quote(model)}").text
    for line in output.rpartition(START)[2].splitlines():
        if found := BUFFER.search(line):
            name = found[1]
            place = "CPU" if name.startswith("CPU") or name.endswith("_Host") else name
            told[place][KINDS[found[2]]] += float(found[3])
    return {place: dict(kinds) for place, kinds in told.items()}


def pids(house: House) -> dict[str, int]:
    """The child of each model that is ready."""
    told = house.get("/api/paddock/instances")["instances"]
    return {one["model"]: one["pid"] for one in told if one["state"] == "ready"}


def paddock(house: House, *words: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "paddock", *words, "--host", house.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout
