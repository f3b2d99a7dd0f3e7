import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from paddock.events import ConfigRefused, EventBus, InstanceChanged, InstanceState, ProfileChanged
from paddock.gateway.feed import MANY_MODELS, MOST_WAITING, Feed, Sources
from paddock.gateway.inflight import Inflight
from paddock.observe.activity import Activity
from paddock.observe.answer import Answer
from paddock.observe.captures import Captures
from paddock.observe.journal import Journal
from paddock.observe.logs import LogRing
from paddock.observe.record import Asked
from paddock.storage.database import Database


class Rig:
    def __init__(self, models=1):
        self.bus = EventBus()
        activity = Activity(Database(None), 10)
        self.journal = Journal(activity, Captures(lambda: 0), lambda _: 500)
        view = SimpleNamespace(instances=(), waiting=())
        scheduler: Any = SimpleNamespace(snapshot=lambda: view)
        launcher: Any = SimpleNamespace(output=None)
        self.sources = Sources(
            self.bus,
            self.journal,
            Inflight(self.journal, scheduler),
            LogRing(),
            launcher,
            models=lambda newer: [
                {"id": f"m{n}", "state": str(newer.get(f"m{n}", "stopped"))} for n in range(models)
            ],
            running=list,
            ui=dict,
            profile=lambda: None,
        )

    def seen_only(self, report=Answer):
        return self.journal.record(Asked("m0", "/v1/x", is_kept=False), report)


async def told(messages, count):
    found = []
    for _ in range(count):
        message = json.loads(await asyncio.wait_for(anext(messages), 20))
        found.append((message["type"], json.loads(message["data"])))
    return found


SNAPSHOT = ["logData", "modelStatus", "uiConfig", "profileChanged", "inflight"]


@pytest.mark.parametrize("models", [0, 1, MANY_MODELS + 1])
async def test_first_all_is_told_as_it_is(models):
    async with Feed(Rig(models).sources) as feed:
        first = await told(feed.messages(), 5)
    assert [kind for kind, _ in first] == SNAPSHOT
    assert len(first[1][1]) == models


async def test_a_reader_that_is_too_slow_is_told_all_again():
    rig = Rig()
    async with Feed(rig.sources) as feed:
        for number in range(MOST_WAITING):
            rig.bus.publish(ProfileChanged(str(number)))
        found = await told(feed.messages(), 6)
    kinds = [kind for kind, _ in found]
    assert kinds[:4] == SNAPSHOT[1:]
    assert kinds[4] == "profileChanged"


async def test_many_changes_of_models_are_one_message():
    rig = Rig()
    async with Feed(rig.sources) as feed:
        messages = feed.messages()
        await told(messages, 5)
        for state in (InstanceState.READY, InstanceState.STOPPING, InstanceState.STOPPED) * 3:
            rig.bus.publish(InstanceChanged("m0", "m0-1", state))
        rig.bus.publish(ConfigRefused(("no",)))
        found = await told(messages, 2)
    assert found == [
        ("modelStatus", [{"id": "m0", "state": "stopped"}]),
        ("configChanged", {"ok": False, "problems": ["no"]}),
    ]


async def test_a_request_that_ended_before_it_was_told_is_only_removed():
    rig = Rig()
    async with Feed(rig.sources) as feed:
        messages = feed.messages()
        await told(messages, 5)
        with rig.seen_only():
            pass
        found = await told(messages, 1)
    assert found == [("inflight", {"operation": "remove", "id": "1"})]


async def test_what_a_running_request_got_is_told_from_time_to_time():
    rig = Rig()
    sent = [0]
    async with Feed(rig.sources) as feed:
        messages = feed.messages()
        await told(messages, 5)
        with rig.seen_only(lambda: Answer(200, sent=sent[0])):
            ((_, first),) = await told(messages, 1)
            sent[0] = 70
            ((_, second),) = await told(messages, 1)
    assert first["request"]["resp_bytes"] == 0
    assert (second["operation"], second["request"]["resp_bytes"]) == ("upsert", 70)


async def test_after_its_end_a_feed_hears_nothing():
    rig = Rig()
    async with Feed(rig.sources) as feed:
        messages = feed.messages()
        await told(messages, 5)
    rig.bus.publish(ProfileChanged("work"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(messages)
