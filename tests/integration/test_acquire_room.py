"""A disk that is full, at the start and midway: told with numbers, and gone on with later."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.content_server import ContentServer, Fault

from paddock.library.digest import Digest

SIZE = 3 << 20
DATA = random.Random(9).randbytes(SIZE)
Run = Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ContentServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "model").write_bytes(DATA)
    with ContentServer(folder) as server:
        yield server


@pytest.fixture
def on_a_small_disk(server: ContentServer, tmp_path: Path) -> Run:
    """Downloads, one after another, into a file system of so many KiB that only they see."""
    unshare = shutil.which("unshare")
    disk = tmp_path / "disk"
    disk.mkdir()
    prefix = [
        str(unshare), "--user", "--map-root-user", "--mount", "--",
        "sh", "-c", 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"', "sh",
    ]  # fmt: skip
    if unshare is None or subprocess.run([*prefix, "64k", disk, "true"]).returncode:
        pytest.skip("no file system of one's own can be mounted here")

    def run(kib: int, asks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        usual = {
            "url": server.url("model"),
            "size": SIZE,
            "sha256": Digest.of(DATA).hex,
            "part": str(disk / "model.part"),
        }
        done = subprocess.run(
            [*prefix, f"{kib}k", disk, sys.executable, "-m", "tests.fakes.downloading"],
            input="".join(json.dumps(usual | ask) + "\n" for ask in asks),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_too_small_from_the_start(on_a_small_disk, server):
    (end,) = on_a_small_disk(2048, [{}])
    assert end["ended"] == "NoRoom"
    assert end["needed"] == SIZE
    assert "3 MiB more are needed" in end["says"]
    assert "2 MiB are free" in end["says"]
    assert end["kept"] == 0
    assert server.requests == []


def test_full_midway_then_free_again(on_a_small_disk, server):
    server.behave = lambda request: Fault(rate=600_000 if server.sent < SIZE else 0)
    full, then = on_a_small_disk(4096, [{"fill_after": 200_000, "reserve": False}, {}])
    assert full["ended"] == "NoRoom"
    assert 0 < full["kept"] < SIZE
    assert 0 < full["needed"] < SIZE
    assert then == {"ended": "ok", "right": True}
    assert server.sent < SIZE + 10 * (64 << 10)


def test_what_is_reserved_stays_ours(on_a_small_disk, server):
    server.behave = lambda request: Fault(rate=2_000_000)
    assert on_a_small_disk(4096, [{"fill_after": 200_000}]) == [{"ended": "ok", "right": True}]
