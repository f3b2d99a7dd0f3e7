"""Chats, folders, presets, files and search in the database, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from paddock.storage import chat_search, chats, files, folders, messages, presets, users
from paddock.storage.chat_store import Store
from paddock.storage.chats import Chat, Place
from paddock.storage.files import File
from paddock.storage.folders import Folder
from paddock.storage.messages import Message
from paddock.storage.presets import Preset
from paddock.storage.users import Role, User

YEAR = 365 * 24 * 3600 * 1000


@pytest.fixture
async def ours(store: Store) -> Store:
    """A store with two users."""

    def fill(connection: Connection) -> None:
        for name in ("ann", "bob"):
            users.add(connection, User(name, name, name, Role.USER, 1, 1), "!")

    await store.write(fill)
    return store


def message(message_id: str, chat_id: str, content: str = "words", **more: Any) -> Message:
    values = {"user_id": "ann", "parent_id": None, "role": "user", "created": 1} | more
    return Message(id=message_id, chat_id=chat_id, content=content, **values)


def file(file_id: str, created: int = 1, user_id: str = "ann") -> File:
    return File(file_id, user_id, "n", "text", "text/plain", 10, 3, created, text="t")


async def test_pages_go_on_where_the_last_one_ended(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        folders.add(connection, Folder("f", "ann", "Work"))
        many = [Chat(f"c{n}", "ann", n, 10 + n // 2) for n in range(6)]
        many += [Chat("pin", "ann", 1, 1, pinned=True), Chat("in", "ann", 1, 2, folder_id="f")]
        many += [Chat("bobs", "bob", 1, 99), Chat("temp", "ann", 1, 99, temporary=True)]
        chats.add(connection, *many)

    await ours.write(fill)

    async def page(**what: Any) -> list[str]:
        found = await ours.read(lambda c: chats.page(c, "ann", limit=4, **what))
        return [chat.id for chat in found]

    assert await page() == ["pin", "c5", "c4", "c3", "c2"]
    assert await page(before=Place(11, "c2")) == ["c1", "c0", "in"]
    assert await page(folder_id="f") == ["in"]
    assert await page(archived=True) == []
    changed = await ours.write(lambda c: chats.touch(c, "ann", "c0", at=50, model="m"))
    assert changed is not None
    assert (changed.updated, changed.model) == (50, "m")
    assert (await page())[1] == "c0"


async def test_no_row_of_anothers_is_reached(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        chats.add(connection, Chat("c", "ann", 1, 1))
        folders.add(connection, Folder("f", "ann", "Work"))
        presets.add(connection, Preset("p", "ann", "Mine", 1, 1))
        presets.add(connection, Preset("h", None, "House", 1, 1))
        files.add(connection, file("x"))

    await ours.write(fill)

    def reach(connection: Connection) -> list[Any]:
        return [
            chats.get(connection, "bob", "c"),
            chats.change(connection, "bob", "c", title="stolen"),
            chats.touch(connection, "bob", "c", at=9),
            chats.remove(connection, "bob", "c"),
            folders.get(connection, "bob", "f"),
            folders.change(connection, "bob", "f", name="stolen"),
            folders.remove(connection, "bob", "f"),
            presets.get(connection, "bob", "p"),
            presets.change(connection, "bob", "p", name="stolen"),
            presets.change(connection, "bob", "h", name="stolen"),
            presets.remove(connection, None, "p"),
            files.get(connection, "bob", "x"),
            files.remove(connection, "bob", "x"),
            files.total(connection, "bob"),
        ]

    assert not any(await ours.write(reach))
    assert await ours.read(lambda c: chats.get(c, "ann", "c")) == Chat("c", "ann", 1, 1)
    names = await ours.read(lambda c: [one.name for one in presets.of(c, "bob")])
    assert names == ["House"]
    assert await ours.read(lambda c: [one.name for one in presets.of(c, "ann")]) == [
        "House",
        "Mine",
    ]


async def test_a_folder_goes_and_its_chats_stay(ours: Store) -> None:
    def work(connection: Connection) -> Chat | None:
        folders.add(connection, Folder("f", "ann", "Work"))
        chats.add(connection, Chat("c", "ann", 1, 1, folder_id="f"))
        assert folders.remove(connection, "ann", "f")
        return chats.get(connection, "ann", "c")

    assert await ours.write(work) == Chat("c", "ann", 1, 1)


async def test_files_that_no_message_names(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        chats.add(connection, Chat("c", "ann", 1, 1), Chat("d", "ann", 1, 1))
        for one in (file("used"), file("old"), file("new", created=100), file("b", user_id="bob")):
            files.add(connection, one)
        messages.add(connection, message("m", "c", files=("used", "gone")), message("n", "d"))

    await ours.write(fill)
    unused = await ours.read(lambda c: files.unused(c, 50))
    assert {one.id for one in unused} == {"old", "b"}
    assert await ours.read(lambda c: files.in_chats(c, "ann", "c")) == {"used", "gone"}
    assert await ours.read(lambda c: files.in_chats(c, "ann", "d")) == frozenset()
    found = await ours.read(lambda c: files.get_many(c, "ann", ["old", "b", "used", "old"]))
    assert [one.id for one in found] == ["old", "used"]
    assert await ours.read(lambda c: files.total(c, "ann")) == 30
    assert await ours.read(files.all_ids) == {"used", "old", "new", "b"}


# --- search


async def found(store: Store, *words: str, now: int = 10, limit: int = 9) -> list[tuple[str, Any]]:
    hits = await store.read(lambda c: chat_search.find(c, "ann", words, limit=limit, now=now))
    return [(hit.chat.id, hit.message_id) for hit in hits]


async def test_words_are_found_by_their_beginning_without_case_and_accents(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        chats.add(
            connection,
            Chat("c", "ann", 1, 1, title="Crème BRÛLÉE"),
            Chat("d", "ann", 1, 1, title="Other", archived=True),
            Chat("t", "ann", 1, 1, title="creme", temporary=True),
            Chat("b", "bob", 1, 1, title="creme"),
        )
        messages.add(connection, message("m", "d", "see src/paddock/chat.py: été, snake_case 3.2"))

    await ours.write(fill)
    for words in (("creme",), ("CRÈ",), ("brul", "crem")):
        assert await found(ours, *words) == [("c", None)], words
    for words in (("paddock",), ("py",), ("ete",), ("Case",), ("3", "2"), ("chat", "src")):
        assert await found(ours, *words) == [("d", "m")], words
    assert await found(ours, "reme") == []
    assert await found(ours, "c") == []


async def test_titles_count_more_and_the_new_more_than_the_old(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        others = " ".join(f"other{n}" for n in range(20))
        chats.add(
            connection,
            Chat("old", "ann", 1, 1, title="bread of rye"),
            Chat("new", "ann", 1, 3 * YEAR, title="bread of rye"),
            Chat("said", "ann", 1, 3 * YEAR, title="something else"),
            *(Chat(f"x{n}", "ann", 1, 1, title=others) for n in range(20)),
        )
        messages.add(connection, message("m", "said", "we had bread " + others))

    await ours.write(fill)
    hits = await found(ours, "bread", now=3 * YEAR)
    assert [chat for chat, _ in hits] == ["new", "said", "old"]
    assert [chat for chat, _ in await found(ours, "bread", now=3 * YEAR, limit=1)] == ["new"]


async def test_what_changes_is_found_as_it_is_now(ours: Store) -> None:
    def fill(connection: Connection) -> None:
        chats.add(connection, Chat("c", "ann", 1, 1, title="first"))
        messages.add(connection, message("m", "c", "half an", state="writing"))

    await ours.write(fill)
    assert await found(ours, "half") == []
    done: dict[str, Any] = {"content": "half an answer", "state": "done"}
    await ours.write(lambda c: messages.change(c, "ann", "c", "m", **done))
    assert await found(ours, "half") == [("c", "m")]
    await ours.write(lambda c: messages.change(c, "ann", "c", "m", state="writing"))
    assert await found(ours, "half") == []
    await ours.write(lambda c: messages.change(c, "ann", "c", "m", content="all", state="stopped"))
    assert await found(ours, "all") == [("c", "m")]
    await ours.write(lambda c: chats.change(c, "ann", "c", title="second"))
    assert (await found(ours, "first"), await found(ours, "second")) == ([], [("c", None)])
    await ours.write(lambda c: messages.remove(c, "ann", "c", ["m"]))
    assert await found(ours, "all") == []
    await ours.write(lambda c: users.remove(c, "ann"))
    assert await found(ours, "second") == []


async def test_a_very_long_message_is_kept_and_its_beginning_found(ours: Store) -> None:
    text = "needle " + " ".join(f"w{n}" for n in range(400_000))

    def fill(connection: Connection) -> None:
        chats.add(connection, Chat("c", "ann", 1, 1))
        messages.add(connection, message("m", "c", text))

    await ours.write(fill)
    assert await found(ours, "needle") == [("c", "m")]
    assert await found(ours, "w399999") == []
    await ours.write(lambda c: chats.remove(c, "ann", "c"))
    assert await found(ours, "needle") == []


@pytest.mark.parametrize("word", ["'", '"', "\\", "½", "²", "ß", "漢字", "OR", "NEAR", "x" * 3000])
async def test_any_word_is_only_a_word(ours: Store, word: str) -> None:
    await ours.write(lambda c: chats.add(c, Chat("c", "ann", 1, 1, title=word)))
    await found(ours, word.replace("'", "").replace('"', "").replace("\\", "") or "x", "or")
