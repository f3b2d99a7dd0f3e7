"""The watcher over real files. What it must not do is also waited for, so these take seconds."""

import asyncio
import time
from pathlib import Path

import pytest_asyncio

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.config.source import Source
from paddock.daemon.config_watch import DOUBT, EVERY, PAUSE, ConfigWatcher

PATIENCE = 15.0
TEXT = "defaultTtl: 1\n"


class Watched:
    """A file, its watcher, and the texts that a reload would have read."""

    def __init__(self, file: Path):
        self.file = file
        self.current = Current(Config())
        self.source = Source(file, {"HOME": "/nowhere"})
        self.source.load()
        self.texts: list[str | None] = []
        self.watcher = ConfigWatcher(self.source, self.current, self.reload)
        self.watcher.start()

    async def reload(self):
        self.texts.append(self.file.read_text() if self.file.exists() else None)
        self.source.load()

    async def until(self, texts):
        deadline = time.monotonic() + PATIENCE
        while self.texts != texts:
            assert time.monotonic() < deadline, self.texts
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def watched(tmp_path):
    file = tmp_path / "paddock.yaml"
    file.write_text(TEXT)
    watched = Watched(file)
    yield watched
    await watched.watcher.aclose()
    await watched.watcher.aclose()


def swap(file, text):
    other = file.with_suffix(".new")
    other.write_text(text)
    other.rename(file)


async def test_a_file_that_is_renamed_over_it_is_taken_once(watched):
    swap(watched.file, "defaultTtl: 2\n")
    await watched.until(["defaultTtl: 2\n"])
    await asyncio.sleep(3 * EVERY)
    assert len(watched.texts) == 1


async def test_a_change_before_the_first_look_counts(tmp_path):
    file = tmp_path / "early.yaml"
    file.write_text(TEXT)
    watched = Watched(file)
    file.write_text("defaultTtl: 3\n")
    await watched.until(["defaultTtl: 3\n"])
    await watched.watcher.aclose()


async def test_a_file_that_is_written_in_pieces_is_taken_when_it_is_whole(watched):
    longest = 0.0
    with watched.file.open("w") as file:
        for number in range(40):
            file.write(f"# line {number}\n" if number else "maxQueue: 1\n")
            file.flush()
            started = time.monotonic()
            await asyncio.sleep(EVERY / 10)
            longest = max(longest, time.monotonic() - started)
        file.write("\n")
    whole = watched.file.read_text()
    deadline = time.monotonic() + PATIENCE
    while whole not in watched.texts:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert watched.texts == [whole] or longest > PAUSE / 2  # this machine paused, not the writer


async def test_a_file_that_is_empty_for_a_moment_is_not_taken_as_empty(watched):
    watched.file.write_text("")
    await asyncio.sleep(EVERY + PAUSE + 0.1)
    watched.file.write_text("defaultTtl: 4\n")
    await watched.until(["defaultTtl: 4\n"])


async def test_a_file_that_is_gone_for_a_moment_is_not_taken_as_gone(watched):
    watched.file.unlink()
    await asyncio.sleep(EVERY + PAUSE + 0.1)
    watched.file.write_text("defaultTtl: 5\n")
    await watched.until(["defaultTtl: 5\n"])


async def test_a_file_that_stays_empty_is_believed_at_last(watched):
    started = time.monotonic()
    watched.file.write_text("# nothing\n")
    await watched.until(["# nothing\n"])
    assert time.monotonic() - started >= DOUBT


async def test_a_file_that_is_gone_for_good_is_told_once(watched):
    watched.file.unlink()
    await watched.until([None])
    await asyncio.sleep(EVERY + DOUBT + 0.5)
    assert watched.texts == [None]


async def test_what_somebody_else_has_reloaded_is_not_reloaded_again(watched):
    swap(watched.file, "defaultTtl: 6\n")
    watched.source.load()
    await asyncio.sleep(2 * EVERY + PAUSE)
    assert watched.texts == []


async def test_watching_can_be_switched_off_and_on(watched):
    watched.current.config = Config(watch_config=False)
    swap(watched.file, "defaultTtl: 7\n")
    await asyncio.sleep(2 * EVERY + PAUSE)
    assert watched.texts == []
    watched.current.config = Config()
    await watched.until(["defaultTtl: 7\n"])
