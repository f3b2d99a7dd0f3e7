"""After `kill -9` of the daemon nothing of it is left, whatever it was doing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.fakes.caller import Crowd, lives, seconds_until
from tests.fakes.house import House

ROUNDS = 20
LIMIT = 2.0
"""Generous: what is aimed at is 1 s."""

PHASES = ("spawn", "load", "ready", "stream", "stop")


def marked(house: House) -> set[int]:
    """Every living process that was started for this house, by its environment or arguments."""
    mark = os.fsencode(house.folder)
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if mark in told and lives(int(folder.name)):
            found.add(int(folder.name))
    return found


def brought_to(phase: str, house: House, crowd: Crowd) -> None:
    """Let three children be on their way, or the daemon on its way out."""
    slow = "load=600" if phase == "load" else ""
    switches = "tokens=1000000 tps=20" if phase in {"stream", "stop"} else ""
    models = {"llama-c": {"args": "--fake grandchild=1 --fake ignore_term=1"}}
    if slow:
        models["llama-b"] = {"args": f"--fake {slow}"}
    house.start(house.config(maxLoadedModels=3, models=models, drainTimeout=1))
    asked = [crowd.ask(f"llama-{letter}", switches) for letter in "abc"]
    if phase == "ready":
        for caller in asked:
            caller.finish()
    elif phase in {"stream", "stop"}:
        for caller in asked:
            caller.until("t0 ")
    if phase == "stop":
        house.signal(signal.SIGTERM)


def test_nothing_survives_the_daemon(house: House, crowd: Crowd) -> None:
    for letter in "abc":
        house.add(f"llama-{letter}")
    chance = random.Random(5)
    killed_at: dict[str, int] = {}
    for number in range(ROUNDS):
        phase = PHASES[number % len(PHASES)]
        brought_to(phase, house, crowd)
        time.sleep(chance.uniform(0, 0.4))
        theirs = {child.pid for child in psutil.Process(house.pid).children(recursive=True)}
        house.signal(signal.SIGKILL)
        assert house.wait() == -signal.SIGKILL
        seconds_until(lambda: not any(map(lives, theirs)) and not marked(house), LIMIT)  # noqa: B023
        killed_at[phase] = max(killed_at.get(phase, 0), len(theirs))
    assert all(killed_at[phase] >= 4 for phase in ("ready", "stream")), killed_at


def test_the_next_daemon_starts_as_if_nothing_had_happened(house: House, crowd: Crowd) -> None:
    house.add("llama-a")
    house.start()
    crowd.ask("llama-a", "tokens=1000000 tps=20").until("t0 ")
    house.signal(signal.SIGKILL)
    house.wait()

    house.start()

    assert house.chat("llama-a").status == 200
    assert house.stop() == 0


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"], process_group=0)
    yield process
    process.kill()
    process.wait()


def test_a_stranger_with_a_childs_old_number_is_left_alone(
    house: House, stranger: subprocess.Popen[bytes]
) -> None:
    house.add("llama-a")
    house.start()
    house.chat("llama-a")
    (noted,) = [path for path in house.state.rglob("*.json") if path.stem.isdigit()]
    entry = json.loads(noted.read_text())
    house.signal(signal.SIGKILL)
    house.wait()
    seconds_until(lambda: not lives(entry["pid"]))
    noted.unlink(missing_ok=True)
    left = noted.with_name(f"{stranger.pid}.json")
    left.write_text(json.dumps(entry | {"pid": stranger.pid}))

    house.start()

    assert house.chat("llama-a").status == 200
    assert not left.exists()
    assert stranger.poll() is None
