"""The daemon with a thousand models: start, memory, and what it adds to one request."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import psutil
from tests.fakes.gguf_maker import real_size
from tests.fakes.house import House

from bench.figure import Figure

MODELS = 1000
DISTINCT = 4
REQUESTS = 400
BODY = {"model": "model-0000", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}


def measure() -> list[Figure]:
    """Start cold and cached, idle memory, listing, added latency, `paddock ps`."""
    with TemporaryDirectory(prefix="paddock-bench-") as folder:
        house = House(Path(folder))
        _fill(house)
        cold = _start_seconds(house)
        house.stop()
        cached = min(_restart(house) for _ in range(3))
        try:
            return [
                Figure("start to listening, 1,000 new models", cold, "s", limit=4),
                Figure("start to listening, 1,000 cached models", cached, "s", limit=1),
                Figure("idle memory with them", _memory(house), "MB", limit=90),
                *_added(house),
                Figure("`paddock ps`", _ps_seconds(house) * 1000, "ms", limit=200),
            ]
        finally:
            house.stop()


def _fill(house: House) -> None:
    """A thousand paths with real-size headers; few files, many links, each with its own entry."""
    originals = [
        real_size(metadata={"general.name": f"Model {n}"}).write(house.folder / f"{n}.gguf")
        for n in range(DISTINCT)
    ]
    for number in range(MODELS):
        os.link(originals[number % DISTINCT], house.models / f"model-{number:04}.gguf")


def _start_seconds(house: House) -> float:
    start = time.perf_counter()
    house.start(house.config(parallel=64))
    return time.perf_counter() - start


def _restart(house: House) -> float:
    house.stop()
    return _start_seconds(house)


def _memory(house: House) -> float:
    time.sleep(1)
    return float(psutil.Process(house.pid).memory_info().rss) / 1e6


def _ps_seconds(house: House) -> float:
    def once() -> float:
        start = time.perf_counter()
        command = [sys.executable, "-m", "paddock", "ps", "--host", house.url]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    return min(once() for _ in range(5))


def _added(house: House) -> list[Figure]:
    """What the daemon adds to one request at a time, in turns with a direct connection."""
    house.chat("model-0000")
    direct_url, key = _child(house)
    with _connection(house.url) as ours, _connection(direct_url) as direct:
        direct_headers = {"Authorization": f"Bearer {key}"}
        whole: dict[str, list[float]] = {"ours": [], "direct": []}
        first: dict[str, list[float]] = {"ours": [], "direct": []}
        for _ in range(REQUESTS):
            whole["ours"].append(_ask(ours, BODY, {}))
            whole["direct"].append(_ask(direct, BODY, direct_headers))
            first["ours"].append(_ask(ours, BODY | {"stream": True}, {}))
            first["direct"].append(_ask(direct, BODY | {"stream": True}, direct_headers))
    return [
        *_difference("added to a whole answer", whole, limit=1.5),
        *_difference("added to the first token", first),
    ]


def _difference(
    name: str, times: dict[str, list[float]], limit: float | None = None
) -> list[Figure]:
    middle = {who: median(taken) * 1000 for who, taken in times.items()}
    slow = {who: quantiles(taken, n=100)[98] * 1000 for who, taken in times.items()}
    return [
        Figure(f"{name}, p50", middle["ours"] - middle["direct"], "ms", middle["direct"], limit),
        Figure(f"{name}, p99", slow["ours"] - slow["direct"], "ms", slow["direct"]),
    ]


def _child(house: House) -> tuple[str, str]:
    """The child's address, and the key that its environment holds."""
    running = house.get("/running")["running"][0]
    environment = house.engine_state("model-0000")["env"]
    return running["proxy"], environment["LLAMA_API_KEY"]


@contextmanager
def _connection(url: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _ask(
    connection: http.client.HTTPConnection, body: dict[str, object], headers: dict[str, str]
) -> float:
    """Seconds until the first byte of the answer's body."""
    start = time.perf_counter()
    connection.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(body),
        {"Content-Type": "application/json", **headers},
    )
    answer = connection.getresponse()
    answer.read(1)
    taken = time.perf_counter() - start
    answer.read()
    return taken
