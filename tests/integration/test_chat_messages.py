"""The tree of messages of a chat, as SQL sees it, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from paddock.storage import chats, messages
from paddock.storage.chat_migrations import migrate
from paddock.storage.chat_store import Store
from paddock.storage.chat_tables import USERS
from paddock.storage.chats import Chat
from paddock.storage.messages import Message

TREE = {"q1": None, "a1": "q1", "q2": "a1", "a2": "q2", "a2b": "q2", "q1b": None, "a1b": "q1b"}
"""Each message and its parent, oldest first."""


@pytest.fixture
def connection(empty_database: Path | str) -> Iterator[Connection]:
    store = Store(empty_database)
    engine = store.connected()
    migrate(engine)
    with engine.begin() as open_one:
        for user in ("ann", "bob"):
            open_one.execute(
                insert(USERS).values(
                    id=user, login=user, name=user, password="", must_change=False, role="user",
                    created=0, last_seen=0, settings={}, limits={},
                )
            )  # fmt: skip
        chats.add(open_one, Chat(id="c", user_id="ann", created=0, updated=0))
        messages.add(open_one, *tree())
        yield open_one
    engine.dispose()
    asyncio.run(store.aclose())


def tree() -> list[Message]:
    return [
        Message(
            id=name,
            user_id="ann",
            chat_id="c",
            parent_id=parent,
            role="user" if name.startswith("q") else "assistant",
            content=name,
            created=number,
            files=("f",) if name == "q1" else (),
            meta={"tokens": number},
        )
        for number, (name, parent) in enumerate(TREE.items())
    ]


def ids(found: tuple[Message, ...]) -> list[str]:
    return [message.id for message in found]


def test_a_message_comes_back_as_it_was_kept(connection: Connection) -> None:
    assert messages.get(connection, "ann", "c", "q1") == tree()[0]
    assert list(messages.of(connection, "ann", "c")) == tree()
    assert messages.count(connection, "ann", "c") == len(TREE)


@pytest.mark.parametrize(
    ("leaf", "way"),
    [
        ("a2", ["q1", "a1", "q2", "a2"]),
        ("a2b", ["q1", "a1", "q2", "a2b"]),
        ("q1b", ["q1b"]),
        ("nothing", []),
    ],
)
def test_a_branch_is_the_way_from_the_root(
    connection: Connection, leaf: str, way: list[str]
) -> None:
    assert ids(messages.branch(connection, "ann", "c", leaf)) == way


@pytest.mark.parametrize(
    ("under", "end"), [("q1", "a2b"), ("a2", "a2"), ("q1b", "a1b"), (None, "a1b")]
)
def test_the_newest_branch_ends_in_a_leaf(
    connection: Connection, under: str | None, end: str
) -> None:
    assert messages.leaf(connection, "ann", "c", under) == end


def test_what_follows_a_message_goes_with_it(connection: Connection) -> None:
    gone = messages.with_all_after(connection, "ann", "c", "a1")
    assert set(gone) == {"a1", "q2", "a2", "a2b"}
    assert messages.remove(connection, "ann", "c", gone) == 4
    assert ids(messages.of(connection, "ann", "c")) == ["q1", "q1b", "a1b"]


def test_a_circle_does_not_go_round_for_ever(connection: Connection) -> None:
    messages.change(connection, "ann", "c", "q1", parent_id="a2")
    assert "q1" in messages.with_all_after(connection, "ann", "c", "a2")
    assert ids(messages.branch(connection, "ann", "c", "a2"))[-1] == "a2"


def test_what_was_being_written_is_interrupted(connection: Connection) -> None:
    messages.change(connection, "ann", "c", "a2", state="writing", content="half")
    assert messages.interrupt_all(connection) == 1
    found = messages.get(connection, "ann", "c", "a2")
    assert found is not None
    assert (found.state, found.content) == ("interrupted", "half")


@pytest.mark.parametrize(("user", "chat"), [("bob", "c"), ("ann", "d")])
def test_what_is_anothers_is_not_there(connection: Connection, user: str, chat: str) -> None:
    assert messages.get(connection, user, chat, "q1") is None
    assert messages.of(connection, user, chat) == ()
    assert messages.branch(connection, user, chat, "a2") == ()
    assert messages.with_all_after(connection, user, chat, "q1") == ()
    assert messages.leaf(connection, user, chat, None) is None
    assert messages.count(connection, user, chat) == 0
    assert not messages.change(connection, user, chat, "q1", content="mine")
    assert messages.remove(connection, user, chat, ["q1"]) == 0
    assert ids(messages.of(connection, "ann", "c")) == list(TREE)
