"""The relay beside the same handler on aiohttp's client, both over the mock engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figure import Figure

HERE = Path(__file__).parent
WHOLE = '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
STREAM = '{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}'
PATH = "/v1/chat/completions"
ROUNDS = 4
SECONDS = 2.0
STREAMS = 200
CHUNKS = 300
"""Of each stream, at 50 a second: what `upstream.py` sends."""


@contextmanager
def program(name: str, *arguments: str, core: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A helper program of this folder on one core, and the port it printed."""
    command = [sys.executable, str(HERE / name), *arguments]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: pin(core),  # noqa: PLW1509 - one thread here
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def pin(core: int) -> None:
    """Keep this process on one core, where there are two."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > core:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def load(*arguments: str) -> dict[str, float]:
    """Run the load generator; what it measured."""
    command = [sys.executable, str(HERE / "client.py"), *arguments]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: pin(1),
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def cpu(process: subprocess.Popen[str]) -> float:
    """CPU seconds that a relay program has used."""
    process.send_signal(signal.SIGUSR1)
    assert process.stdout is not None
    return float(process.stdout.readline())


def measure() -> list[Figure]:
    """Requests/s of both relays in turns, and CPU per streamed chunk of both.

    What else the machine does only makes a round slower: the best of each is compared.
    """
    with (
        program("upstream.py", "0", core=1) as (_, upstream),
        program("relays.py", "ours", upstream, core=0) as (ours, our_port),
        program("relays.py", "aiohttp", upstream, core=0) as (theirs, their_port),
    ):
        our_rates, their_rates, our_chunks, their_chunks = [], [], [], []
        for _ in range(ROUNDS):
            our_rates.append(rate(our_port))
            their_rates.append(rate(their_port))
            our_chunks.append(per_chunk(ours, our_port))
            their_chunks.append(per_chunk(theirs, their_port))
        direct = rate(upstream)
    ratio = max(our_rates) / max(their_rates)
    return [
        Figure("requests/s through the relay", max(our_rates), "req/s", direct),
        Figure("… over aiohttp's client", ratio, "x", limit=2.5, at_least=True),
        Figure("CPU per streamed chunk", min(our_chunks), "µs", limit=25),
        Figure("… with aiohttp's client", min(their_chunks), "µs"),
    ]


def rate(port: str) -> float:
    """Requests/s with 32 connections that wait for nothing else."""
    return load("closed", port, PATH, "32", str(SECONDS), WHOLE)["rate"]


def per_chunk(process: subprocess.Popen[str], port: str) -> float:
    """Microseconds of CPU for each chunk of 200 streams at 50 chunks/s. Fails on a lost one."""
    before = cpu(process)
    told = load("streams", port, PATH, str(STREAMS), STREAM)
    used = cpu(process) - before
    if told["events"] != STREAMS * CHUNKS or told["whole"] != STREAMS:
        raise SystemExit(f"streams came incomplete: {told}")
    return used / told["events"] * 1e6
