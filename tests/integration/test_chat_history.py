"""Chats, folders, presets and search, asked for at the chat's door."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_house import ChatHouse, Person, chat_house

from paddock.chat.calls import ChatRoute
from paddock.chat.chats import ChatEndpoints
from paddock.chat.folders import FolderEndpoints
from paddock.chat.leaving import TEMPORARY_MS, Leaving
from paddock.chat.presets import PresetEndpoints
from paddock.chat.search import SearchEndpoint, snippet, words_of
from paddock.chat.vault import Vault
from paddock.storage import chats, messages
from paddock.storage.chats import Chat
from paddock.storage.ids import new_id, now_ms
from paddock.storage.messages import Message
from paddock.storage.users import Role

STOPPED: list[tuple[str, str]] = []


async def stop_answers(user_id: str, chat_ids: Iterable[str]) -> None:
    """Nobody writes answers here; what would have been stopped is written down."""
    STOPPED.extend((user_id, chat_id) for chat_id in chat_ids)


def leaving_of(house: ChatHouse) -> Leaving:
    vault = Vault(house.state / "chat" / "files")
    return Leaving(store=house.store, vault=vault, feeds=house.feeds, stop_answers=stop_answers)


def routes(house: ChatHouse) -> list[ChatRoute]:
    parts = (
        ChatEndpoints(store=house.store, feeds=house.feeds, leaving=leaving_of(house)),
        FolderEndpoints(store=house.store),
        PresetEndpoints(store=house.store),
        SearchEndpoint(store=house.store),
    )
    return [route for part in parts for route in part.routes()]


@pytest.fixture
async def house(tmp_path: Path, no_task_left_behind: None) -> AsyncIterator[ChatHouse]:
    STOPPED.clear()
    async with chat_house(tmp_path, routes) as house:
        yield house


@pytest.fixture
async def ann(house: ChatHouse) -> AsyncIterator[Person]:
    async with await house.as_user("ann") as person:
        yield person


@pytest.fixture
async def bob(house: ChatHouse) -> AsyncIterator[Person]:
    async with await house.as_user("bob") as person:
        yield person


async def made(person: Person, **what: Any) -> dict[str, Any]:
    status, chat = await person.ask("POST", "/api/chats", what)
    assert status == 201
    return chat


async def said(house: ChatHouse, person: Person, chat_id: str, content: str, **more: Any) -> str:
    """A message straight into the database; its id."""
    assert person.user is not None
    values = {"parent_id": None, "role": "user", "created": now_ms()} | more
    message = Message(new_id(), person.user.id, chat_id, content=content, **values)
    await house.store.write(lambda c: messages.add(c, message))
    return message.id


# --- chats


async def test_a_chat_is_made_changed_and_deleted(house: ChatHouse, ann: Person) -> None:
    chat = await made(ann, settings={"model": "m", "params": {"temperature": 0.5}})
    assert chat["title"] == "New chat"
    assert chat["settings"] == {"model": "m", "params": {"temperature": 0.5}}
    one = await said(house, ann, chat["id"], "hello")
    path = f"/api/chats/{chat['id']}"
    change = {"title": " Bread \n and butter ", "pinned": True, "current": one, "settings": {}}
    status, changed = await ann.ask("PATCH", path, change)
    assert status == 200
    assert (changed["title"], changed["pinned"], changed["current"], changed["settings"]) == (
        "Bread and butter",
        True,
        one,
        {},
    )
    status, whole = await ann.ask("GET", path)
    assert whole["chat"] == changed
    assert [message["content"] for message in whole["messages"]] == ["hello"]
    assert (await ann.ask("DELETE", path))[0] == 204
    assert ann.user is not None
    assert (ann.user.id, chat["id"]) in STOPPED
    assert (await ann.ask("GET", path))[0] == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"titel": "x"}, "titel"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": 3}, "title"),
        ({"pinned": 1}, "pinned"),
        ({"folder": "none"}, "folder"),
        ({"folder": 7}, "folder"),
        ({"current": "none"}, "current"),
        ({"settings": []}, "settings"),
        ({"settings": {"colour": "red"}}, "colour"),
        ({"settings": {"preset": "none"}}, "settings.preset"),
        ({"settings": {"params": {"temperature": 99}}}, "params.temperature"),
        ({"temporary": True}, "temporary"),
        ({"user_id": "x"}, "user_id"),
        ({"id": "x"}, "id"),
    ],
)
async def test_what_a_chat_cannot_become(ann: Person, change: dict[str, Any], field: str) -> None:
    chat = await made(ann)
    status, told = await ann.ask("PATCH", f"/api/chats/{chat['id']}", change)
    assert (status, told["error"]["field"]) == (400, field)
    assert (await ann.ask("GET", f"/api/chats/{chat['id']}"))[1]["chat"] == chat


async def test_pages_of_chats_with_the_pinned_ones_first(house: ChatHouse, ann: Person) -> None:
    assert ann.user is not None
    user = ann.user.id
    many = [Chat(f"c{n:02}", user, n, 1000 + n // 2, pinned=n == 3) for n in range(12)]
    many += [Chat("old", user, 1, 5000, archived=True), Chat("t", user, 1, 5000, temporary=True)]
    await house.store.write(lambda c: chats.add(c, *many))
    seen: list[list[str]] = []
    query = "?limit=4"
    while query:
        _, told = await ann.ask("GET", f"/api/chats{query}")
        seen.append([chat["id"] for chat in told["chats"]])
        query = f"?limit=4&before={told['next']}" if "next" in told else ""
    assert seen == [
        ["c03", "c11", "c10", "c09", "c08"],
        ["c07", "c06", "c05", "c04"],
        ["c02", "c01", "c00"],
    ]
    _, told = await ann.ask("GET", "/api/chats?archived=1")
    assert [chat["id"] for chat in told["chats"]] == ["old"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "before=x", "before=.x", "before=1" + "0" * 40]
)
async def test_pages_that_are_not(ann: Person, query: str) -> None:
    assert (await ann.ask("GET", f"/api/chats?{query}"))[0] == 400


async def test_nothing_of_anothers_is_found(house: ChatHouse, ann: Person, bob: Person) -> None:
    chat = await made(ann, title="secret")
    _, folder = await ann.ask("POST", "/api/folders", {"name": "mine"})
    _, preset = await ann.ask("POST", "/api/presets", {"name": "mine"})
    bobs = await made(bob)
    for path in (f"chats/{chat['id']}", f"folders/{folder['id']}", f"presets/{preset['id']}"):
        for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
            status, _ = await bob.ask(method, f"/api/{path}", body)
            assert status in {404, 405}, (method, path)
            assert status == 404 or method == "GET"
    for change in ({"folder": folder["id"]}, {"settings": {"preset": preset["id"]}}):
        assert (await bob.ask("PATCH", f"/api/chats/{bobs['id']}", change))[0] == 400
    assert (await bob.ask("GET", "/api/search?q=secret"))[1] == {"results": []}
    assert (await bob.ask("DELETE", "/api/chats"))[0] == 204
    assert len((await ann.ask("GET", "/api/chats"))[1]["chats"]) == 1


async def test_delete_all(house: ChatHouse, ann: Person) -> None:
    assert ann.user is not None
    user = ann.user.id
    many = [Chat(new_id(), user, n, n, archived=n % 2 == 0) for n in range(700)]
    await house.store.write(lambda c: chats.add(c, *many))
    assert (await ann.ask("DELETE", "/api/chats"))[0] == 204
    assert await house.store.read(lambda c: chats.ids(c, user)) == ()


async def test_the_pages_of_a_user_are_told(house: ChatHouse, ann: Person) -> None:
    assert ann.user is not None
    feed = house.feeds.of(ann.user.id)
    feed.join(ann.user, "s")
    chat = await made(ann, title="Bread")
    await made(ann, temporary=True)
    await ann.ask("PATCH", f"/api/chats/{chat['id']}", {"pinned": True})
    await ann.ask("DELETE", f"/api/chats/{chat['id']}")
    told = (feed.since(0) or b"").decode()
    names = [line.removeprefix("event: ") for line in told.splitlines() if line[:6] == "event:"]
    assert names == ["chat", "chat", "chat_gone"]


async def test_temporary_chats_go(house: ChatHouse, ann: Person) -> None:
    assert ann.user is not None
    user, now = ann.user.id, now_ms()
    kept = await made(ann, title="kept")
    fresh = await made(ann, temporary=True, title="hidden")
    await said(house, ann, fresh["id"], "hidden words")
    old = Chat(new_id(), user, 1, now - TEMPORARY_MS - 1000, temporary=True)
    await house.store.write(lambda c: chats.add(c, old))
    _, listed = await ann.ask("GET", "/api/chats")
    assert [chat["id"] for chat in listed["chats"]] == [kept["id"]]
    assert (await ann.ask("GET", "/api/search?q=hidden"))[1] == {"results": []}
    leaving = leaving_of(house)
    await leaving.sweep()
    assert set(await house.store.read(lambda c: chats.ids(c, user))) == {kept["id"], fresh["id"]}
    await leaving.start()
    await leaving.aclose()
    assert await house.store.read(lambda c: chats.ids(c, user)) == (kept["id"],)


# --- folders and presets


async def test_folders(ann: Person) -> None:
    _, work = await ann.ask("POST", "/api/folders", {"name": "Work"})
    _, home = await ann.ask("POST", "/api/folders", {"name": "Home"})
    assert (work["position"], home["position"]) == (0, 1)
    chat = await made(ann, folder=home["id"])
    await made(ann)
    _, listed = await ann.ask("GET", f"/api/chats?folder={home['id']}")
    assert [one["id"] for one in listed["chats"]] == [chat["id"]]
    _, moved = await ann.ask("PATCH", f"/api/folders/{work['id']}", {"position": 7, "name": "W"})
    assert moved == {"id": work["id"], "name": "W", "position": 7}
    _, listed = await ann.ask("GET", "/api/folders")
    assert [one["name"] for one in listed["folders"]] == ["Home", "W"]
    assert (await ann.ask("DELETE", f"/api/folders/{home['id']}"))[0] == 204
    assert (await ann.ask("GET", f"/api/chats/{chat['id']}"))[1]["chat"]["folder"] is None
    assert (await ann.ask("POST", "/api/folders", {}))[0] == 400


async def test_presets_of_the_house_are_admins_and_everybody_uses_them(
    house: ChatHouse, ann: Person
) -> None:
    async with await house.as_user("boss", Role.ADMIN) as boss:
        what = {"name": "Child", "model": "m", "system": "Be kind.", "house": True}
        assert (await ann.ask("POST", "/api/presets", what))[0] == 403
        status, child = await boss.ask("POST", "/api/presets", what)
        assert status == 201
        _, own = await ann.ask("POST", "/api/presets", {"name": "A", "params": {"top_k": 3}})
        _, listed = await ann.ask("GET", "/api/presets")
        assert [(one["name"], one["house"]) for one in listed["presets"]] == [
            ("Child", True),
            ("A", False),
        ]
        path = f"/api/presets/{child['id']}"
        assert (await ann.ask("PATCH", path, {"system": "Be bad."}))[0] == 403
        assert (await ann.ask("DELETE", path))[0] == 403
        assert (await ann.ask("PATCH", f"/api/presets/{own['id']}", {"house": True}))[0] == 403
        assert (await boss.ask("GET", "/api/presets"))[1]["presets"] == [child]
        await made(ann, settings={"preset": child["id"]})
        assert (await boss.ask("PATCH", path, {"name": "Kid"}))[1]["name"] == "Kid"
        assert (await boss.ask("DELETE", path))[0] == 204
        assert (await ann.ask("DELETE", f"/api/presets/{own['id']}"))[0] == 204


# --- search


async def test_search_finds_titles_and_messages_the_best_first(
    house: ChatHouse, ann: Person
) -> None:
    await made(ann, title="Sourdough bread")
    trip = await made(ann, title="A trip")
    archived = await made(ann, title="Old things")
    await ann.ask("PATCH", f"/api/chats/{archived['id']}", {"archived": True})
    here = await said(house, ann, trip["id"], "We ate Brötchen and <b>BREAD</b> in Köln, path/to.x")
    await said(house, ann, archived["id"], "no " * 300 + "breadcrumbs")

    async def found(words: str) -> list[str]:
        _, told = await ann.ask("GET", "/api/search", params={"q": words})
        return [result["chat"]["title"] for result in told["results"]]

    assert await found("bread") == ["Sourdough bread", "A trip", "Old things"]
    assert await found("brot koln") == ["A trip"]
    assert await found("Brötchen KÖLN") == ["A trip"]
    assert await found("path") == ["A trip"]
    assert await found("sour") == ["Sourdough bread"]
    assert await found("bread zebra") == []
    _, told = await ann.ask("GET", "/api/search?q=ate%20bread")
    assert told["results"][0]["message"] == here
    assert told["results"][0]["snippet"] == [
        ["We ", False],
        ["ate", True],
        [" Brötchen and <b>", False],
        ["BREAD", True],
        ["</b> in Köln, path/to.x", False],
    ]


@pytest.mark.parametrize(
    "words",
    [
        *('"', "'", "a OR", "NEAR(", "x*", "^x", "-x", "{a b}: c", "a AND NOT b", "\\", "%", "½ ²"),
        *("ß", ":*", "a:b", "((", "&|!<->", "\ud7ff", "漢字", "x" * 5000, "the " * 500, "", "  "),
        *("\0", "';--"),
    ],
)
async def test_no_words_break_a_search(ann: Person, words: str) -> None:
    await made(ann, title="the title")
    status, told = await ann.ask("GET", "/api/search", params={"q": words})
    assert status == 200
    assert "results" in told


async def test_search_follows_what_changes(house: ChatHouse, ann: Person) -> None:
    chat = await made(ann, title="one")
    assert ann.user is not None
    user = ann.user.id
    text = await said(house, ann, chat["id"], "halfway through", state="writing")

    async def count(words: str) -> int:
        return len((await ann.ask("GET", f"/api/search?q={words}"))[1]["results"])

    assert await count("halfway") == 0
    change = {"content": "finished now", "state": "done"}
    await house.store.write(lambda c: messages.change(c, user, chat["id"], text, **change))
    assert (await count("halfway"), await count("finished")) == (0, 1)
    await ann.ask("PATCH", f"/api/chats/{chat['id']}", {"title": "two"})
    assert (await count("one"), await count("two")) == (0, 1)
    await ann.ask("DELETE", f"/api/chats/{chat['id']}")
    assert (await count("finished"), await count("two")) == (0, 0)


@pytest.mark.parametrize(
    ("text", "query", "parts"),
    [
        ("plain", "zebra", [["plain", False]]),
        ("Crème brûlée", "brulee", [["Crème ", False], ["brûlée", True]]),
        ("", "x", []),
        ("x", "x", [["x", True]]),
        ("ax", "x", [["ax", False]]),
        ("y " * 100 + "hit " + "z " * 200, "hit", None),
    ],
)
def test_snippets(text: str, query: str, parts: list[Any] | None) -> None:
    made = snippet(text, words_of(query))
    if parts is not None:
        assert made == parts
    else:
        assert made[0] == ["…", False]
        assert ["hit", True] in made
        assert sum(len(part) for part, _ in made) < 300
        assert made[-1][0].endswith("…")


@pytest.mark.slow
async def test_ten_thousand_chats_open_and_are_searched_at_once(
    house: ChatHouse, ann: Person
) -> None:
    assert ann.user is not None
    user = ann.user.id
    words = [f"word{number}" for number in range(500)]

    def talk(number: int) -> str:
        return " ".join(words[(number * 7 + place * 13) % 500] for place in range(60))

    many = [Chat(new_id(), user, n, n, title=talk(n)[:50]) for n in range(10_000)]
    told = [
        Message(new_id(), user, chat.id, None, "user", talk(n + turn), chat.created)
        for n, chat in enumerate(many)
        for turn in range(3)
    ]
    await house.store.write(lambda c: chats.add(c, *many))
    await house.store.write(lambda c: messages.add(c, *told))
    slowest = 0.0
    for path in ("/api/chats", "/api/search?q=word1", "/api/search?q=word7+word20", "/api/chats"):
        began = time.perf_counter()
        status, _ = await ann.ask("GET", path)
        took = time.perf_counter() - began
        print(f"{path}: {took * 1000:.0f} ms")
        assert status == 200
        slowest = max(slowest, took)
    assert slowest < 2
