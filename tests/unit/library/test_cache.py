import os
import time
from dataclasses import replace

import pytest

from paddock.library.cache import FILE_NAME, HeaderCache
from paddock.library.facts import Facts
from paddock.library.model import HeaderSummary, Trait
from paddock.library.walk import Found

FACTS = Facts(
    HeaderSummary(
        architecture="llama",
        name="naïve",
        kv_head_counts=(1, 2, 3),
        mla_ranks=(4, 5),
        recurrent_state=(1, 2, 3, 4),
        has_chat_template=True,
        parameters=8_000_000_000,
    ),
    frozenset({Trait.CHAT, Trait.TOOLS}),
    split_number=2,
)


def found(path="/m/a.gguf", size=10, mtime_ns=1_700_000_000_123_456_789, inode=7):
    return Found(path, path.rsplit("/")[-1], path, size, mtime_ns, inode)


@pytest.fixture
def saved(tmp_path):
    cache = HeaderCache(tmp_path / "deep" / "cache")
    cache.load()
    cache.put(found(), FACTS)
    cache.put(found("/m/bad\udcff.gguf"), "truncated: …")
    cache.save()
    return tmp_path / "deep" / "cache"


def reloaded(folder):
    cache = HeaderCache(folder)
    cache.load()
    return cache


def test_what_is_saved_is_known_after_a_restart(saved):
    cache = reloaded(saved)
    assert cache.get(found()) == FACTS
    assert cache.get(found("/m/bad\udcff.gguf")) == "truncated: …"
    assert cache.get(found("/m/other.gguf")) is None


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime_ns": 1}, {"inode": 8}])
def test_a_changed_file_is_not_known(saved, change):
    assert reloaded(saved).get(replace(found(), **change)) is None


def test_what_is_gone_is_forgotten(saved):
    cache = reloaded(saved)
    cache.keep_only({"/m/a.gguf"})
    cache.save()
    again = reloaded(saved)
    assert again.get(found()) == FACTS
    assert again.get(found("/m/bad\udcff.gguf")) is None


def test_nothing_is_written_while_nothing_changes(saved):
    cache = reloaded(saved)
    cache.keep_only({"/m/a.gguf", "/m/bad\udcff.gguf"})
    before = (saved / FILE_NAME).stat().st_ino
    cache.save()
    assert (saved / FILE_NAME).stat().st_ino == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"llama", b"lLama"),
        lambda data: data.replace(b"headers 3", b"headers 1"),
        lambda data: os.urandom(500),
        lambda data: b"[" * 100_000,
    ],
)
def test_a_damaged_cache_is_no_cache(saved, damage):
    path = saved / FILE_NAME
    path.write_bytes(damage(path.read_bytes()))
    cache = reloaded(saved)
    assert cache.get(found()) is None
    cache.put(found(), FACTS)
    cache.save()
    assert reloaded(saved).get(found()) == FACTS


def test_a_folder_that_cannot_be_written_is_harmless(tmp_path, caplog):
    (tmp_path / "file").touch()
    cache = HeaderCache(tmp_path / "file")
    cache.load()
    cache.put(found(), FACTS)
    cache.save()
    assert cache.get(found()) == FACTS
    assert "cannot be written" in caplog.text


def test_no_other_file_is_left_in_the_folder(saved):
    assert os.listdir(saved) == [FILE_NAME]


def test_a_thousand_entries_are_small_and_quick(tmp_path):
    cache = HeaderCache(tmp_path)
    for number in range(1000):
        cache.put(found(f"/models/some/folder/model-{number}-q4_k_m.gguf"), FACTS)
    cache.save()
    assert (tmp_path / FILE_NAME).stat().st_size < 1_000_000
    started = time.monotonic()
    again = reloaded(tmp_path)
    assert time.monotonic() - started < 10
    assert again.get(found("/models/some/folder/model-999-q4_k_m.gguf")) == FACTS
