"""Chats that leave as files, and chats of other programs that come in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_house import ChatHouse, Person, chat_house

from paddock.chat.calls import ChatRoute
from paddock.chat.export import ExportEndpoints
from paddock.chat.imports import ImportEndpoint
from paddock.storage import chats, messages
from paddock.storage.chats import Chat
from paddock.storage.messages import Message

Json = Any


def routes(house: ChatHouse) -> tuple[ChatRoute, ...]:
    exports = ExportEndpoints(store=house.store)
    return (*exports.routes(), *ImportEndpoint(store=house.store, feeds=house.feeds).routes())


@pytest.fixture
async def house(tmp_path: Path, no_task_left_behind: None) -> AsyncIterator[ChatHouse]:
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


async def taken(person: Person, data: Json) -> Json:
    status, told = await person.ask("POST", "/api/import", data)
    assert status == 200, told
    return told


async def all_of(person: Person) -> list[Json]:
    async with person.http.get("/api/export") as answer:
        assert answer.status == 200
        exported: Json = json.loads(await answer.read())
    assert exported["paddock"] == 1
    return exported["chats"]


async def talk(house: ChatHouse, person: Person) -> Chat:
    """A chat with two branches, of which the second is shown."""
    assert person.user is not None
    user = person.user.id
    chat = Chat("chat", user, 1000, 5000, title="Bread & butter", current="a2", settings={})

    def fill(connection: Any) -> None:
        chats.add(connection, chat)
        about: Json = {"model": "gemma", "reasoning": "Let me\nthink."}
        messages.add(
            connection,
            Message("q", user, "chat", None, "user", "How?", 1000),
            Message("a1", user, "chat", "q", "assistant", "Like this.", 2000),
            Message("a2", user, "chat", "q", "assistant", "So:\n```sh\nls", 3000, **about),
        )

    await house.store.write(fill)
    return chat


# --- out


async def test_a_chat_as_markdown(house: ChatHouse, ann: Person) -> None:
    await talk(house, ann)
    async with ann.http.get("/api/chats/chat/export?format=md") as answer:
        text = await answer.text()
        assert answer.content_type == "text/markdown"
        assert answer.headers["Content-Disposition"].endswith("''Bread-butter.md")
    assert text == (
        "# Bread & butter\n\n## You\n\nHow?\n\n## gemma\n\n> Let me\n> think.\n\n"
        "So:\n```sh\nls\n```\n"
    )


async def test_all_chats_go_out_and_come_in_elsewhere(
    house: ChatHouse, ann: Person, bob: Person
) -> None:
    await talk(house, ann)
    (one,) = await all_of(ann)
    async with ann.http.get("/api/chats/chat/export?format=json") as answer:
        single = json.loads(await answer.read())
    assert single["chats"] == [one]
    assert (await taken(ann, single))["imported"] == 0
    assert await taken(bob, single) == {"imported": 1, "messages": 3, "skipped": []}
    assert (await taken(bob, single))["skipped"] == ["chats that are here already: 1"]
    (copy,) = await all_of(bob)
    assert copy["chat"]["title"] == "Bread & butter"
    by_content = {message["content"]: message for message in copy["messages"]}
    shown = by_content["So:\n```sh\nls"]
    assert copy["chat"]["current"] == shown["id"] != "a2"
    assert shown["parent"] == by_content["How?"]["id"]
    assert (shown["model"], shown["reasoning"]) == ("gemma", "Let me\nthink.")


async def test_others_export_nothing_of_mine(house: ChatHouse, ann: Person, bob: Person) -> None:
    await talk(house, ann)
    assert (await bob.ask("GET", "/api/chats/chat/export?format=json"))[0] == 404
    assert (await bob.ask("GET", "/api/chats/chat/export"))[0] == 404
    assert (await ann.ask("GET", "/api/chats/chat/export?format=pdf"))[0] == 400
    assert await all_of(bob) == []


# --- Open WebUI

THOUGHT = (
    '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 s</summary>\n'
    "&gt; First &lt;this&gt;\n&gt; then that.\n</details>\n"
)
TOOL = '<details type="tool_calls" done="true" name="search"><summary>x</summary></details>\n'


def open_webui(**changes: Json) -> Json:
    """One chat as Open WebUI 0.6 to 0.12 exports it."""
    tree = {
        "q1": {
            "id": "q1",
            "parentId": None,
            "childrenIds": ["a1", "a2"],
            "role": "user",
            "content": "What is rye?",
            "timestamp": 1760000000,
            "models": ["llama3.2:3b"],
            "files": [{"type": "file", "id": "f", "name": "rye.pdf"}],
        },
        "a1": {
            "id": "a1",
            "parentId": "q1",
            "childrenIds": [],
            "role": "assistant",
            "content": "A grain.",
            "model": "llama3.2:3b",
            "modelName": "Llama",
            "timestamp": 1760000005,
            "done": True,
        },
        "a2": {
            "id": "a2",
            "parentId": "q1",
            "childrenIds": [],
            "role": "assistant",
            "content": THOUGHT + TOOL + "A cereal. <details open>kept</details>",
            "model": "qwen3:4b",
            "timestamp": 1760000010,
        },
    }
    return {
        "id": "0b8f0c1e-owui",
        "user_id": "someone",
        "title": "Rye",
        "chat": {
            "title": "Rye",
            "models": ["qwen3:4b"],
            "params": {"system": "Be brief."},
            "history": {"messages": tree, "currentId": "a1"},
            "messages": [],
            "tags": [],
            "timestamp": 1760000000123,
            "files": [],
        },
        "updated_at": 1760000020,
        "created_at": 1760000000,
        "share_id": None,
        "archived": False,
        "pinned": True,
        "meta": {},
        "folder_id": None,
    } | changes


async def test_an_export_of_open_webui(ann: Person) -> None:
    told = await taken(ann, [open_webui()])
    assert told == {
        "imported": 1,
        "messages": 3,
        "skipped": ["Rye: files left out: 1", "Rye: tool calls left out: 1"],
    }
    (one,) = await all_of(ann)
    chat, (question, first, second) = one["chat"], one["messages"]
    assert (chat["title"], chat["pinned"], chat["settings"]) == (
        "Rye",
        True,
        {"system": "Be brief."},
    )
    assert (chat["created"], chat["updated"]) == (1760000000000, 1760000020000)
    assert chat["current"] == first["id"]
    assert question["parent"] is None
    assert question["role"] == "user"
    assert first["parent"] == second["parent"] == question["id"]
    assert (first["content"], first["model"]) == ("A grain.", "llama3.2:3b")
    assert second["content"] == "A cereal. <details open>kept</details>"
    assert second["reasoning"] == "First <this>\nthen that."
    again = await taken(ann, [open_webui(title="Renamed there")])
    assert (again["imported"], again["skipped"][-1]) == (0, "chats that are here already: 1")


async def test_an_old_export_with_a_list_of_messages(ann: Person) -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    await taken(ann, [{"id": "x", "chat": {"title": "Old", "messages": said}}])
    (one,) = await all_of(ann)
    question, answer = one["messages"]
    assert answer["parent"] == question["id"]


# --- ChatGPT


def chatgpt() -> Json:
    """One conversation as ChatGPT exports it."""

    def node(key: str, parent: str | None, role: str | None, content: Json, **more: Json) -> Json:
        message = role and {
            "id": key,
            "author": {"role": role, "name": None, "metadata": {}},
            "create_time": 1760000000.25,
            "content": content,
            "status": "finished_successfully",
            "weight": 1.0,
            "metadata": more,
            "recipient": "all",
        }
        return {"id": key, "message": message, "parent": parent, "children": []}

    def words(*parts: Json) -> Json:
        return {"content_type": "text", "parts": list(parts)}

    hidden = {"is_visually_hidden_from_conversation": True}
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Hm", "content": "A cat."}]}
    nodes = [
        node("root", None, None, None),
        node("sys", "root", "system", words(""), **hidden),
        node("ctx", "sys", "user", {"content_type": "user_editable_context"}, **hidden),
        node("q", "ctx", "user", {"content_type": "multimodal_text", "parts": [picture, "What?"]}),
        node("think", "q", "assistant", thoughts, model_slug="gpt-5-thinking"),
        node("recap", "think", "assistant", {"content_type": "reasoning_recap", "content": "3s"}),
        node("tool", "recap", "tool", {"content_type": "execution_output", "text": "1"}),
        node("a", "tool", "assistant", words("A cat."), model_slug="gpt-5-thinking"),
        node("q2", "a", "user", words("Sure?")),
        node("a2", "q2", "assistant", {"content_type": "code", "language": "py", "text": "x=1"}),
    ]
    return {
        "title": "Cat",
        "create_time": 1760000000.0,
        "update_time": 1760000100.5,
        "mapping": {one["id"]: one for one in nodes},
        "current_node": "a2",
        "conversation_id": "68e-cat",
        "is_archived": True,
    }


async def test_an_export_of_chatgpt(ann: Person) -> None:
    told = await taken(ann, [chatgpt()])
    assert (told["imported"], told["messages"]) == (1, 4)
    assert told["skipped"] == ["Cat: files left out: 1", "Cat: results of tools left out: 1"]
    (one,) = await all_of(ann)
    chat, (question, answer, asked, code) = one["chat"], one["messages"]
    assert (chat["archived"], chat["updated"]) == (True, 1760000100500)
    assert chat["current"] == code["id"]
    assert [message["parent"] for message in one["messages"]] == [
        None,
        question["id"],
        answer["id"],
        asked["id"],
    ]
    assert (answer["content"], answer["reasoning"]) == ("A cat.", "Hm\nA cat.")
    assert answer["model"] == "gpt-5-thinking"
    assert code["content"] == "```\nx=1\n```"


# --- hostile


def with_tree(tree: Json, current: Json = None) -> Json:
    history = {"messages": tree, "currentId": current}
    return [{"id": "x", "title": "T", "chat": {"history": history}}]


def said(parent: Json, content: Json = "words", role: Json = "user", **more: Json) -> Json:
    return {"parentId": parent, "role": role, "content": content, **more}


TIMES = (1e308, 0, 2**70, -1, True, "x")


@pytest.mark.parametrize(
    ("data", "imported", "count"),
    [
        (with_tree({"a": said("b"), "b": said("a"), "c": said(None)}), 1, 1),
        (with_tree({"a": said("a"), "c": said(None)}, "a"), 1, 1),
        (with_tree({"a": said("b", role="system"), "b": said("a", role="system")}), 0, 0),
        (with_tree({"a": said("gone"), "b": said("a")}, "gone"), 1, 2),
        (with_tree({"a": said(7), "b": said({"x": 1}), "c": said(["a"])}, 9), 1, 3),
        (with_tree({"a": said(None, content=5), "b": said(None, role=[])}), 0, 0),
        (with_tree({str(n): said(None, timestamp=t) for n, t in enumerate(TIMES)}), 1, 6),
        (with_tree({"a": said(None, "nul\0 \ud800 half", model=["m"], files="x")}), 1, 1),
        (with_tree({"a": said(None, '<details type="reasoning">' * 5000)}), 1, 1),
        (with_tree({"a": said(None, "x", model="m" * 9999)}), 1, 1),
        (with_tree({str(n): said(str(n - 1) if n else None) for n in range(3000)}), 1, 3000),
        (
            with_tree(
                {str(n): said(str(n - 1), "" if 0 < n < 2999 else "x") for n in range(3000)}
            ),
            1,
            2,
        ),
        ([{"mapping": {"a": 1, "b": {"message": 3}, "c": {"message": {"author": 1}}}}], 0, 0),
        ([{"mapping": {}}, 5, None, [], {"chat": {"history": 3, "params": 4, "models": 5}}], 0, 0),
        ([{"chat": {}, "messages": [{"role": "user", "content": "x", "files": 3}, 7]}], 1, 1),
    ],
)  # fmt: skip
async def test_what_nobody_should_export(
    ann: Person, data: Json, imported: int, count: int
) -> None:
    body = json.dumps(data).encode()
    headers = {"Content-Type": "application/json"}
    async with ann.http.post("/api/import", data=body, headers=headers) as answer:
        told = await answer.json()
        assert answer.status == 200, told
    assert (told["imported"], told["messages"]) == (imported, count)
    assert len(await all_of(ann)) == imported


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"PK\x03\x04...", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"3", "no export"),
        (b'{"a": 1}', "no export"),
        (b"[1, 2]", "no chat"),
        (json.dumps([{"mapping": {}}] * 10_001).encode(), "10,000"),
    ],
)
async def test_what_is_no_export(ann: Person, body: bytes, words: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with ann.http.post("/api/import", data=body, headers=headers) as answer:
        told = await answer.json()
    assert answer.status == 400
    assert words in told["error"]["message"]


async def test_many_chats_come_in_and_go_out(ann: Person) -> None:
    many = [open_webui(id=f"chat-{number}") for number in range(230)]
    told = await taken(ann, many)
    assert (told["imported"], told["messages"]) == (230, 690)
    assert told["skipped"][-1] == "and 360 more"
    assert len(await all_of(ann)) == 230
