"""Accounts, sessions, keys, invites and use in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from paddock.storage import invites, keys, sessions, usage, users
from paddock.storage.chat_store import Store
from paddock.storage.invites import Invite
from paddock.storage.keys import Key
from paddock.storage.sessions import Device
from paddock.storage.usage import Used
from paddock.storage.users import Role, User

ANN = User("ann", "ann", "Ann", Role.ADMIN, 1, 1, settings={"theme": "dark"}, limits={"a": 2})
BOB = User("bob", "bob", "Bob", Role.USER, 2, 2)


@pytest.fixture
async def ours(store: Store) -> Store:
    """A store with an admin and a user."""

    def fill(connection: Connection) -> None:
        assert users.add(connection, ANN, "a hash")
        assert users.add(connection, BOB, "another")

    await store.write(fill)
    return store


async def test_accounts(ours: Store) -> None:
    def work(connection: Connection) -> None:
        assert not users.add(connection, replace(BOB, id="x"), "taken")
        assert users.everybody(connection) == (ANN, BOB)
        assert users.by_login(connection, "ann") == ANN
        assert users.password_of(connection, "bob") == "another"
        assert users.count_admins(connection) == 1
        changed = users.change(connection, "bob", limits={"models": ["m"]}, role=Role.PENDING.value)
        assert changed == replace(BOB, limits={"models": ["m"]}, role=Role.PENDING)
        assert users.remove(connection, "bob")
        assert users.get(connection, "bob") is None

    await ours.write(work)


async def test_sessions(ours: Store) -> None:
    one = Device("s1", "ann", 10, 10, 100, "a phone", "192.0.2.1")
    two = Device("s2", "ann", 20, 20, 200, "a desk", "192.0.2.2")

    def work(connection: Connection) -> None:
        sessions.add(connection, one, "digest 1")
        sessions.add(connection, two, "digest 2")
        assert sessions.find(connection, "digest 1", 50) == (one, ANN)
        assert sessions.find(connection, "digest 1", 100) is None
        assert sessions.find(connection, "digest", 50) is None
        assert sessions.of(connection, "ann", 50) == (two, one)
        sessions.seen(connection, "s1", "ann", 60, 300)
        assert sessions.of(connection, "ann", 250) == (replace(one, last_seen=60, expires=300),)
        assert not sessions.remove(connection, "bob", "s1")
        sessions.remove_of(connection, "ann", but="s1")
        assert [device.id for device in sessions.of(connection, "ann", 50)] == ["s1"]
        users.remove(connection, "ann")
        assert sessions.find(connection, "digest 1", 50) is None

    await ours.write(work)


async def test_keys(ours: Store) -> None:
    own = Key("k1", "ann", "laptop", "pk-1", 10, doors=["openai"], models=["m"])
    house = Key("k2", None, "house", "pk-2", 20)

    def work(connection: Connection) -> None:
        keys.add(connection, own, "digest 1")
        keys.add(connection, house, "digest 2")
        assert keys.of(connection, "ann") == (own,)
        assert keys.of(connection, None) == (house,)
        assert keys.count(connection, "bob") == 0
        living = {one.digest: (one.key, one.owner) for one in keys.everything(connection)}
        assert living == {"digest 1": (own, ANN), "digest 2": (house, None)}
        keys.used(connection, {"k1": 99})
        assert keys.of(connection, "ann")[0].last_used == 99
        assert not keys.remove(connection, "bob", "k1")
        assert keys.remove(connection, None, "k2")
        assert keys.remove(connection, "ann", "k1")

    await ours.write(work)


async def test_an_invite_is_used_once(ours: Store) -> None:
    invite = Invite("i", Role.USER, "for Bob", "ann", 10, 100)

    def work(connection: Connection) -> None:
        invites.add(connection, invite, "digest")
        assert invites.open_by(connection, "digest", 50) == (invite, "Ann")
        assert invites.open_by(connection, "digest", 100) is None
        assert not invites.use(connection, "other", "bob", 50)
        assert invites.use(connection, "digest", "bob", 50)
        assert not invites.use(connection, "digest", "bob", 51)
        assert invites.everything(connection) == (replace(invite, used_by="bob", used_at=50),)
        users.remove(connection, "bob")
        assert invites.everything(connection) == (replace(invite, used_at=50),)
        assert invites.remove(connection, "i")

    await ours.write(work)


async def test_use_adds_up_by_day(ours: Store) -> None:
    def work(connection: Connection) -> None:
        usage.add(connection, "2026-11-23", {"ann": Used(1, 100), "gone": Used(1, 1)})
        usage.add(connection, "2026-11-23", {"ann": Used(2, 1 << 33), "bob": Used(1, 5)})
        usage.add(connection, "2026-11-24", {"ann": Used(1, 1)})
        assert usage.of_day(connection, "2026-11-23") == {
            "ann": Used(3, (1 << 33) + 100),
            "bob": Used(1, 5),
        }

    await ours.write(work)
