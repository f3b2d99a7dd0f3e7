import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest

from paddock.engine.placed import Placed
from paddock.engine.ports import LAST_PORT, PortOwner, Ports, owner
from paddock.errors import FailureKind, InstanceFailed
from paddock.events import InstanceState

PATIENCE = 20.0


async def until(true, *, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def state_of(instance):
    """What the fake tells of itself."""
    fetched = await instance.pool.fetch("GET", "/fake/state", timeout=PATIENCE)
    return json.loads(fetched.body)


async def failure_of(instance):
    with pytest.raises(InstanceFailed) as failed:
        await instance.start()
    assert instance.state is InstanceState.FAILED
    assert instance.exited.result() is failed.value
    return failed.value


async def test_a_start_ends_ready_and_a_stop_ends_with_nothing(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(parallel=3))
    await instance.start()
    assert (instance.engine, instance.slots) == ("fake", 3)
    assert instance.ready_at >= instance.started_at
    pid = instance.pid
    assert alive(pid)
    await instance.stop()
    assert instance.state is InstanceState.STOPPED
    assert instance.exited.result() is None
    assert instance.pool is None
    assert not psutil.pid_exists(pid)
    assert [event.state for event in engineering.events] == [
        InstanceState.STARTING,
        InstanceState.READY,
        InstanceState.STOPPING,
        InstanceState.STOPPED,
    ]


async def test_a_start_goes_by_its_plan(engineering):
    words = ("--device", "Vulkan1", "--ctx-size", "1024", "--parallel", "2", "--no-kv-unified")
    placed = Placed(words, 512, 2, "100% GPU", 1.0, "it fits")
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(parallel=3), placed)
    assert instance.placed is placed
    await instance.start()
    assert instance.slots == 2
    assert " ".join(words) in " ".join((await state_of(instance))["argv"])


async def test_the_child_gets_what_it_needs_and_no_secret_in_its_arguments(
    engineering, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "1")
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(env=["MINE=1"], args="--metrics"))
    await instance.start()
    state = await state_of(instance)
    assert state["argv"][-1] == "--metrics"
    assert state["env"]["MINE"] == "1"
    assert state["env"]["GGML_NO_BACKTRACE"] == "1"
    assert not {"HF_TOKEN", "LLAMA_ARG_CTX_SIZE"} & state["env"].keys()
    key = state["env"]["LLAMA_API_KEY"]
    assert len(key) >= 32
    assert key not in " ".join(psutil.Process(instance.pid).cmdline())
    refused = await instance.pool.fetch("GET", "/props", timeout=PATIENCE, key="wrong")
    assert refused.status == 401


async def test_two_instances_share_neither_key_nor_port(engineering):
    launcher = await engineering.launcher()
    instances = [launcher.new(engineering.model(name)) for name in ("a", "b")]
    await asyncio.gather(*(instance.start() for instance in instances))
    keys = {(await state_of(instance))["env"]["LLAMA_API_KEY"] for instance in instances}
    assert len(keys) == len({instance.pool.address.port for instance in instances}) == 2
    assert len({instance.id for instance in instances}) == 2


async def test_progress_is_told_and_its_lines_are_not_output(engineering):
    launcher = await engineering.launcher("load=1", "steps=40")
    instance = launcher.new(engineering.model())
    await instance.start()
    told = [event.progress for event in engineering.events if event.progress is not None]
    assert told == sorted(told)
    assert 3 <= len(told) <= 8
    assert not any("cmd_child" in line for line in instance.output.tail())
    assert any("model loaded" in line for line in instance.output.tail())


async def test_progress_puts_the_deadline_off(engineering):
    launcher = await engineering.launcher("load=3", "steps=30", health_check_timeout=2)
    await launcher.new(engineering.model()).start()


async def test_a_load_that_stalls_fails_after_its_limit(engineering):
    launcher = await engineering.launcher("never_ready=1")
    instance = launcher.new(engineering.model(health_check_timeout=1))
    begin = time.monotonic()
    failure = await failure_of(instance)
    assert failure.kind is FailureKind.TIMEOUT
    assert 1 <= time.monotonic() - begin < 5
    assert not psutil.pid_exists(instance.pid)


