"""Downloads that are killed, again and again: nothing wrong is believed, little is sent twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.content_server import ContentServer, Fault

from paddock.acquire.part_journal import Journal, journal_of
from paddock.library.digest import Digest

PART = 32 << 10
CONNECTIONS = 4
KILLS = 100
LATE_KILLS = 30
PATIENCE = 30.0


class Victim:
    """The program that downloads, and dies when told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.downloading"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def download(self, ask: dict[str, Any], when: Callable[[], bool] | None = None) -> str:
        """Download; killed once `when` holds, if that is before its end. Gives how it ended."""
        self._tell(json.dumps(ask | {"killed": when is not None}))
        if when is not None:
            deadline = time.monotonic() + PATIENCE
            while not when():
                assert time.monotonic() < deadline
                time.sleep(0.0005)
            self._tell("now")
        assert self.process.stdout is not None
        return str(json.loads(self.process.stdout.readline())["ended"])

    def _tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    made = Victim()
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ContentServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    with ContentServer(folder) as server:
        yield server


def serve(server: ContentServer, size: int, part: Path) -> tuple[bytes, dict[str, Any]]:
    data = random.Random(size).randbytes(size)
    (server.folder / "model").write_bytes(data)
    return data, {
        "url": server.url("model"),
        "size": size,
        "sha256": Digest.of(data).hex,
        "part": str(part),
        "part_bytes": PART,
    }


def believed(part: Path, data: bytes) -> int:
    """The bytes that the journal says are there; all of them are right."""
    known = Journal(part).read()
    if known is None or not part.exists():
        return 0
    there = part.read_bytes()
    for start, end in known[1]:
        assert there[start:end] == data[start:end]
    return sum(end - start for start, end in known[1])


class Sent:
    """Holds once the server sent so many bytes more, and so many seconds have passed since."""

    def __init__(self, server: ContentServer, count: int, seconds: float = 0.0) -> None:
        self.server = server
        self.until = server.sent + count
        self.seconds = seconds
        self.since = 0.0

    def __call__(self) -> bool:
        if self.server.sent < self.until:
            return False
        self.since = self.since or time.monotonic()
        return time.monotonic() >= self.since + self.seconds


@pytest.mark.timeout(300)
def test_a_hundred_kills_spread_over_a_pull(server, victim, tmp_path):
    part = tmp_path / "model.part"
    size = 24 << 20
    data, ask = serve(server, size, part)
    dice = random.Random(1)
    server.behave = lambda request: Fault(rate=4 << 20)
    present = 0
    for number in range(KILLS):
        before = server.sent
        end = victim.download(ask, Sent(server, dice.randrange(3 * CONNECTIONS * PART)))
        assert end == "killed", f"the pull was over before kill {number}"
        now = believed(part, data)
        assert now >= present
        again = server.sent - before - (now - present)
        assert again <= CONNECTIONS * PART
        present = now
    assert present > size // 3
    server.behave = lambda request: Fault()
    before = server.sent
    assert victim.download(ask) == "ok"
    assert part.read_bytes() == data
    assert server.sent - before == size - present


@pytest.mark.timeout(300)
def test_kills_around_the_end_of_a_pull(server, victim, tmp_path):
    dice = random.Random(2)
    ends = set()
    for number in range(LATE_KILLS):
        part = tmp_path / f"model{number}.part"
        data, ask = serve(server, 3 * PART + number, part)
        ends.add(victim.download(ask, Sent(server, ask["size"], dice.uniform(0, 0.03))))
        believed(part, data)
        before = server.sent
        assert victim.download(ask) == "ok"
        assert part.read_bytes() == data
        assert not journal_of(part).exists()
        assert server.sent - before <= CONNECTIONS * PART
    assert ends <= {"ok", "killed"}
