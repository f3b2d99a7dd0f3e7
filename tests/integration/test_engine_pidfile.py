import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddock.engine import pidfile, procfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def start():
    """Start a sleeper in a group of its own; ended after the test."""
    started = []

    def sleeper(*argv, token=""):
        env = {**os.environ, pidfile.TOKEN: token} if token else None
        started.append(subprocess.Popen(argv or ["sleep", "300"], env=env, process_group=0))
        return started[-1]

    yield sleeper
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def gone():
    """The pid and start of a daemon that ended."""
    daemon = subprocess.Popen(["sleep", "300"])
    seen = procfs.look(daemon.pid)
    assert seen
    daemon.kill()
    daemon.wait()
    return seen.pid, seen.started


def entry(folder: Path, pid: int, token: str, daemon: tuple[int, int]) -> Path:
    path = folder / f"{pid}.json"
    fields = {"pid": pid, "token": token, "daemon": daemon[0], "daemon_started": daemon[1]}
    path.write_text(json.dumps(fields))
    return path


def test_a_survivor_is_ended_and_its_file_removed(tmp_path, start, gone):
    survivor = start(token="t1")
    entry(tmp_path, survivor.pid, "t1", gone)
    assert pidfile.sweep(tmp_path) == (survivor.pid,)
    assert survivor.wait(5) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_child_started_is_ended_too(tmp_path, start, gone):
    note = tmp_path / "pid"
    leader = start("sh", "-c", f"sleep 300 & echo $! > {note}; sleep 300", token="t1")
    while not note.exists() or not note.read_text():
        time.sleep(0.01)
    grandchild = int(note.read_text())
    os.kill(leader.pid, signal.SIGKILL)
    entry(tmp_path, leader.pid, "t1", gone)
    assert grandchild in pidfile.sweep(tmp_path)
    seen = procfs.look(grandchild)
    assert seen is None or not seen.alive


@pytest.mark.parametrize("token", ["", "another", "t1x", "xt1"])
def test_a_stranger_with_the_noted_pid_lives_on(tmp_path, start, gone, token):
    stranger = start(token=token)
    entry(tmp_path, stranger.pid, "t1", gone)
    assert pidfile.sweep(tmp_path) == ()
    assert stranger.poll() is None
    assert list(tmp_path.iterdir()) == []


def test_a_marked_process_in_another_group_lives_on(tmp_path, start, gone):
    moved, other = start(token="t1"), start()
    entry(tmp_path, other.pid, "t1", gone)
    assert pidfile.sweep(tmp_path) == ()
    assert moved.poll() is None


def test_children_of_a_daemon_that_still_runs_are_left_alone(tmp_path, start):
    child = start(token="t1")
    path = pidfile.note(tmp_path, child.pid, "t1")
    assert pidfile.sweep(tmp_path) == ()
    assert child.poll() is None
    assert path.exists()


def test_a_daemon_whose_pid_came_back_is_not_the_daemon(tmp_path, start):
    child = start(token="t1")
    seen = procfs.look(os.getpid())
    assert seen
    entry(tmp_path, child.pid, "t1", (os.getpid(), seen.started - 1))
    assert pidfile.sweep(tmp_path) == (child.pid,)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"pid": "x", "token": 1, "daemon": 1, "daemon_started": 1}']
)
def test_a_broken_file_is_removed(tmp_path, text):
    (tmp_path / "1.json").write_text(text)
    assert pidfile.sweep(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_empty(tmp_path):
    assert pidfile.sweep(tmp_path / "nothing") == ()
