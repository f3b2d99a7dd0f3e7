"""Admins and others' chats: closed, unless the owner says otherwise; and then nothing is secret."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import House

from paddock.storage import chats, messages
from paddock.storage.chat_store import Store
from paddock.storage.chats import Chat
from paddock.storage.messages import Message
from paddock.storage.users import Role

GLASS = "/api/admin/break-glass"
REASON = "he is in hospital & asked for a recipe"


class Rooms(NamedTuple):
    house: House
    admin: Visitor
    other: Visitor
    """Another admin."""
    bob: Visitor


def closed(folder: Path) -> Rooms:
    """A house that has not started; bob has said something in it."""
    house = House(folder)
    people = visitors(house, ada=Role.ADMIN, eve=Role.ADMIN, bob=Role.USER)
    asyncio.run(_said(house, people["bob"].user.id))
    return Rooms(house, people["ada"], people["eve"], people["bob"])


async def _said(house: House, user: str) -> None:
    store = Store(house.state / "chat" / "chat.db")
    await store.open()
    mine = Chat("c1", user, 1, 1, title="Soup")
    brief = Chat("c2", user, 1, 1, title="Not kept", temporary=True)
    await store.write(lambda c: chats.add(c, mine, brief))
    said = Message("m1", user, "c1", None, "user", "how much salt?", 1)
    await store.write(lambda c: messages.add(c, said))
    await store.aclose()


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = closed(tmp_path)
    rooms.house.start(rooms.house.config(listen=CHAT_DOOR, chat={"breakGlass": True}))
    yield rooms
    rooms.house.stop()


def test_without_the_owners_leave_nobody_reads(tmp_path):
    rooms = closed(tmp_path)
    rooms.house.start(rooms.house.config(listen=CHAT_DOOR))
    try:
        bob = rooms.bob.user.id
        answer = rooms.admin.ask("POST", GLASS, {"user": bob, "reason": REASON})
        assert answer.status == 403
        assert "chat.breakGlass" in answer.json()["error"]["hint"]
        assert rooms.admin.ask("GET", f"/api/admin/users/{bob}/chats").status == 404
        assert rooms.admin.get("/api/admin/audit")["entries"] == []
    finally:
        rooms.house.stop()


def test_who_reads_gives_a_reason_which_is_told_and_written_down(rooms):
    bob, theirs = rooms.bob.user.id, f"/api/admin/users/{rooms.bob.user.id}/chats"
    assert rooms.admin.ask("GET", theirs).status == 404
    assert rooms.admin.ask("GET", f"{theirs}/c1").status == 404
    with rooms.bob.live() as events:
        events.until("models")
        opened = rooms.admin.ask("POST", GLASS, {"user": bob, "reason": REASON})
        assert opened.json()["user"] == bob
        told = events.until("notice")
        assert (told["by"], told["reason"]) == ("ada", REASON)
        assert REASON in told["text"]
    (kept,) = rooms.bob.get("/api/me/notices")["notices"]
    assert kept == told
    assert rooms.admin.get("/api/me/notices")["notices"] == []
    assert [one["title"] for one in rooms.admin.get(theirs)["chats"]] == ["Soup"]
    whole = rooms.admin.get(f"{theirs}/c1")
    assert [one["content"] for one in whole["messages"]] == ["how much salt?"]
    deeds = [
        (one["actor"], one["action"]) for one in rooms.admin.get("/api/admin/audit")["entries"]
    ]
    assert deeds == [
        ("ada", "break_glass_read"), ("ada", "break_glass_list"), ("ada", "break_glass"),
    ]  # fmt: skip
    assert "ada breaks the glass of bob" in rooms.house.said


def test_it_is_open_for_that_admin_that_user_and_that_alone(rooms):
    bob, theirs = rooms.bob.user.id, f"/api/admin/users/{rooms.bob.user.id}/chats"
    rooms.admin.ask("POST", GLASS, {"user": bob, "reason": REASON})
    assert rooms.admin.ask("GET", theirs).status == 200
    assert rooms.other.ask("GET", theirs).status == 404
    assert rooms.admin.ask("GET", f"{theirs}/c2").status == 404  # temporary
    assert rooms.admin.ask("GET", f"{theirs}/nothing").status == 404
    assert rooms.admin.ask("GET", f"/api/admin/users/{rooms.other.user.id}/chats").status == 404
    assert rooms.admin.ask("DELETE", f"{theirs}/c1", {}).status == 405
    for body, status in [({"user": bob}, 400), ({"user": bob, "reason": "  "}, 400),
                         ({"user": "x", "reason": "why"}, 404)]:  # fmt: skip
        assert rooms.admin.ask("POST", GLASS, body).status == status
    rooms.house.stop()
    rooms.house.start(rooms.house.config(listen=CHAT_DOOR, chat={"breakGlass": True}))
    assert rooms.admin.ask("GET", theirs).status == 404  # over with the daemon
