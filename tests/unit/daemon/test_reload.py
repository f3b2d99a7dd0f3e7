import asyncio
from typing import Any

import pytest
import pytest_asyncio

from paddock.config.current import Current
from paddock.config.source import Source
from paddock.daemon.reload import Reloader
from paddock.errors import ConfigError
from paddock.events import CatalogChanged, ConfigChanged, ConfigRefused, EventBus
from paddock.library.library import Library

AB = 'models: {a: {cmd: "a ${PORT}"}, b: {cmd: "b ${PORT}"}}\n'


class House:
    """A library with a configuration file and the events of its reloads."""

    def __init__(self, folder, text):
        (folder / "models").mkdir()
        self.file = folder / "paddock.yaml"
        self.write(text)
        self.source = Source(self.file, {"HOME": str(folder)})
        self.current = Current(self.source.load(), self.source.files())
        self.events: list[Any] = []
        bus = EventBus()
        bus.listen(self.events.append)
        self.library = Library(self.current, bus, folder / "cache")
        self.reloader = Reloader(self.source, self.current, self.library, bus)

    def write(self, text):
        self.file.write_text(f"modelsDir: models\nstateDir: state\n{text}")

    async def reload(self, text):
        self.write(text)
        self.events.clear()
        return await self.reloader.reload()

    async def refused(self, text):
        before = self.current.config
        with pytest.raises(ConfigError) as caught:
            await self.reload(text)
        assert self.current.config is before
        assert self.current.refusal is not None
        assert self.current.refusal.problems == caught.value.problems
        return caught.value.problems


@pytest_asyncio.fixture
async def house(tmp_path):
    house = House(tmp_path, AB)
    await house.library.start()
    yield house
    await house.reloader.aclose()
    await house.reloader.aclose()
    await house.library.aclose()


async def test_a_reload_tells_what_it_changed_and_changes_it(house):
    outcome = await house.reload('models: {a: {cmd: "a ${PORT}", ttl: 5}, c: {cmd: "c ${PORT}"}}\n')

    assert [str(change) for change in outcome.changes] == [
        "models.a.ttl",
        "models.b (removed)",
        "models.c (added)",
    ]
    assert outcome.models == CatalogChanged(
        frozenset({"c"}), frozenset({"b"}), frozenset(), frozenset({"a"})
    )
    assert house.current.config.models["a"].ttl == 5
    assert house.library.resolve("c").settings.cmd == "c ${PORT}"
    assert house.events == [outcome.models, ConfigChanged()]


async def test_nothing_new_is_no_news(house):
    before = house.current.config
    outcome = await house.reload(AB + "# as before\n")
    assert (outcome.changes, outcome.needs_restart, outcome.models) == ((), (), None)
    assert house.events == []
    assert house.current.config is before


async def test_a_broken_file_changes_nothing_until_it_is_right_again(house):
    (problem,) = await house.refused('models:\n  a: {cmd: "a ${PORT}", tll: 5}\n')
    assert (problem.file, problem.line, problem.key) == (str(house.file), 4, "models.a.tll")
    assert house.events == [ConfigRefused((str(problem),))]
    assert "b" in house.library.catalog.models

    await house.reload(AB)
    assert house.current.refusal is None
    assert house.events == [ConfigChanged()]


@pytest.mark.parametrize("text", ["models: [", "\t", "models: {a: {cmd: 'x", "*a", "a: b: c"])
async def test_every_kind_of_broken_text_is_refused_with_its_line(house, text):
    (problem, *_) = await house.refused(text)
    assert problem.file == str(house.file)
    assert problem.line >= 3


async def test_a_missing_file_is_refused(house):
    house.file.unlink()
    with pytest.raises(ConfigError, match="paddock"):
        await house.reloader.reload()
    assert set(house.library.catalog.models) == {"a", "b"}


async def test_what_needs_a_restart_stays_as_it_was_and_is_told(house):
    outcome = await house.reload("defaultTtl: 7\nlisten: {openai: {port: 1234}}\n")
    assert outcome.needs_restart == ("listen.openai.port",)
    assert house.current.needs_restart == ("listen.openai.port",)
    assert house.current.config.default_ttl == 7
    assert house.current.config.listen.openai is not None
    assert house.current.config.listen.openai.port == 8090
    assert house.events[-1] == ConfigChanged(("listen.openai.port",))

    await house.reload("defaultTtl: 7\n")
    assert house.current.needs_restart == ()


async def test_a_door_that_stays_open_to_others_does_not_lose_its_keys(tmp_path):
    house = House(tmp_path, "listen: {openai: {host: 0.0.0.0}}\napiKeys: [k]\n")
    (problem,) = await house.refused("listen: {openai: {host: 127.0.0.1}}\n")
    assert "restart" in problem.suggestion
    assert house.current.config.api_keys
    await house.library.aclose()


async def test_many_calls_at_once_are_few_reloads_and_all_see_the_last_file(house):
    writes = [f"defaultTtl: {number}\n" for number in range(1, 30)]
    waiting = []
    for text in writes:
        house.write(text)
        waiting.append(asyncio.ensure_future(house.reloader.reload()))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    assert house.current.config.default_ttl == 29
    told = [event for event in house.events if isinstance(event, ConfigChanged | ConfigRefused)]
    assert 1 <= len(told) < 15
    assert set(told) == {ConfigChanged()}  # and no half of a file


async def test_a_caller_that_leaves_does_not_stop_the_reload(house):
    house.write("defaultTtl: 5\n")
    leaving = asyncio.ensure_future(house.reloader.reload())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (await house.reloader.reload()).changes == ()
    assert house.current.config.default_ttl == 5


async def test_models_of_another_folder_are_there_when_the_reload_is_done(
    house, tmp_path, make_gguf
):
    (tmp_path / "more").mkdir()
    make_gguf(tmp_path / "more" / "new.gguf")
    house.file.write_text("modelsDir: [models, more]\nstateDir: state\n")
    outcome = await house.reloader.reload()
    assert outcome.models is not None
    assert outcome.models.added == {"new"}
