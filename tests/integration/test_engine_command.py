"""Commands of the owner: how they start, how they are asked to end, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psutil
import pytest

from paddock.errors import FailureKind, InstanceFailed
from paddock.events import InstanceState

PATIENCE = 20.0
SERVE = "{fake} --port ${{PORT}} -m {file}"


async def until(true, *, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def script(tmp_path):
    """Makes programs of shell text; `$READY` in it is a file to touch."""

    def write(text, name="run"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\nREADY={tmp_path}/ready\n{text}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def ready(tmp_path):
    return tmp_path / "ready"


@pytest.fixture
async def running(engineering, ready):
    """Starts a command without a check and returns once it says that it runs."""

    async def start(cmd, **settings):
        launcher = await engineering.launcher()
        instance = launcher.new(engineering.model(cmd=str(cmd), check_endpoint="none", **settings))
        await instance.start()
        await until(ready.exists)
        return instance

    return start


@pytest.fixture
def served(engineering):
    """A command that runs the fake llama-server, with more words after it."""

    def command(*words):
        return " ".join((SERVE.format(fake=engineering.fake, file=engineering.file), *words))

    return command


# --- starting -------------------------------------------------------------------------------------


async def test_ports_begin_at_start_port_and_stay_with_their_models(engineering, served):
    launcher = await engineering.launcher(start_port=23700)
    models = [engineering.model(name, cmd=served()) for name in ("b", "a")]
    seen = []
    for _ in range(2):
        instances = [launcher.new(model) for model in models]
        for instance in instances:
            await instance.start()
        seen.append([instance.pool.address.port for instance in instances])
        for instance in instances:
            await instance.stop()
    assert seen[0] == seen[1]
    assert 23700 <= seen[0][0] < seen[0][1] < 23800


async def test_the_path_of_the_proxy_is_in_front_of_every_request(engineering, served):
    launcher = await engineering.launcher()
    proxy = "http://localhost:${PORT}/fake/"
    instance = launcher.new(engineering.model(cmd=served(), proxy=proxy, check_endpoint="state"))
    await instance.start()
    assert instance.address.endswith("/fake")
    assert (await instance.pool.fetch("GET", "/state", timeout=PATIENCE)).status == 200


@pytest.mark.parametrize("words", [(), ("--api-key", "mine")], ids=["our key", "its own key"])
async def test_a_llama_server_behind_a_command_is_asked_with_its_key(engineering, served, words):
    launcher = await engineering.launcher()
    instance = launcher.new(engineering.model(cmd=served(*words)))
    await instance.start()
    assert (await instance.pool.fetch("GET", "/props", timeout=PATIENCE)).status == 200
    refused = await instance.pool.fetch("GET", "/props", timeout=PATIENCE, key="wrong")
    assert refused.status == 401


@pytest.mark.parametrize("status", [404, 500, 204])
async def test_only_200_is_ready(engineering, script, status):
    serve = script(
        "exec python3 -c '"
        "import http.server, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "  def do_GET(self): self.send_response(int(sys.argv[2])); self.end_headers()\n"
        'http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()'
        '\' "$1" "$2"'
    )
    launcher = await engineering.launcher()
    instance = launcher.new(
        engineering.model(cmd=f"{serve} ${{PORT}} {status}", health_check_timeout=1)
    )
    with pytest.raises(InstanceFailed) as failed:
        await instance.start()
    assert failed.value.kind is FailureKind.TIMEOUT


async def test_one_that_ends_before_it_is_ready_failed_with_its_last_words(engineering, script):
    launcher = await engineering.launcher()
    cmd = f"{script('echo first; echo the reason >&2; exit 3')} ${{PORT}}"
    with pytest.raises(InstanceFailed) as failed:
        await launcher.new(engineering.model(cmd=cmd)).start()
    assert "3" in failed.value.message
    assert set(failed.value.output) >= {"first", "the reason"}


async def test_a_stop_while_it_starts_ends_the_start(engineering, script, ready):
    launcher = await engineering.launcher()
    cmd = f"{script('touch $READY; exec sleep 300')} ${{PORT}}"
    instance = launcher.new(engineering.model(cmd=cmd))
    starting = asyncio.create_task(instance.start())
    await until(ready.exists)
    await instance.stop()
    with pytest.raises(InstanceFailed):
        await starting
    assert instance.state is InstanceState.STOPPED
    assert not psutil.pid_exists(instance.pid)


# --- stopping -------------------------------------------------------------------------------------

WAITING = "while :; do sleep 0.05; done"


@pytest.mark.parametrize("stops", [1, 2, 5])
async def test_stops_at_once_or_again_are_one(running, script, stops):
    instance = await running(script("touch $READY; exec sleep 300"))
    await asyncio.gather(*(instance.stop() for _ in range(stops)))
    await instance.stop()
    assert instance.exited.result() is None
    assert not psutil.pid_exists(instance.pid)


@pytest.mark.parametrize(
    ("program", "least", "most"),
    [
        (f"touch $READY; {WAITING}", 0, 2),
        (f"trap 'sleep 0.6; exit 0' TERM; touch $READY; {WAITING}", 0.6, 2),
        (f"trap '' TERM; touch $READY; {WAITING}", 2, 6),
        (f"trap '' TERM; sh -c \"trap '' TERM; {WAITING}\" & touch $READY; {WAITING}", 2, 6),
    ],
    ids=["polite", "slow", "deaf", "deaf with a child"],
)
async def test_it_has_its_own_unload_timeout(running, script, program, least, most):
    instance = await running(script(program), unload_timeout=2)
    begin = time.monotonic()
    await instance.stop()
    assert least <= time.monotonic() - begin < most + 5
    assert not psutil.pid_exists(instance.pid)
    assert instance.state is InstanceState.STOPPED


async def test_a_runaway_that_holds_its_output_does_not_hold_up_its_end(running, script, tmp_path):
    note = tmp_path / "pid"
    away = f"setsid sh -c 'echo $$ >{note}; touch $READY; exec sleep 300' & exec sleep 300"
    instance = await running(script(f"export READY; {away}"))
    begin = time.monotonic()
    await instance.stop()
    assert time.monotonic() - begin < 8
    os.kill(int(note.read_text()), signal.SIGKILL)


async def test_a_wrapper_ends_with_all_it_started(engineering, served, script):
    launcher = await engineering.launcher()
    wrapper = script('"$@" &\nchild=$!\nwait $child')
    instance = launcher.new(engineering.model(cmd=f"{wrapper} {served()}"))
    await instance.start()
    below = psutil.Process(instance.pid).children(recursive=True)
    assert below
    await instance.stop()
    assert not any(alive(process.pid) for process in below)


async def test_cmd_stop_ends_it_by_its_pid(running, script, tmp_path):
    done = tmp_path / "done"
    program = script(f"trap 'touch {done}; exit 0' INT; trap '' TERM; touch $READY; {WAITING}")
    instance = await running(program, cmd_stop="kill -INT ${PID}", unload_timeout=15)
    begin = time.monotonic()
    await instance.stop()
    assert done.exists()
    assert time.monotonic() - begin < 10
    assert instance.exited.result() is None


async def test_cmd_stop_is_no_shell_and_knows_port_and_environment(running, script, tmp_path):
    said = tmp_path / "said"
    stop = script(f'echo "$1 $2 $MINE" >{said}; kill "$3"', "stop")
    instance = await running(
        script("touch $READY; exec sleep 300 $1").as_posix() + " 0 ${PORT}",
        cmd_stop=f"# ends it\n{stop} \\\n  '$HOME;' ${{PORT}} ${{PID}}",
        env=["MINE=yes"],
    )
    await instance.stop()
    assert said.read_text().split() == ["$HOME;", instance.argv[-1], "yes"]


async def test_the_rest_of_a_wrapper_ends_politely_when_cmd_stop_ended_it(
    running, script, tmp_path
):
    done = tmp_path / "done"
    inner = script(f"trap 'sleep 0.3; touch {done}; exit' TERM; touch $READY; {WAITING}", "inner")
    instance = await running(script(f"{inner} & wait"), cmd_stop="kill -KILL ${PID}")
    await instance.stop()
    assert done.exists()


@pytest.mark.parametrize(
    ("cmd_stop", "told"),
    [
        ("/nowhere/stop ${PID}", "failed with code 127"),
        ("false", "failed with code 1"),
        ("sh -c 'echo its words; exit 9'", "failed with code 9"),
        ("sleep 300", "not ended after 1 s"),
        ("sh -c 'sleep 300 & sleep 300'", "not ended after 1 s"),
        ("true", None),
        ("sh -c 'unclosed", "cannot start"),
    ],
)
async def test_where_cmd_stop_does_not_help_signals_do(running, script, cmd_stop, told):
    program = script("touch $READY; exec sleep 300")
    instance = await running(program, cmd_stop=cmd_stop, unload_timeout=1)
    begin = time.monotonic()
    await instance.stop()
    assert time.monotonic() - begin < 10
    assert not psutil.pid_exists(instance.pid)
    lines = instance.output.tail()
    assert told is None or any(told in line for line in lines)
    assert ("its words" in lines) is ("its words" in cmd_stop)


async def test_cmd_stop_runs_when_it_does_not_get_ready_too(engineering, script, tmp_path):
    done = tmp_path / "done"
    stop = script(f"touch {done}; kill $1", "stop")
    launcher = await engineering.launcher()
    model = engineering.model(
        cmd="sleep 300 ${PORT}", cmd_stop=f"{stop} ${{PID}}", health_check_timeout=1
    )
    with pytest.raises(InstanceFailed):
        await launcher.new(model).start()
    assert done.exists()


async def test_cmd_stop_does_not_run_for_one_that_died(running, script, tmp_path):
    done = tmp_path / "done"
    program = script("touch $READY; exec sleep 300")
    instance = await running(program, cmd_stop=f"touch {done}")
    os.kill(instance.pid, signal.SIGTERM)
    assert await instance.exited is not None
    await instance.stop()
    assert not done.exists()
