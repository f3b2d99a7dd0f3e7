"""A plan for a model of 80 layers: from its header, and when that is known."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fakes.architectures import llama

from bench.figure import Figure
from paddock.hardware.devices import Device
from paddock.library.gguf import read_header
from paddock.memory.placement import place
from paddock.memory.shape import Shape, shape_of
from paddock.memory.terms import Terms

MIB = 1 << 20
ROUNDS = 20
FREE = {"whole": 8000, "split": 1700, "split, less context": 800, "hybrid": 500, "processor": 100}
"""MiB on each of two devices, by where the model then goes."""
LIMIT = 5.0


def measure() -> list[Figure]:
    """Milliseconds of one processor; the least of some rounds."""
    with TemporaryDirectory(prefix="paddock-bench-") as folder:
        path = llama(80).write(Path(folder) / "m.gguf")
        header = read_header(path)
        known = shape_of([header])
        read = _least(lambda _: shape_of([read_header(path)]))
    plans = [
        Figure(
            f"plan, 80 layers, two GPUs: {where}", _least(_planned(known, free)), "ms", limit=LIMIT
        )
        for where, free in FREE.items()
    ]
    return [Figure("header of 80 layers read, and its shape", read, "ms"), *plans]


def _planned(shape: Shape, free: int) -> Callable[[int], object]:
    devices = [Device(f"Vulkan{n}", "a card", 9000 * MIB, free * MIB) for n in range(2)]
    terms = Terms(8192, slots=2)
    # Other batches each time: sums that a plan before has left are of no use.
    return lambda turn: place(shape, replace(terms, ubatch=512 - turn), devices, 9000 * MIB)


def _least(work: Callable[[int], object]) -> float:
    taken = []
    for turn in range(ROUNDS):
        started = time.process_time()
        work(turn)
        taken.append(time.process_time() - started)
    return min(taken) * 1000
