"""`GET /api/live` on a real socket: where it begins, how it goes on, and when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.chat_house import ChatHouse, Person, chat_house
from tests.fakes.chat_tabs import Tab

from paddock.chat.live import MOST_STREAMS, Live
from paddock.config.current import Current
from paddock.config.schema import Config
from paddock.gateway.event_stream import EventStreams
from paddock.storage.users import Role


@pytest.fixture
def streams() -> EventStreams:
    return EventStreams(Current(Config()))


@pytest.fixture
async def house(tmp_path: Path, streams: EventStreams) -> AsyncIterator[ChatHouse]:
    def routes(house: ChatHouse):
        house.feeds.add_snapshot(lambda user: [("models", [user.login])])
        return Live(feeds=house.feeds, streams=streams).routes()

    async with chat_house(tmp_path, routes) as found:
        yield found


@pytest.fixture
async def ann(house: ChatHouse) -> AsyncIterator[Person]:
    async with await house.as_user("ann") as found:
        yield found


def id_of(person: Person) -> str:
    assert person.user is not None
    return person.user.id


def tab(person: Person, last: str = "") -> Tab:
    return Tab(person.http, {"Last-Event-ID": last} if last else {})


async def test_it_goes_on_after_the_last_event(house: ChatHouse, ann: Person) -> None:
    feed = house.feeds.of(id_of(ann))
    async with tab(ann) as first:
        await first.until("models")
        feed.tell("notice", {"text": "one"})
        await first.until("notice")
    feed.tell("notice", {"text": "two"})
    async with tab(ann, first.last) as second:
        await second.until("notice", lambda data: data["text"] == "two")
        assert [name for name, _ in second.events] == ["notice"]


@pytest.mark.parametrize(
    "last", ["other.1", "{epoch}.99", "{epoch}.x", "{epoch}.-1", "{epoch}", "{epoch}." + "9" * 5000]
)
async def test_who_knows_something_else_hears_a_snapshot(
    house: ChatHouse, ann: Person, last: str
) -> None:
    async with tab(ann, last.format(epoch=house.feeds.epoch)) as found:
        assert await found.until("hello") == {"user": id_of(ann), "epoch": house.feeds.epoch}
        assert await found.until("models") == ["ann"]


async def test_an_ended_session_is_told_and_ends_its_stream(house: ChatHouse, ann: Person) -> None:
    async with tab(ann) as found:
        (device,) = await house.sessions.of(id_of(ann))
        await house.sessions.end(id_of(ann), device.id)
        await found.until("signed_out")
        await found.wait_for(lambda: found.is_over or None)
    assert (await ann.ask("GET", "/api/live"))[0] == 401


async def test_the_daemons_stop_ends_it(ann: Person, streams: EventStreams) -> None:
    async with tab(ann) as found:
        streams.close()
        await found.wait_for(lambda: found.is_over or None)
    assert not found.named("signed_out")


async def test_others_hear_nothing_of_it(house: ChatHouse, ann: Person) -> None:
    async with await house.as_user("bob") as bob, tab(bob) as bobs, tab(ann) as anns:
        house.feeds.of(id_of(ann)).tell("notice", {"text": "for ann"})
        house.feeds.all("notice", {"text": "for all"})
        await bobs.until("notice")
        await anns.until("notice", lambda data: data["text"] == "for all")
        assert bobs.named("notice") == [{"text": "for all"}]


async def test_only_so_many_streams(ann: Person) -> None:
    tabs = [tab(ann) for _ in range(MOST_STREAMS)]
    for one in tabs:
        await one.__aenter__()
    try:
        status, told = await ann.ask("GET", "/api/live")
        assert (status, told["error"]["code"]) == (429, "too_many_streams")
    finally:
        for one in tabs:
            await one.__aexit__()


async def test_who_waits_for_approval_hears_of_it(house: ChatHouse) -> None:
    async with await house.as_user("pim", Role.PENDING) as pim, tab(pim) as found:
        assert [name for name, _ in found.events] == ["hello"]


async def test_nobody_else_may_listen(house: ChatHouse) -> None:
    async with house.nobody() as nobody:
        assert (await nobody.ask("GET", "/api/live"))[0] == 401