@pytest.mark.parametrize("switch", ["hang=1", "silent=1"])
async def test_a_child_that_never_answers_fails_too(engineering, switch):
    launcher = await engineering.launcher(switch)
    failure = await failure_of(launcher.new(engineering.model(health_check_timeout=1)))
    assert failure.kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    ("die", "kind", "named", "exit_code"),
    [
        (["die=oom"], FailureKind.OUT_OF_MEMORY, "memory", 1),
        (["die=vulkan"], FailureKind.OUT_OF_MEMORY, "memory", 1),
        (["die=cuda"], FailureKind.OUT_OF_MEMORY, "memory", 1),
        (["die=arch"], FailureKind.UNSUPPORTED_ARCHITECTURE, "mamba9", 1),
        (["die=corrupt"], FailureKind.FILE_CORRUPT, "corrupted", 1),
        (["die=missing"], FailureKind.FILE_MISSING, "gone.gguf", 1),
        (["die=abort"], FailureKind.SIGNAL, "GGML_ASSERT", -6),
        (["die=signal"], FailureKind.SIGNAL, "SIGSEGV", -11),
        (["die=signal", "signal=9"], FailureKind.OUT_OF_MEMORY, "killed", -9),
        (["die=exit", "code=42"], FailureKind.EXITED, "42", 42),
    ],
)
async def test_a_death_while_loading_is_classified(engineering, die, kind, named, exit_code):
    launcher = await engineering.launcher(*die, "load=0.05")
    failure = await failure_of(launcher.new(engineering.model()))
    assert failure.kind is kind
    assert named in failure.message
    assert failure.model == "m"
    last = engineering.events[-1]
    assert (last.state, last.exit_code) == (InstanceState.FAILED, exit_code)
    assert last.reason == failure.message


async def test_a_death_is_seen_at_once_and_not_by_polling(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model())
    await instance.start()
    begin = time.monotonic()
    os.kill(instance.pid, signal.SIGSEGV)
    failure = await asyncio.wait_for(asyncio.shield(instance.exited), PATIENCE)
    assert time.monotonic() - begin < 1
    assert failure.kind is FailureKind.SIGNAL
    assert instance.state is InstanceState.FAILED
    assert instance.pool is None
    await instance.stop()
    assert instance.state is InstanceState.FAILED


async def test_a_failure_brings_the_last_lines_of_this_life_only(engineering):
    launcher = await engineering.launcher("chatter=200", "die=exit")
    first = await failure_of(launcher.new(engineering.model()))
    second = await failure_of(launcher.new(engineering.model()))
    assert len(first.output) == len(second.output) == 50
    silent = await failure_of(launcher.new(engineering.model(args="--nonsense")))
    assert silent.output == ()


async def test_a_flag_that_the_engine_does_not_know_starts_nothing(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(args="--mlock"))
    failure = await failure_of(instance)
    assert failure.kind is FailureKind.BAD_FLAG
    assert "--mlock" in failure.message
    assert "--load-mode mlock" in failure.hint
    assert instance.pid is None


@pytest.mark.parametrize("flag", ["--api-key=canary", "--apikey=canary", "--api_key canary"])
async def test_a_refused_flag_does_not_tell_its_secret(engineering, flag):
    command = f"/bin/sh -c 'echo error: invalid argument: \"$*\"; exit 1' x {flag}"
    launcher = await engineering.launcher(models={"m": {"cmd": command}})
    for model in engineering.model(args=flag), engineering.model(cmd=command):
        failure = await failure_of(launcher.new(model))
        assert failure.kind is FailureKind.BAD_FLAG
        assert "canary" not in f"{failure.message} {failure.hint} {failure.output}"
    assert failure.output


async def test_an_engine_that_is_not_there_says_so(engineering):
    launcher = await engineering.launcher(engines={"x": {"llama_server": "/nowhere/llama-server"}})
    failure = await failure_of(launcher.new(engineering.model()))
    assert failure.kind is FailureKind.NOT_EXECUTABLE
    assert "/nowhere/llama-server" in failure.message


async def test_a_program_that_is_no_llama_server_says_so(engineering):
    launcher = await engineering.launcher(engines={"x": {"llama_server": "/bin/true"}})
    failure = await failure_of(launcher.new(engineering.model()))
    assert "does not look like a llama-server" in failure.message


