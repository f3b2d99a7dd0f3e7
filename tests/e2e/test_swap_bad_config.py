"""Whatever is wrong with a configuration is told in words: all of it, in one run, and never by a
traceback; by `config check`, by `serve`, and by a daemon that runs and goes on as it was."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.house import House

MANY = """\
helthCheckTimeout: 5
globalTTL: soon
logLevel: loud
apiKeys: ['', 'a b']
captureBuffer: -1
upstream: {ignorePaths: ['(']}
startPort: 70000
macros:
  itself: x ${itself}
  first: ${second}
  second: y
  PORT: 1
  a list: [1]
  threads: 4
models:
  one:
    cmd: x ${treads} ${PORT}
    tttl: 5
    aliases: [same]
  two:
    cmd: x ${PID} ${PORT}
    aliases: [same, three]
    env: [A]
    concurrencyLimit: -1
  three:
    cmd: x
    checkEndpoint: http://x/health
  four:
    cmd: "x 'y ${PORT}"
    proxy: here
  five:
    cmd: x ${PORT}
    capabilities: {in: [smell]}
groups:
  g: {members: [five]}
  h: {members: [five]}
selectors:
  s: {strategy: best, targets: [five]}
  t: {strategy: pin, targets: [five]}
peers:
  p: {models: [x]}
  q: {proxy: 'ftp://x'}
"""

TOLD = (
    (1, "helthCheckTimeout", "did you mean `healthCheckTimeout`?"),
    (2, "globalTTL", ""),
    (3, "logLevel", "'debug'"),
    (4, "apiKeys", ""),
    (5, "captureBuffer", "must be at least 0"),
    (6, "upstream.ignorePaths", ""),
    (7, "startPort", "at most 65000"),
    (9, "macros.itself", "refers to itself"),
    (10, "macros.first", "move `second` up"),
    (12, "macros.PORT", "is taken"),
    (13, "macros.a list", "letters, digits, `_` and `-`"),
    (17, "models.one.cmd", "did you mean `${threads}`?"),
    (18, "models.one.tttl", "did you mean `ttl`?"),
    (21, "models.two.cmd", "only in: cmdStop"),
    (22, "models.two.aliases[0]", "'same' is a name of model 'one' already"),
    (22, "models.two.aliases[1]", "three"),
    (23, "models.two.env[0]", "NAME=value"),
    (24, "models.two.concurrencyLimit", "must be at least 0"),
    (26, "models.three.cmd", "${PORT}"),
    (27, "models.three.checkEndpoint", "not a path"),
    (29, "models.four.cmd", "close the quote"),
    (30, "models.four.proxy", ""),
    (33, "models.five.capabilities.in[0]", "smell"),
    (36, "groups.h.members", "five"),
    (38, "selectors.s.strategy", "'warm'"),
    (41, "peers.p", "proxy"),
    (42, "peers.q.proxy", "http"),
)
"""Line, key and words of each of them."""

ALONE = {
    "models: [\n": "not valid YAML",
    "models:\n\tm: 1\n": "bad.yaml:2: not valid YAML",
    "logLevel: info\nlogLevel: warn\n": "bad.yaml:2: logLevel: is given twice, first on line 1",
    "- a\n": "bad.yaml:1: the file is not a mapping",
    "apiKeys: ['${env.PADDOCK_NOT_THERE}']\n": "PADDOCK_NOT_THERE is not set",
    "logLevel: '${env.BROKEN}'\n": "BROKEN has a line break",
    "models: {m: {cmd: 'x ${PORT}'}}\nmatrix: {vars: {a: m}, sets: {s: +t, t: +s}}\n": "matrix.s",
    "models: {m: {cmd: 'x ${PORT}'}}\nmatrix: {vars: {a: m}, sets: {s: (a}}\n": "matrix.sets.s",
    "listen: {openai: {host: 0.0.0.0}}\n": "listen.openai.host",
    "logLevel: \udcff\n": "is not UTF-8 text",
}
"""Texts with one fault that keeps others from being looked for, or stands alone."""


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`paddock` with these words, run to its end."""
    env = {"HOME": str(folder), "BROKEN": "a\nb", "XDG_STATE_HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "paddock", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | env,
    )


