"""What GPUs are kept for, and who hears when that changes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.engine.gpu_rules import GpuRules
from paddock.engine.pauses import FILE, Pause, Pauses
from paddock.events import ConfigChanged, EventBus, GpusChanged
from paddock.hardware.devices import Device

TOTAL = 1000
CARD = Device("Vulkan0", "a card", TOTAL, TOTAL, pci="0000:03:00.0")
SAME = Device("ROCm0", "a card", TOTAL, TOTAL, pci="0000:03:00.0")
OTHER = Device("Vulkan1", "another", TOTAL, TOTAL)
ALL = (CARD, SAME, OTHER)


class Room:
    """Rules with a configuration, and how often they told of a change."""

    def __init__(self, folder, **gpus):
        self.current = Current(Config.model_validate({"gpus": gpus}))
        self.bus = EventBus()
        self.rules = GpuRules(self.current, Pauses(folder), self.bus)
        self.bus.listen(self.rules.heard)
        self.bus.listen(self._hear)
        self.changed = asyncio.Event()

    def _hear(self, event):
        if isinstance(event, GpusChanged):
            self.changed.set()

    def kept(self):
        found = self.rules.kept_free(ALL)
        return {name: (one.bytes, one.leaves) for name, one in found.items()}


@pytest.fixture
async def room(tmp_path):
    rooms = []

    def room(**gpus):
        rooms.append(Room(tmp_path, **gpus))
        return rooms[-1]

    yield room
    for one in rooms:
        await one.rules.aclose()


async def test_a_pause_is_of_the_card_whatever_it_is_called(room):
    one = room()
    await one.rules.pause(SAME, Pause())
    assert one.kept() == {"Vulkan0": (TOTAL, True), "ROCm0": (TOTAL, True)}
    assert one.changed.is_set()
    await one.rules.resume(CARD.pci)
    assert one.kept() == {}


@pytest.mark.parametrize(
    ("reserve", "keep_running", "leaves"),
    [(0, True, False), (0, False, True), ("all", True, True), ("10%", True, False)],
)
async def test_a_pause_and_a_reservation(room, reserve, keep_running, leaves):
    one = room(Vulkan1={"reserve": reserve})
    await one.rules.pause(OTHER, Pause(keep_running=keep_running))
    assert one.kept() == {"Vulkan1": (TOTAL, leaves)}


async def test_pauses_are_kept_on_disk_until_they_end(room, tmp_path):
    past, later = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    first = room()
    await first.rules.pause(OTHER, Pause(past))
    await first.rules.pause(CARD, Pause(later, keep_running=True))
    assert list(json.loads((tmp_path / FILE).read_bytes())["paused"]) == [CARD.pci]
    again = room().rules.pauses()
    assert again[CARD.pci].keep_running
    assert timedelta(0) <= again[CARD.pci].until - later < timedelta(seconds=1)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"paused": 3}', '{"paused": {"a": 1, "b": {"until": "x"}}}', "[" * 99999]
)
async def test_a_file_that_makes_no_sense_pauses_nothing(room, tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert room().rules.pauses() == {}


async def test_who_cannot_write_pauses_nevertheless(room, tmp_path, caplog):
    one = room()
    (tmp_path / FILE).mkdir()
    await one.rules.pause(OTHER, Pause())
    assert one.kept() == {"Vulkan1": (TOTAL, True)}
    assert "forgotten at a restart" in caplog.text


async def test_the_clock_is_watched(room):
    one = room()
    one.rules.start()
    await one.rules.pause(OTHER, Pause(datetime.now(UTC) + timedelta(seconds=0.2)))
    one.changed.clear()
    await asyncio.wait_for(one.changed.wait(), 30)
    assert one.kept() == {}
    assert one.rules.next_change() is None


async def test_another_configuration_is_told_when_it_means_something_else(room):
    one = room(Vulkan1={"reserve": 10})
    one.bus.publish(ConfigChanged())
    assert not one.changed.is_set()
    one.current.replace(Config.model_validate({"gpus": {"Vulkan1": {"reserve": 20}}}), (), ())
    one.bus.publish(ConfigChanged())
    assert one.changed.is_set()
    assert one.kept() == {"Vulkan1": (20, False)}


async def test_an_unknown_gpu_is_told_once_for_each_configuration(room, caplog):
    one = room(CUDA0={"reserve": "all"})
    assert one.rules.problems() == ()
    for _ in range(2):
        one.kept()
        one.kept()
        one.bus.publish(ConfigChanged())
    assert caplog.text.count("gpus.CUDA0 names no GPU") == 2
    assert len(one.rules.problems()) == 1
