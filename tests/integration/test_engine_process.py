import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from paddock.engine.children import Children
from paddock.engine.guard import Guard
from paddock.engine.output import Ear, Output
from paddock.engine.process import Process

PATIENCE = 20.0


async def until(true, *, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.005)


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def heard():
    return bytearray()


@pytest.fixture
def spawn(heard):
    def start(*argv, env=None, holds_stdin=False, release=True):
        process = Process.spawn(
            argv,
            env if env is not None else dict(os.environ),
            stdout=heard.extend,
            stderr=heard.extend,
            holds_stdin=holds_stdin,
        )
        if release:
            process.release()
        return process

    return start


def sh(script):
    return ("/bin/sh", "-c", script)


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", -11), ("kill -9 $$", -9)]
)
async def test_its_end_is_told_with_code_or_signal(spawn, script, code):
    assert await spawn(*sh(script)).ended == code


async def test_its_end_is_seen_where_there_are_no_pidfds(spawn, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    assert await spawn(*sh("sleep 0.1; exit 7")).ended == 7


async def test_a_flood_of_output_leaves_the_loop_free(spawn):
    output = Output(lambda text: None, str)
    ear = Ear(output, lambda line: False)
    process = Process.spawn(["/usr/bin/yes"], {}, stdout=ear.stdout, stderr=ear.stderr)
    process.release()
    await until(lambda: output.count > 50_000)
    loop = asyncio.get_running_loop()
    turns, end = 0, loop.time() + 0.5
    while loop.time() < end:
        await asyncio.sleep(0)
        turns += 1
    await process.end(grace=0)
    assert turns > 20


async def test_all_its_output_is_heard_before_its_end(spawn, heard):
    await spawn(sys.executable, "-c", "import os; os.write(1, b'x' * 3_000_000)").ended
    assert len(heard) == 3_000_000


async def test_nothing_of_it_runs_before_its_release(spawn, tmp_path):
    mark = tmp_path / "ran"
    process = spawn("/usr/bin/touch", str(mark), release=False)
    await asyncio.sleep(0.2)
    assert not mark.exists()
    process.release()
    assert await process.ended == 0
    assert mark.exists()


async def test_one_that_was_never_released_ends_too(spawn):
    process = spawn("/bin/sleep", "60", release=False)
    await process.end(grace=5)
    assert process.ended.done()


async def test_its_stdin_is_empty_unless_it_is_held(spawn, heard):
    assert await spawn("/bin/cat").ended == 0
    held = spawn("/bin/cat", holds_stdin=True)
    await asyncio.sleep(0.1)
    assert not held.ended.done()
    await held.end(grace=0)


async def test_arguments_are_passed_as_they_are(spawn, heard):
    program = "import sys; print(sys.argv[1:])"
    hostile = ["--", "-c", "$(touch x)", "a b", "\n", "'", "*"]
    await spawn(sys.executable, "-c", program, *hostile).ended
    assert heard.decode().strip() == str(hostile)


async def test_a_program_that_is_not_there_ends_with_a_reason(spawn, heard):
    assert await spawn("/nowhere/llama-server").ended == 127
    assert b"/nowhere/llama-server: not found" in heard


async def test_the_kernel_takes_it_before_us(spawn):
    own = int(Path("/proc/self/oom_score_adj").read_text())
    process = spawn("/bin/sleep", "60")
    await until(lambda: psutil.Process(process.pid).name() == "sleep")
    score = int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())
    assert score == min(1000, own + 500)
    await process.end(grace=0)


async def test_a_slow_handler_of_sigterm_may_finish(spawn, tmp_path):
    done, ready = tmp_path / "done", tmp_path / "ready"
    script = (
        f"trap 'sleep 0.5; touch {done}; exit 0' TERM; touch {ready}; while :; do sleep 0.05; done"
    )
    process = spawn(*sh(script))
    await until(ready.exists)
    await process.end(grace=PATIENCE)
    assert done.exists()


