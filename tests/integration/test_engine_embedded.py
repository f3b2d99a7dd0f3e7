import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from paddock.config.schema import EngineEntry
from paddock.engine.placed import Placed
from paddock.errors import FailureKind, InstanceFailed

pytest.importorskip("xllamacpp")

PATIENCE = 60.0
EMBEDDED = {"engines": {"embedded": EngineEntry()}, "health_check_timeout": PATIENCE}


async def ask(instance, path, body, **kind):
    fetched = await instance.pool.fetch(
        "POST", path, body=json.dumps(body).encode(), timeout=PATIENCE, **kind
    )
    return fetched.status, fetched.body


async def failure_of(instance):
    with pytest.raises(InstanceFailed) as failed:
        await instance.start()
    return failed.value


async def test_it_loads_and_speaks_streaming_and_not(engineering, tiny_llama):
    launcher = await engineering.launcher(**EMBEDDED)
    instance = launcher.new(engineering.model(path=tiny_llama, parallel=2, context_length=512))
    await instance.start()
    assert (instance.engine, instance.slots) == ("embedded", 2)
    message = [{"role": "user", "content": "hello"}]
    chat = {"messages": message, "max_tokens": 4}
    status, body = await ask(instance, "/v1/chat/completions", chat)
    assert status == 200
    assert json.loads(body)["usage"]["completion_tokens"] == 4
    status, body = await ask(instance, "/v1/chat/completions", {**chat, "stream": True})
    assert status == 200
    assert body.endswith(b"data: [DONE]\n\n")
    props = json.loads((await instance.pool.fetch("GET", "/props", timeout=PATIENCE)).body)
    assert props["total_slots"] == 2
    assert props["default_generation_settings"]["n_ctx"] == 512


async def test_it_goes_by_a_plan(engineering, tiny_llama):
    words = "--device none --gpu-layers 0 --ctx-size 1024 --parallel 2 --no-kv-unified --fit off"
    placed = Placed(tuple(words.split()), 512, 2, "100% CPU", 0.0, "there is nothing else")
    launcher = await engineering.launcher(**EMBEDDED)
    instance = launcher.new(engineering.model(path=tiny_llama), placed)
    await instance.start()
    assert (instance.slots, instance.context) == (2, 512)
    assert words in " ".join(instance.argv)


async def test_it_refuses_a_wrong_key(engineering, tiny_llama):
    launcher = await engineering.launcher(**EMBEDDED)
    instance = launcher.new(engineering.model(path=tiny_llama))
    await instance.start()
    fetched = await instance.pool.fetch("GET", "/v1/models", timeout=PATIENCE, key="wrong")
    assert fetched.status == 401
    models = json.loads((await instance.pool.fetch("GET", "/v1/models", timeout=PATIENCE)).body)
    assert models["data"][0]["id"] == "m"


async def test_a_stop_in_the_middle_of_an_answer_is_quick(engineering, tiny_llama):
    launcher = await engineering.launcher(**EMBEDDED)
    instance = launcher.new(engineering.model(path=tiny_llama))
    await instance.start()
    body = {"prompt": "x", "n_predict": 100_000, "ignore_eos": True, "stream": True}
    asking = asyncio.ensure_future(ask(instance, "/completion", body))
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    await instance.stop()
    assert time.monotonic() - begin < 2
    assert not psutil.pid_exists(instance.pid)
    await asyncio.gather(asking, return_exceptions=True)


@pytest.fixture
def broken(tmp_path, tiny_llama):
    """A model file of the named kind that cannot be used."""

    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.gguf"
        if kind == "architecture":
            from tests.fakes.tiny_llama import write

            return write(path, architecture="mamba9")
        if kind != "missing":
            whole = tiny_llama.read_bytes()
            path.write_bytes({"text": b"hello world", "cut": whole[:-9000]}[kind])
        return path

    return make


@pytest.mark.parametrize(
    ("kind", "failure", "named"),
    [
        ("missing", FailureKind.FILE_MISSING, "missing.gguf"),
        ("text", FailureKind.FILE_CORRUPT, "magic"),
        ("cut", FailureKind.FILE_CORRUPT, "file bounds"),
        ("architecture", FailureKind.UNSUPPORTED_ARCHITECTURE, "'mamba9'"),
    ],
)
@pytest.mark.parametrize("engine", ["embedded", "real"])
async def test_a_file_that_cannot_be_used_is_classified(
    engineering, broken, request, engine, kind, failure, named
):
    entry = EngineEntry()
    if engine == "real":
        entry = EngineEntry(llama_server=request.getfixturevalue("real_llama_server"))
    launcher = await engineering.launcher(engines={"x": entry})
    args = "-dev none" if engine == "real" else ""
    failed = await failure_of(launcher.new(engineering.model(path=broken(kind), args=args)))
    assert failed.kind is failure
    assert named in failed.message


async def test_flags_it_does_not_take_are_refused_before_a_child_starts(engineering, tiny_llama):
    launcher = await engineering.launcher(**EMBEDDED)
    instance = launcher.new(engineering.model(path=tiny_llama, args="--rpc 127.0.0.1:1"))
    failed = await failure_of(instance)
    assert failed.kind is FailureKind.BAD_FLAG
    assert "--rpc" in failed.message
    assert instance.pid is None


async def test_a_taken_port_is_classified(tiny_llama, stranger_port):
    flags = ["-m", str(tiny_llama), "--port", str(stranger_port)]
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "paddock.engine.embedded", *flags],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
    )
    assert ended.returncode == 1
    assert b"couldn't bind HTTP server socket" in ended.stderr


@pytest.fixture
def stranger_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def child(tiny_llama):
    """The child program on its own, ready; ended after the test."""
    flags = ["-m", str(tiny_llama), "--host", "127.0.0.1", "--port", "0", "-c", "256"]
    program = [sys.executable, "-m", "paddock.engine.embedded", *flags]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while b"ready on" not in (line := process.stderr.readline()):
            assert line
        yield process
        process.kill()


def test_it_ends_when_its_stdin_does(child):
    child.stdin.close()
    assert child.wait(PATIENCE) == 1


def test_it_ends_clean_on_sigterm(child):
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(PATIENCE) == 0