async def test_a_file_that_went_away_is_named(engineering):
    launcher = await engineering.launcher()
    gone = engineering.folder / "gone.gguf"
    failure = await failure_of(launcher.new(engineering.model(path=gone)))
    assert failure.kind is FailureKind.FILE_MISSING
    assert str(gone) in failure.message


async def test_a_port_that_is_always_taken_is_tried_four_times(engineering):
    launcher = await engineering.launcher("die=bind")
    instance = launcher.new(engineering.model())
    failure = await failure_of(instance)
    assert failure.kind is FailureKind.PORT_TAKEN
    started = [line for line in instance.output.tail() if "starts" in line]
    assert len(started) == len(set(started)) == 4


async def test_a_port_taken_once_is_replaced(engineering, tmp_path):
    once = tmp_path / "once"
    script = tmp_path / "llama-server"
    script.write_text(
        f'#!/bin/sh\nif [ "$1" = --model ] && mkdir {once} 2>/dev/null; then\n'
        f'  exec {engineering.fake} "$@" --fake die=bind\nfi\n'
        f'exec {engineering.fake} "$@"\n'
    )
    script.chmod(0o755)
    launcher = await engineering.launcher(engines={"x": {"llama_server": str(script)}})
    instance = launcher.new(engineering.model())
    await instance.start()
    assert once.exists()
    assert [event.state for event in engineering.events] == [
        InstanceState.STARTING,
        InstanceState.READY,
    ]


STRANGER = """
import socket, sys, time
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen()
print("listening", flush=True)
while True:
    client, _ = server.accept()
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    client.close()
"""
"""Answers 200 to everything, as another program on the port would."""


@contextmanager
def strange_program(port):
    program = [sys.executable, "-c", STRANGER, str(port)]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.kill()


@pytest.fixture
def stranger():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with strange_program(port):
        yield port


async def test_a_stranger_on_the_port_of_a_child_is_never_trusted(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(cmd="/bin/sleep 300 ${PORT}"))
    starting = asyncio.create_task(instance.start())
    await until(lambda: instance.argv)
    port = instance.argv[-1]
    with strange_program(port):
        await until(lambda: instance.argv[-1] != port)
    await instance.stop()
    with pytest.raises(InstanceFailed):
        await starting


async def test_a_stranger_who_answered_and_has_left_is_not_trusted(engineering):
    launcher = await engineering.launcher(health_check_timeout=1)
    instance = launcher.new(engineering.model(cmd="/bin/sleep 300 ${PORT}"))
    starting = asyncio.create_task(instance.start())
    await until(lambda: instance.argv)
    asked = asyncio.Event()

    async def answer_and_leave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        server.close()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        asked.set()

    server = await asyncio.start_server(answer_and_leave, "127.0.0.1", int(instance.argv[-1]))
    with pytest.raises(InstanceFailed) as failed:
        await starting
    assert asked.is_set()
    assert failed.value.kind is FailureKind.TIMEOUT


async def test_a_fixed_port_may_be_managed_by_others(engineering, stranger):
    launcher = await engineering.launcher()
    model = engineering.model(cmd="/bin/sleep 300", proxy=f"http://127.0.0.1:{stranger}")
    instance = launcher.new(model)
    await instance.start()
    assert str(stranger) in instance.address
    assert (await instance.pool.fetch("GET", "/", timeout=PATIENCE)).body == b"{}"


async def test_a_child_that_takes_any_key_is_never_trusted(engineering):
    launcher = await engineering.launcher("stranger=1")
    failure = await failure_of(launcher.new(engineering.model()))
    assert failure.kind is FailureKind.PORT_TAKEN


async def test_one_that_dies_when_it_is_asked_is_dead_and_not_a_stranger(engineering):
    launcher = await engineering.launcher("crash_request=1", "code=7")
    instance = launcher.new(engineering.model())
    failure = await failure_of(instance)
    assert failure.kind is FailureKind.EXITED
    assert "code 7" in failure.message
    assert sum("starts" in line for line in instance.output.tail()) == 1


def test_the_owner_of_a_port_is_told(stranger):
    assert owner(stranger, os.getpid()) is PortOwner.CHILD  # it descends from us
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with subprocess.Popen(["/bin/sleep", "300"]) as sleeper:
            assert owner(listener.getsockname()[1], sleeper.pid) is PortOwner.STRANGER
            sleeper.kill()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        assert owner(silent.getsockname()[1], os.getpid()) is PortOwner.UNKNOWN


