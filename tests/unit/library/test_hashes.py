"""Hashes of files are computed once, and never believed of a file that changed."""

import asyncio
import hashlib
import os

import pytest

from paddock.errors import StoreError
from paddock.library import hashes as module
from paddock.library.digest import Digest
from paddock.library.hashes import FILE_NAME, Hashes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"weights" * 1000)
    return path


def digest_of(path):
    return Digest(hashlib.sha256(path.read_bytes()).hexdigest())


async def test_the_digest_of_a_file_is_found_again(tmp_path, file):
    hashes = Hashes(tmp_path / "cache")
    hashed = await hashes.sha256_of(file)
    assert hashed.digest == digest_of(file)
    assert hashes.find(hashed.digest) == hashed
    assert hashes.find(Digest("0" * 64)) is None
    again = Hashes(tmp_path / "cache")
    again.load()
    assert again.find(hashed.digest) == hashed


async def test_a_known_file_is_not_read_again(tmp_path, file, monkeypatch):
    hashes = Hashes(tmp_path / "cache")
    first = await hashes.sha256_of(file)
    reads = []
    monkeypatch.setattr(module, "_computed", lambda *_: reads.append(1))
    assert await hashes.sha256_of(file) == first
    assert reads == []


async def test_a_changed_file_is_read_again(tmp_path, file):
    hashes = Hashes(tmp_path / "cache")
    first = await hashes.sha256_of(file)
    file.write_bytes(b"other")
    second = await hashes.sha256_of(file)
    assert second.digest == digest_of(file) != first.digest
    assert (hashes.find(first.digest), hashes.find(second.digest)) == (None, second)


async def test_progress_is_told_to_the_end(tmp_path, file, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 1000)
    monkeypatch.setattr(module, "_TOLD_EVERY", 3000)
    told = []
    await Hashes(tmp_path).sha256_of(file, lambda done, total: told.append((done, total)))
    await asyncio.sleep(0)
    assert told == [(3000, 7000), (6000, 7000), (7000, 7000)]


async def test_cancelling_ends_the_reading(tmp_path, monkeypatch):
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 40)
    monkeypatch.setattr(module, "_TOLD_EVERY", 1)
    began = asyncio.Event()
    reading = asyncio.ensure_future(Hashes(tmp_path).sha256_of(large, lambda *_: began.set()))
    await began.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: None])
async def test_what_is_no_file_is_refused(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(StoreError):
        await Hashes(tmp_path / "cache").sha256_of(tmp_path / "x")


@pytest.mark.parametrize("damage", [b"", b"{}", b"[[1]]", b'[["/a", "xx", [1,2,3,4]]]', b"7"])
def test_a_damaged_memory_is_none(tmp_path, damage):
    (tmp_path / FILE_NAME).write_bytes(damage)
    hashes = Hashes(tmp_path)
    hashes.load()
    assert hashes.find(Digest("0" * 64)) is None
