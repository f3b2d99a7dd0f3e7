"""What the real engine says that a model takes: its own buffer lines, by device and kind."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

BUFFER = re.compile(r"(\w+) (model|KV|RS|compute|output) buffer size = *([0-9]+(?:\.[0-9]+)?) MiB")
KINDS = {"model": "weights", "KV": "kv", "RS": "kv", "compute": "compute", "output": "compute"}
MIB = 1 << 20


class Told(NamedTuple):
    """MiB by device (`host` for the machine's own memory) and kind: weights, kv, compute."""

    memory: dict[str, dict[str, float]]
    log: str


def loaded(program: Path, model: Path, folder: Path, flags: Sequence[str], devices: str) -> Told:
    """Load `model` on these software GPUs (`0,0`; "" for none) until all buffers are told.

    The child is killed there. Its weights are read, so they should be few or sparse.
    """
    socket = folder / "x.sock"
    socket.unlink(missing_ok=True)  # a killed child leaves it behind
    command = [str(program), "-m", str(model), "--host", str(socket), "--no-warmup"]
    command += ["-lv", "4", "--fit", "off", "--load-mode", "none", *flags]
    told: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    lines = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(folder, devices),
    ) as child:
        try:
            assert child.stderr is not None
            for line in child.stderr:
                lines.append(line)
                if found := BUFFER.search(line):
                    told[_place(found[1])][KINDS[found[2]]] += float(found[3])
                if "reserve took" in line:
                    break
            else:
                raise AssertionError("".join(lines[-30:]))
        finally:
            child.kill()
    return Told({place: dict(kinds) for place, kinds in told.items()}, "".join(lines))


def _place(buffer: str) -> str:
    return "host" if buffer.startswith("CPU") or buffer.endswith("_Host") else buffer


def _environment(folder: Path, devices: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GGML_NO_BACKTRACE": "1",
        "GGML_VK_VISIBLE_DEVICES": devices,
    }
