"""A user's feed: numbered events that are kept, and snapshots for who was away too long."""

from __future__ import annotations

import asyncio
import json

import pytest

from paddock.chat import feed as feed_module
from paddock.chat.feed import Feeds
from paddock.storage.users import Role, User


def user(name: str = "ann", role: Role = Role.USER) -> User:
    return User(id=name, login=name, name=name, role=role, created=0, last_seen=0)


def told(data: bytes | None) -> list[tuple[str, str, object]]:
    """(id, event, data) of each event."""
    assert data is not None
    events = []
    for text in data.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        events.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return events


async def test_who_comes_back_hears_what_it_missed_and_no_more() -> None:
    feeds = Feeds()
    feed = feeds.of("ann")
    feed.join(user(), "s")
    for number in range(5):
        feed.tell("delta", {"n": number})
    assert told(feed.since(3)) == [
        (f"{feeds.epoch}.4", "delta", {"n": 3}),
        (f"{feeds.epoch}.5", "delta", {"n": 4}),
    ]
    assert feed.since(5) == b""
    assert feed.since(6) is None
    assert feed.since(-1) is None


@pytest.mark.parametrize(("limit", "value"), [("KEPT_EVENTS", 3), ("KEPT_BYTES", 130)])
async def test_what_is_kept_is_bounded(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(feed_module, limit, value)
    feed = Feeds().of("ann")
    feed.join(user(), "s")
    for number in range(50):
        feed.tell("delta", {"text": "word", "n": number})
    assert feed.since(10) is None
    assert len(told(feed.since(47))) == 3


async def test_a_snapshot_is_numbered_by_its_last_event() -> None:
    feeds = Feeds()
    feeds.add_snapshot(lambda who: [("models", [who.login])])
    listener = feeds.of("ann").join(user(), "s")
    feeds.of("ann").tell("notice", {"text": "hm"})
    assert told(feeds.snapshot(listener)) == [
        ("", "hello", {"user": "ann", "epoch": feeds.epoch}),
        (f"{feeds.epoch}.1", "models", ["ann"]),
    ]


async def test_who_waits_for_approval_hears_of_nothing_but_itself() -> None:
    feeds = Feeds()
    feeds.add_snapshot(lambda _: [("models", [])])
    listener = feeds.of("ann").join(user(role=Role.PENDING), "s")
    feeds.all("model", {})
    assert feeds.of("ann").since(0) == b""
    assert [event for _, event, _ in told(feeds.snapshot(listener))] == ["hello"]
    feeds.changed(user())
    assert feeds.of("ann").since(0) is None
    assert [event for _, event, _ in told(feeds.snapshot(listener))] == ["hello", "models"]


async def test_only_admins_hear_what_is_for_admins() -> None:
    feeds = Feeds()
    for name, role in (("ann", Role.ADMIN), ("bob", Role.USER)):
        feeds.of(name).join(user(name, role), "s")
    feeds.admins("pull", {"id": 1})
    feeds.all("model", {"id": 2})
    assert [event for _, event, _ in told(feeds.of("ann").since(0))] == ["pull", "model"]
    assert [event for _, event, _ in told(feeds.of("bob").since(0))] == ["model"]


async def test_nothing_is_kept_for_whom_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FORGET_SECONDS", 0.0)
    feeds = Feeds()
    feed = feeds.of("ann")
    feed.tell("notice", {})
    assert feed.last == 0
    listener = feed.join(user(), "s")
    feed.tell("notice", {})
    feed.leave(listener)
    feed.leave(listener)
    assert feed.since(0)
    while feed.since(0) is not None:
        await asyncio.sleep(0)
    assert list(feeds.followers()) == []


async def test_the_end_of_a_session_ends_its_streams_only() -> None:
    feeds = Feeds()
    one = feeds.of("ann").join(user(), "one")
    two = feeds.of("ann").join(user(), "two")
    feeds.end_session("one")
    await one.news()
    assert [one.is_over, two.is_over] == [True, False]
    feeds.end_user("ann")
    await asyncio.wait_for(two.news(), 1)
