"""The hash that follows a file, by a thread and by a process."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.acquire.hashing import Follower
from paddock.errors import AcquireError

SIZE = 9_000_001
DATA = random.Random(3).randbytes(SIZE)
SHA256 = hashlib.sha256(DATA).hexdigest()
PATIENCE = 30
BY_PROCESS, BY_THREAD = 0, SIZE + 1


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "part", os.O_RDWR | os.O_CREAT)
    os.truncate(opened, SIZE)
    yield opened
    os.close(opened)


both = pytest.mark.parametrize("large", [BY_PROCESS, BY_THREAD], ids=["process", "thread"])


@both
async def test_it_reads_only_what_it_may(fd, large):
    follower = Follower(fd, SIZE, large=large)
    at = 0
    for end in (1, 5_000_000, 5_000_001, 8_000_000, SIZE):
        os.pwrite(fd, DATA[at:end], at)
        follower.advance(end)
        at = end
        await asyncio.sleep(0)
    assert await asyncio.wait_for(follower.result(), PATIENCE) == SHA256
    await follower.stop()
    await follower.stop()


@both
async def test_git_names_the_same_bytes_otherwise(fd, large):
    os.pwrite(fd, DATA, 0)
    follower = Follower(fd, SIZE, git=True, large=large)
    follower.advance(SIZE)
    right = hashlib.sha1(b"blob %d\0" % SIZE + DATA).hexdigest()
    assert await asyncio.wait_for(follower.result(), PATIENCE) == right
    await follower.stop()


@both
@pytest.mark.parametrize("there", [0, 5_000_000, SIZE])
async def test_it_ends_at_any_point(fd, large, there):
    follower = Follower(fd, SIZE, large=large)
    follower.advance(there)
    await asyncio.wait_for(follower.stop(), PATIENCE)


@both
async def test_a_file_that_is_cut_has_no_hash(fd, large):
    follower = Follower(fd, SIZE, large=large)
    os.truncate(fd, 10)
    follower.advance(SIZE)
    assert await asyncio.wait_for(follower.result(), PATIENCE) == ""
    await follower.stop()


async def test_a_process_that_ends_is_told(fd):
    follower = Follower(fd, SIZE, large=BY_PROCESS)
    assert follower._child is not None
    follower._child.kill()
    follower.advance(SIZE)
    with pytest.raises(AcquireError, match="hash"):
        await asyncio.wait_for(follower.result(), PATIENCE)
    await follower.stop()