def test_no_port_is_given_twice_at_once():
    ports = Ports()
    taken = [ports.take() for _ in range(500)]
    assert len(set(taken)) == 500
    for port in taken:
        ports.give_back(port)


async def test_a_command_of_the_owner_runs(engineering):
    launcher = await engineering.launcher()
    cmd = f"""
        # the owner's own server
        {engineering.fake} \\
          --port ${{PORT}} -m {engineering.file} --alias ${{MODEL_ID}}
    """
    instance = launcher.new(engineering.model(cmd=cmd, concurrency_limit=4, env=["MINE=${PORT}"]))
    await instance.start()
    assert (instance.engine, instance.slots) == ("command", 4)
    state = await state_of(instance)
    assert state["env"]["MINE"] == str(instance.pool.address.port)
    assert "m" in state["argv"]
    await instance.stop()
    assert instance.exited.result() is None


async def test_a_command_behind_a_wrapper_is_trusted(engineering, tmp_path):
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\n{engineering.fake} "$@" &\nwait\n')
    wrapper.chmod(0o755)
    launcher = await engineering.launcher()
    cmd = f"{wrapper} --port ${{PORT}} -m {engineering.file}"
    instance = launcher.new(engineering.model(cmd=cmd))
    await instance.start()
    inner = (await state_of(instance))["pid"]
    assert inner != instance.pid
    await instance.stop()
    assert not alive(inner)


async def test_a_command_without_a_check_is_ready_at_once(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(cmd="/bin/sleep 300", check_endpoint="none"))
    await instance.start()
    assert instance.state is InstanceState.READY


async def test_a_command_without_a_free_port_may_be_tried_again(engineering):
    first = 65000
    launcher = await engineering.launcher(start_port=first)
    instance = launcher.new(engineering.model(cmd="/bin/sleep ${PORT}"))
    with ExitStack() as others:
        for port in range(first, LAST_PORT + 1):
            with suppress(OSError):  # it is taken already
                others.enter_context(socket.socket()).bind(("127.0.0.1", port))
        failure = await failure_of(instance)
    assert failure.kind is FailureKind.PORT_TAKEN
    assert "startPort" in failure.hint
    assert instance.state is InstanceState.FAILED


async def test_a_command_that_is_not_there_is_named(engineering):
    launcher = await engineering.launcher()
    failure = await failure_of(launcher.new(engineering.model(cmd="/nowhere/run")))
    assert failure.kind is FailureKind.NOT_EXECUTABLE
    assert "/nowhere/run" in failure.message


async def test_cancelling_a_start_ends_the_child(engineering):
    launcher = await engineering.launcher("never_ready=1")
    instance = launcher.new(engineering.model())
    start = asyncio.ensure_future(instance.start())
    await until(lambda: instance.pid is not None)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert not psutil.pid_exists(instance.pid)
    assert instance.exited.result() is None
    assert instance.state is InstanceState.STOPPED


async def test_stopping_a_start_ends_both(engineering):
    launcher = await engineering.launcher("never_ready=1")
    instance = launcher.new(engineering.model())
    start = asyncio.ensure_future(instance.start())
    await until(lambda: instance.pid is not None)
    await asyncio.gather(instance.stop(), instance.stop())
    with pytest.raises(InstanceFailed, match="stopped while it was loading"):
        await start
    assert not psutil.pid_exists(instance.pid)
    assert instance.exited.result() is None


@pytest.mark.parametrize("moments", range(12))
async def test_a_stop_is_safe_at_any_moment(engineering, moments):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model())
    start = asyncio.ensure_future(instance.start())
    for _ in range(moments):
        await asyncio.sleep(0.01)
    await instance.stop()
    await asyncio.gather(start, return_exceptions=True)
    assert instance.state is InstanceState.STOPPED
    assert instance.pid is None or not psutil.pid_exists(instance.pid)


async def test_an_instance_lives_once(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model())
    await instance.stop()
    with pytest.raises(RuntimeError, match="once"):
        await instance.start()