async def test_one_that_ignores_sigterm_is_killed_after_its_grace(spawn, tmp_path):
    ready = tmp_path / "ready"
    process = spawn(*sh(f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"))
    await until(ready.exists)
    begin = time.monotonic()
    await process.end(grace=0.5)
    assert 0.5 <= time.monotonic() - begin < 1.5
    assert process.ended.result() == -signal.SIGKILL


async def test_a_second_sigterm_comes_before_the_kill(spawn, tmp_path):
    ready = tmp_path / "ready"
    count = "n=0; trap 'n=$((n+1)); [ $n = 2 ] && exit 42' TERM"
    script = f"{count}; touch {ready}; while :; do sleep 0.05; done"
    process = spawn(*sh(script))
    await until(ready.exists)
    await process.end(grace=PATIENCE, again_after=0.3)
    assert process.ended.result() == 42


@pytest.mark.parametrize("how", ["asked", "crashed"])
async def test_what_it_started_ends_with_it(spawn, tmp_path, how):
    note = tmp_path / "pid"
    tail = "wait" if how == "asked" else "exit 3"
    process = spawn(*sh(f"sleep 300 & echo $! > {note}.new; mv {note}.new {note}; {tail}"))
    if how == "asked":
        await until(note.exists)
        await process.end(grace=PATIENCE)
    code = await process.ended
    assert code == (-signal.SIGTERM if how == "asked" else 3)
    assert not alive(int(note.read_text()))


async def test_a_grandchild_gets_the_same_grace(spawn, tmp_path):
    ready, done = tmp_path / "ready", tmp_path / "done"
    slow = f"trap 'sleep 0.5; touch {done}; exit' TERM; touch {ready}; while :; do sleep 0.05; done"
    process = spawn(*sh(f'sh -c "{slow}" & wait'))
    await until(ready.exists)
    await process.end(grace=PATIENCE)
    assert done.exists()


async def test_a_runaway_that_holds_the_output_delays_the_end_only_shortly(spawn, tmp_path):
    note = tmp_path / "pid"
    begin = time.monotonic()
    process = spawn(*sh(f"setsid sh -c 'echo $$ > {note}; exec sleep 60' & sleep 0.3; exit 5"))
    assert await process.ended == 5
    assert time.monotonic() - begin < 5
    os.kill(int(note.read_text()), signal.SIGKILL)


async def test_output_is_read_for_as_long_as_it_lives(spawn, heard):
    process = spawn(*sh("while :; do echo 0123456789012345678901234567890123456789; done"))
    await until(lambda: len(heard) > 2_000_000)
    await process.end(grace=5)


async def test_the_guard_kills_what_is_on_its_list_and_nothing_else(spawn):
    guard = Guard()
    guard.start()
    doomed, spared, other = (spawn("/bin/sleep", "300") for _ in range(3))
    for process in (doomed, spared, other):
        guard.add(process.pid)
    guard.remove(spared.pid)
    guard.remove(other.pid)
    await guard.aclose()
    assert await doomed.ended == -signal.SIGKILL
    assert not spared.ended.done()
    assert not other.ended.done()
    await asyncio.gather(spared.end(grace=0), other.end(grace=0))
    await guard.aclose()


async def test_the_guard_ignores_signals_and_has_its_own_session(spawn):
    guard = Guard()
    guard.start()
    await until(lambda: psutil.Process(guard.pid).name() == "sh")
    await asyncio.sleep(0.1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guard.pid, number)
    assert os.getsid(guard.pid) == guard.pid
    process = spawn("/bin/sleep", "300")
    guard.add(process.pid)
    await guard.aclose()
    assert await process.ended == -signal.SIGKILL


async def test_a_guard_that_was_killed_is_replaced_and_knows_its_list(spawn):
    guard = Guard()
    guard.start()
    first, second = spawn("/bin/sleep", "300"), spawn("/bin/sleep", "300")
    guard.add(first.pid)
    before = guard.pid
    os.kill(before, signal.SIGKILL)
    await until(lambda: not alive(before))
    guard.add(second.pid)
    assert guard.pid != before
    await guard.aclose()
    assert await first.ended == await second.ended == -signal.SIGKILL


async def test_children_are_noted_while_they_live_and_forgotten_after(tmp_path, heard):
    children = Children(tmp_path / "run")
    await children.start()
    process = await children.spawn(
        ["/bin/sleep", "300"], {}, stdout=heard.extend, stderr=heard.extend
    )
    assert [path.stem for path in (tmp_path / "run").iterdir()] == [str(process.pid)]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    await process.end(grace=5)
    await children.aclose()
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_child_that_cannot_be_noted_does_not_run(tmp_path, heard):
    children = Children(tmp_path / "run")
    await children.start()
    (tmp_path / "run").rmdir()
    mark = tmp_path / "ran"
    with pytest.raises(OSError, match=rf"No such file.*{tmp_path}/run'"):
        await children.spawn(
            ["/usr/bin/touch", str(mark)], {}, stdout=heard.extend, stderr=heard.extend
        )
    await children.aclose()
    assert not mark.exists()
