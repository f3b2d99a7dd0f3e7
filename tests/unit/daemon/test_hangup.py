"""SIGHUP means "reload", and "the terminal is closed" for a daemon that was started in one."""

import os
import pty
import signal
import sys
import time

import pytest

PROGRAM = """
import asyncio, signal, sys
from paddock.daemon.run import _Signals

async def main():
    signals = _Signals()
    signals.reload = lambda: print("reload", flush=True)
    print("here", flush=True)
    await asyncio.wait_for(signals.first.wait(), 60)
    sys.exit(7)

if "nohup" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.stdout = open(sys.argv[1], "w")
asyncio.run(main())
"""


class Started:
    """The program in a terminal of its own."""

    def __init__(self, folder, *words):
        self.said = folder / "said"
        self.said.touch()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(self.said), *words])
        self.until("here")

    def until(self, word):
        deadline = time.monotonic() + 30
        while word not in self.said.read_text():
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.01)

    def close_terminal(self):
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1

    def end(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def start(tmp_path):
    started = []

    def start(*words):
        started.append(Started(tmp_path, *words))
        return started[-1]

    yield start
    for one in started:
        one.close_terminal()


def test_the_signal_reloads_while_the_terminal_is_there(start):
    program = start()
    os.kill(program.pid, signal.SIGHUP)
    program.until("reload")
    os.kill(program.pid, signal.SIGTERM)
    assert program.end() == 7


def test_a_closed_terminal_ends_the_daemon(start):
    program = start()
    program.close_terminal()
    assert program.end() == 7


def test_a_daemon_that_outlives_its_terminal_reloads(start):
    program = start("nohup")
    program.close_terminal()
    os.kill(program.pid, signal.SIGHUP)
    program.until("reload")
    os.kill(program.pid, signal.SIGTERM)
    assert program.end() == 7