async def test_a_stop_does_not_wait_for_clients(engineering):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model())
    await instance.start()
    body = json.dumps({"prompt": "x", "fake": {"hang_after": 1}}).encode()
    asking = asyncio.ensure_future(
        instance.pool.fetch("POST", "/completion", body=body, timeout=PATIENCE)
    )
    await asyncio.sleep(0.2)
    begin = time.monotonic()
    await instance.stop()
    assert time.monotonic() - begin < 1.5
    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], Exception)


async def test_a_child_that_ignores_sigterm_is_gone_after_its_grace(engineering):
    launcher = await engineering.launcher(unload_timeout=0.5)
    cmd = f"{engineering.fake} --port ${{PORT}} -m {engineering.file}"
    instance = launcher.new(engineering.model(cmd=f"{cmd} --fake ignore_term=1"))
    await instance.start()
    begin = time.monotonic()
    await instance.stop()
    assert 0.5 <= time.monotonic() - begin < 2
    assert not psutil.pid_exists(instance.pid)


async def test_a_grandchild_that_holds_the_output_does_not_hold_up_a_stop(engineering):
    launcher = await engineering.launcher("grandchild=1")
    instance = launcher.new(engineering.model())
    await instance.start()
    grandchild = (await state_of(instance))["grandchild"]
    assert alive(grandchild)
    begin = time.monotonic()
    await instance.stop()
    assert time.monotonic() - begin < 2
    assert not alive(grandchild)


async def test_a_crash_takes_the_grandchildren_along(engineering):
    launcher = await engineering.launcher("grandchild=1")
    instance = launcher.new(engineering.model())
    await instance.start()
    grandchild = (await state_of(instance))["grandchild"]
    os.kill(instance.pid, signal.SIGKILL)
    await asyncio.wait_for(asyncio.shield(instance.exited), PATIENCE)
    assert not alive(grandchild)


async def test_closing_the_launcher_stops_all_at_once(engineering):
    launcher = await engineering.launcher()
    instances = [launcher.new(engineering.model(name)) for name in ("a", "b", "c")]
    starts = [asyncio.ensure_future(instance.start()) for instance in instances[:2]]
    await asyncio.gather(*starts)
    await launcher.aclose()
    await launcher.aclose()
    assert {instance.state for instance in instances} == {InstanceState.STOPPED}
    with pytest.raises(RuntimeError, match="closed"):
        launcher.new(engineering.model())


async def test_output_outlives_the_instance_and_is_written_down(engineering):
    launcher = await engineering.launcher("chatter=3")
    assert launcher.output("m").tail() == ()
    instance = launcher.new(engineering.model())
    await instance.start()
    with instance.output.subscribe() as follower:
        assert "starts" in await anext(aiter(follower))
    await instance.stop()
    assert "chatter 2" in launcher.output("m").tail()
    await launcher.aclose()
    text = (engineering.folder / "state" / "logs" / "m.log").read_text()
    assert text.splitlines()[1:4] == ["chatter 0", "chatter 1", "chatter 2"]


async def test_a_program_is_asked_once_and_remembered_by_the_next_daemon(engineering, tmp_path):
    asked = tmp_path / "asked"
    script = tmp_path / "llama-server"
    script.write_text(f'#!/bin/sh\necho "$1" >> {asked}\nexec {engineering.fake} "$@"\n')
    script.chmod(0o755)
    for _ in range(2):
        launcher = await engineering.launcher(engines={"x": {"llama_server": str(script)}})
        for _ in range(2):
            instance = launcher.new(engineering.model())
            await instance.start()
            await instance.stop()
    assert asked.read_text().split() == ["--version", "--help"] + ["--model"] * 4
    os.utime(script, ns=(1, 1))
    await launcher.new(engineering.model()).start()
    assert asked.read_text().split().count("--help") == 2


async def test_many_lives_leave_nothing_open(engineering):
    launcher = await engineering.launcher()
    here = psutil.Process()
    counts = []
    for _ in range(20):
        instance = launcher.new(engineering.model())
        await instance.start()
        await instance.stop()
        counts.append(here.num_fds())
    assert max(counts[5:]) - min(counts[5:]) <= 2
    assert all(child.status() != psutil.STATUS_ZOMBIE for child in here.children())
    assert len(here.children()) == 1  # the guard
