import random
import secrets
import signal
import subprocess
import sys
import time

import psutil
import pytest

from paddock.engine import procfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

ROUNDS = 20
GONE_SECONDS = 1.0

DAEMON = """
import asyncio, sys
from pathlib import Path
from paddock.config.current import Current
from paddock.config.model_entry import ModelEntry
from paddock.config.schema import Config, EngineEntry
from paddock.engine.launcher import Launcher
from paddock.events import EventBus
from paddock.library.model import Model

folder, fake, mark = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

async def main():
    env = {"MARK": mark}
    entry = EngineEntry(llama_server=Path(fake), env=env, args="--fake load=0.2")
    settings = [
        ModelEntry(),
        ModelEntry(args="--fake grandchild=1"),
        ModelEntry(
            cmd=f"sh -c '{fake} --port ${{PORT}} -m {folder}/m.gguf & wait'", env=[f"MARK={mark}"]
        ),
    ]
    launcher = Launcher(Current(Config(engines={"fake": entry})), EventBus(), folder)
    await launcher.start()
    while True:
        instances = [
            launcher.new(Model(id=f"m{number}", path=folder / "m.gguf", settings=setting))
            for number, setting in enumerate(settings)
        ]
        starts = asyncio.gather(*(instance.start() for instance in instances))
        print("spawning", flush=True)
        while not all(instance.pid for instance in instances):
            await asyncio.sleep(0.001)
        print("loading", flush=True)
        await starts
        print("ready", flush=True)
        await asyncio.sleep(0.3)
        print("stopping", flush=True)
        await asyncio.gather(*(instance.stop() for instance in instances))

asyncio.run(main())
"""


def marked(mark):
    """Living processes that were started with the mark in their environment."""
    entry = f"MARK={mark}".encode()
    return [seen for seen in procfs.processes() if entry in procfs.environment(seen.pid)]


def alive(pid):
    seen = procfs.look(pid)
    return seen is not None and seen.alive


@pytest.fixture(scope="module")
def folder(tmp_path_factory, engine_cache):
    """One state folder for all rounds: each daemon finds what the one before it left."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "m.gguf").touch()
    (folder / "cache").symlink_to(engine_cache)
    return folder


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_killed_daemon_leaves_no_child_and_no_grandchild(number, folder, fake_llama_server):
    phase = ("spawning", "loading", "ready", "stopping")[number % 4]
    mark = secrets.token_hex(8)
    program = [sys.executable, "-c", DAEMON, str(folder), str(fake_llama_server), mark]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        while (said := daemon.stdout.readline().strip()) != phase:
            assert said, "the daemon ended by itself"
        time.sleep(random.uniform(0, 0.1))
        family = psutil.Process(daemon.pid).children(recursive=True)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        killed = time.monotonic()
    while survivors := [seen for seen in marked(mark) if seen.alive] or [
        process for process in family if alive(process.pid)
    ]:
        assert time.monotonic() - killed < GONE_SECONDS, survivors
        time.sleep(0.01)


def test_the_next_daemon_removes_the_notes_of_the_killed(folder, fake_llama_server):
    mark = secrets.token_hex(8)
    program = [sys.executable, "-c", DAEMON, str(folder), str(fake_llama_server), mark]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        while daemon.stdout.readline().strip() != "ready":
            pass
        noted = {int(path.stem) for path in (folder / "run").glob("*.json")}
        assert noted == {seen.pid for seen in marked(mark) if seen.pid == seen.group}
        daemon.kill()
