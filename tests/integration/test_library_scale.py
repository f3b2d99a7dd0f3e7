"""A thousand models with real-size headers. The limits are for a busy machine, not goals."""

import os
import time

import pytest

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.events import EventBus
from paddock.library.library import Library

COUNT = 1000


@pytest.fixture
def thousand(tmp_path, gguf_maker):
    """Three files of 9 MB under a thousand names."""
    folder = tmp_path / "models"
    folder.mkdir()
    seeds = []
    for number in range(3):
        tokens, merges = 150_000 - number, 280_000 - number
        maker = gguf_maker.real_size(vocabulary=tokens, merges=merges)
        seeds.append(maker.write(tmp_path / f"seed{number}"))
    for number in range(COUNT):
        os.link(seeds[number % 3], folder / f"Model-{number:04}-Q4_K_M.gguf")
    return folder


async def started(folder, cache):
    """A started library and the seconds its start took."""
    library = Library(Current(Config(models_dir=[folder])), EventBus(), cache)
    before = time.monotonic()
    await library.start()
    return library, time.monotonic() - before


async def test_a_thousand_real_headers_are_listed_in_seconds(thousand, tmp_path, record_property):
    library, cold = await started(thousand, tmp_path / "cache")
    try:
        assert len(library.catalog.models) == COUNT
        assert library.catalog.left_out == ()
        model = library.resolve("model-0007-q4_k_m")
        assert model.header.vocabulary == 149_999
        assert model.header.parameters == 7_593_984_000
    finally:
        await library.aclose()
    library, cached = await started(thousand, tmp_path / "cache")
    await library.aclose()
    assert len(library.catalog.models) == COUNT
    record_property("cold_seconds", cold)
    record_property("cached_seconds", cached)
    assert cold < 15
    assert cached < 3