def refused(folder: Path, *words: str) -> list[str]:
    """The lines of a command that must fail as commands do."""
    ended = run(folder, *words)
    said = ended.stdout + ended.stderr
    assert ended.returncode in (1, 2), said
    assert "Traceback" not in said
    return said.splitlines()


# --- before it starts -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a check says of a file with everything wrong."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad.yaml").write_text(MANY)
    return refused(folder, "config", "check", str(folder / "bad.yaml"))


@pytest.mark.parametrize(("line", "key", "words"), TOLD)
def test_each_of_many_faults_is_told_in_one_run(
    checked: list[str], line: int, key: str, words: str
) -> None:
    found = [one for one in checked if f"bad.yaml:{line}: {key}" in one]

    assert any(words in one for one in found), "\n".join(checked)


def test_each_fault_is_one_line_in_the_order_of_the_file(checked: list[str]) -> None:
    faults = [one.partition("bad.yaml:")[2] for one in checked if "bad.yaml:" in one]
    numbers = [int(one.partition(":")[0]) for one in faults]

    assert numbers == sorted(numbers)
    assert len(set(faults)) == len(faults)


def test_a_daemon_does_not_start_with_it_and_says_the_same(
    checked: list[str], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(MANY)
    said = refused(tmp_path, "serve", "-config", str(tmp_path / "bad.yaml"))

    for one in checked:
        what = one.partition("bad.yaml:")[2]
        assert any(what in line for line in said), what


@pytest.mark.parametrize("text", ALONE)
def test_a_fault_that_comes_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    said = refused(tmp_path, "config", "check", str(file))

    assert any(ALONE[text] in line for line in said), said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-config", "nowhere.yaml"), "no such file"),
        (("-config", "."), "cannot be read"),
        (("-config-dir", "nowhere"), "cannot be read"),
        (("-config", "a.yaml", "-config-dir", "."), "would be read twice"),
        (("-config-dir", "."), "models.same"),
        (("-config", "a.yaml", "-listen", "8080"), "is not HOST:PORT"),
        (("-config", "a.yaml", "-listen", "127.0.0.1:99999"), "is not HOST:PORT"),
        (("-config", "a.yaml", "-tls-cert-file", "x.pem"), "give both"),
        (("-config", "a.yaml", "-no-such-flag"), "No such option"),
    ],
)
def test_a_command_line_that_cannot_work(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("models: {same: {cmd: 'x ${PORT}'}}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "paddock", "serve", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
    )

    assert ended.returncode in (1, 2)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{}\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listen = f"127.0.0.1:{port}"
        said = refused(tmp_path, "serve", "-config", str(tmp_path / "a.yaml"), "-listen", listen)

    assert any(str(port) in line and "in use" in line for line in said), said


# --- while it runs --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with one model, that looks at its file when it is told to."""
    house = House(tmp_path_factory.mktemp("running"))
    house.start(house.config(watchConfig=False, models={"m": {"cmd": house.command()}}))
    assert house.chat("m").status == 200
    yield house
    house.stop()


@pytest.mark.parametrize("text", [MANY, *ALONE], ids=range(len(ALONE) + 1))
def test_a_daemon_that_runs_keeps_what_it_has(running: House, text: str) -> None:
    file = running.folder / "paddock.yaml"
    good, pid = file.read_bytes(), running.engine_state("m")["pid"]
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    answer = running.ask("POST", "/api/paddock/reload")
    told = running.get("/api/config")
    file.write_bytes(good)
    again = running.ask("POST", "/api/paddock/reload")

    assert answer.status == 400
    assert answer.json()["error"]["message"]
    assert told["refused"]["problems"]
    assert "m" in told["config"]["models"]
    assert again.status == 200
    assert running.get("/api/config")["refused"] is None
    assert running.engine_state("m")["pid"] == pid
    assert "Traceback" not in running.said
