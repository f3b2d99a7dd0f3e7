"""Answers of the chat that meet the daemon's end, a crowd, a peer, or a user's wishes."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_tabs import Page
from tests.fakes.chat_visitors import Visitor, visitors
from tests.fakes.house import House

from paddock.storage import presets
from paddock.storage.chat_store import Store
from paddock.storage.presets import Preset

DOORS = {
    "openai": {"host": "127.0.0.1", "port": 0},
    "ollama": None,
    "chat": {"host": "127.0.0.1", "port": 0},
}
CROWD = 50
PAUSE_SECONDS = 0.2
"""Between two writes of one of them: people type, they do not hammer."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    found.add("llama")
    yield found
    found.stop()


async def started(house: House, people: dict[str, Any], **config: Any) -> dict[str, Visitor]:
    """The people of a house that has started."""
    found = await asyncio.to_thread(visitors, house, **people)
    house.start(house.config(**{"listen": DOORS, **config}))
    return found


def page(house: House, who: Visitor) -> Page:
    return Page(house.chat_url, who._headers)


def words(number: int) -> str:
    return "".join(f"t{index} " for index in range(number))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_what_the_daemons_end_cuts_is_interrupted(
    house: House, tmp_path: Path, end: signal.Signals
) -> None:
    ann = (await started(house, {"ann": {}}, drainTimeout=0.2))["ann"]
    async with page(house, ann) as here:
        chat = await here.new_chat(model="llama")
        async with here.tab() as tab:
            said = f"fake tokens=50 gate_at=20 gate={tmp_path / 'never'}"
            question, answer = await here.send(chat, said)
            await tab.wait_for(lambda: tab.texts.get(answer, [""])[0] == words(20) or None)
            if end is signal.SIGKILL:
                await asyncio.to_thread(house.until, lambda: _kept(house, answer), "it is kept")
            house.signal(end)
            await asyncio.to_thread(house.wait)
    house.start(house.config(listen=DOORS, drainTimeout=0.2))
    async with page(house, ann) as here:
        found = await here.message(chat, answer)
        assert (found["state"], found["content"]) == ("interrupted", words(20))
        async with here.tab() as tab:
            assert not tab.named("answer")
            told = await here.told("POST", f"{chat}/messages/{question}/answer", {})
            await tab.until("delta", lambda data: data["id"] == told["answer"]["id"])


def _kept(house: House, answer: str) -> int:
    """Characters of an answer in the database."""
    with closing(sqlite3.connect(house.state / "chat" / "chat.db")) as database:
        row = database.execute("SELECT length(content) FROM messages WHERE id = ?", (answer,))
        (found,) = row.fetchone()
    return int(found)


async def test_an_answer_that_cannot_be_kept_says_so_and_nobody_waits_for_it(
    house: House, tmp_path: Path
) -> None:
    """As with a full disk: the rows stay as they were."""
    ann = (await started(house, {"ann": {}}))["ann"]
    gate = tmp_path / "gate"
    async with page(house, ann) as here, here.tab() as tab:
        chat = await here.new_chat(model="llama")
        question, answer = await here.send(chat, f"fake tokens=9 gate_at=4 gate={gate}")
        await tab.wait_for(lambda: tab.texts.get(answer, [""])[0] == words(4) or None)
        _in_database(house, _FULL)
        gate.touch()
        told = await tab.until("done", lambda data: data["message"]["id"] == answer)
        assert (told["message"]["state"], told["message"]["content"]) == ("failed", words(9))
        assert "no room on the disk" in told["message"]["error"]["message"]
        assert told["message"]["error"]["hint"]
        assert (await here.message(chat, answer))["state"] == "interrupted"
        _in_database(house, "DROP TRIGGER full")
        again = await here.told("POST", f"{chat}/messages/{question}/answer", {})
        await tab.until("done", lambda data: data["message"]["id"] == again["answer"]["id"])
        assert (await here.message(chat, again["answer"]["id"]))["state"] == "done"


_FULL = """CREATE TRIGGER full BEFORE UPDATE ON messages
BEGIN SELECT RAISE(ABORT, 'no room on the disk'); END"""


def _in_database(house: House, statement: str) -> None:
    with closing(sqlite3.connect(house.state / "chat" / "chat.db", timeout=10)) as database:
        database.execute(statement)
        database.commit()


async def test_a_crowd_streams_and_types_at_once(house: House) -> None:
    """Each hears all of their own answer, and no write meets a locked database."""
    logins = [f"u{number}" for number in range(CROWD)]
    people = await started(
        house,
        {login: {} for login in logins},
        models={
            "wide": {"cmd": house.command("--parallel", str(CROWD)), "concurrencyLimit": CROWD}
        },
    )
    house.load("wide")
    times: list[float] = []

    async def one(who: Visitor) -> None:
        async with page(house, who) as here, here.tab() as tab:
            chat = await here.new_chat(model="wide")
            _, answer = await here.send(chat, "fake tokens=40 tps=20 reasoning=4")
            for number in range(5):
                began = time.perf_counter()
                await here.told("PATCH", chat, {"title": f"number {number}"})
                times.append(time.perf_counter() - began)
                await asyncio.sleep(PAUSE_SECONDS)
            done = await tab.done(answer)
            assert done["content"] == words(40)
            assert tab.texts[answer] == [done["content"], done["reasoning"]]

    await asyncio.gather(*(one(people[login]) for login in logins))
    assert max(times) < 5  # 50 ms where nothing else runs: many tests run beside this one
    assert "locked" not in house.said


async def test_a_better_title_is_made_once_if_that_is_wanted(house: House) -> None:
    people = await started(house, {"ann": {"settings": {"better_titles": True}}})
    async with page(house, people["ann"]) as here, here.tab() as tab:
        chat = await here.new_chat(model="llama")
        _, answer = await here.send(chat, "fake tokens=3")
        await tab.done(answer)
        await tab.until("chat", lambda data: data["chat"]["title"] == words(8).strip())
        _, answer = await here.send(chat, "fake tokens=4")
        await tab.done(answer)
    asked = [one for one in house.engine_state("llama")["requests"] if "chat" in one["path"]]
    assert len(asked) == 3  # two messages and a title


async def test_a_locked_preset_cannot_be_left(house: House) -> None:
    people = await asyncio.to_thread(visitors, house, kim={"limits": {"preset": "kids"}})
    store = Store(house.state / "chat" / "chat.db")
    kids = Preset("kids", None, "Kids", 0, 0, "llama", "Be kind.", {"temperature": 0.1})
    await store.write(lambda c: presets.add(c, kids))
    await store.aclose()
    house.add("other")
    house.start(house.config(listen=DOORS))
    async with page(house, people["kim"]) as here, here.tab() as tab:
        chat = await here.new_chat(model="other", system="Be bad.", params={"temperature": 2})
        asked = {"model": "other", "params": {"temperature": 3}}
        _, answer = await here.send(chat, "fake tokens=2", **asked)
        assert (await tab.done(answer))["model"] == "llama"
    body = house.last_request("llama")["body"]
    assert '"Be kind."' in body
    assert '"temperature":0.1' in body


async def test_a_peers_model_answers_and_goes_on(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = House(tmp_path_factory.mktemp("other"))
    other.add("far")
    other.start()
    try:
        ann = await started(
            house, {"ann": {}}, peers={"desk": {"proxy": other.url, "models": ["far"]}}
        )
        async with page(house, ann["ann"]) as here, here.tab() as tab:
            chat = await here.new_chat(model="desk/far")
            _, answer = await here.send(chat, "fake tokens=5 reasoning=2")
            done = await tab.done(answer)
            assert (done["state"], done["content"]) == ("done", words(5))
            assert done["model"] == "desk/far"
            tab.events.clear()
            await here.told("POST", f"{chat}/messages/{answer}/continue", {})
            # The fake begins as before, which is taken for what such servers say again.
            assert (await tab.done(answer))["content"] == words(8)
            other.signal(signal.SIGKILL)
            await asyncio.to_thread(other.wait)
            _, lost = await here.send(chat, "fake tokens=5")
            failed = await tab.done(lost)
            assert failed["state"] == "failed"
            assert "desk" in failed["error"]["message"]
    finally:
        other.stop()


PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_files_go_to_models_that_can_take_them(house: House) -> None:
    seeing = {"cmd": house.command(), "capabilities": {"in": ["text", "image"]}}
    ann = (await started(house, {"ann": {}}, models={"eye": seeing}))["ann"]
    async with page(house, ann) as here, here.tab() as tab:
        cat = await here.upload("cat.png", PICTURE, "image/png")
        notes = await here.upload("notes.txt", b"milk and eggs", "text/plain")
        chat = await here.new_chat(model="eye")
        status, told = await here.ask(
            "POST", f"{chat}/messages", {"content": "x", "files": [cat], "model": "llama"}
        )
        assert status == 400
        assert "llama takes no pictures" in told["error"]["message"]
        assert "eye" in told["error"]["hint"]
        _, answer = await here.send(chat, "look", files=[cat, notes])
        await tab.done(answer)
        begun = tab.named("answer")[-1]
        assert [one["name"] for one in begun["question"]["files"]] == ["cat.png", "notes.txt"]
        (message,) = json.loads(house.last_request("eye")["body"])["messages"]
        url, text = message["content"]
        assert url["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
        assert "milk and eggs" in text["text"]
        # Later on another model may answer: it is told that there was a picture.
        _, answer = await here.send(chat, "fake tokens=2", model="llama")
        assert (await tab.done(answer))["state"] == "done"
        asked = json.loads(house.last_request("llama")["body"])["messages"]
        assert "[picture: cat.png]" in asked[0]["content"]


async def test_a_models_own_go_template_writes_the_prompt(house: House) -> None:
    house.add("base", metadata={"tokenizer.chat_template": "{{ messages }}"})
    doors = DOORS | {"ollama": {"host": "127.0.0.1", "port": 0}}
    ann = (await started(house, {"ann": {}}, listen=doors))["ann"]
    template = "{{ range .Messages }}<|{{ .Role }}|>{{ .Content }}{{ end }}<|assistant|>"
    asked = {"model": "written", "from": "base", "template": template, "stream": False}
    assert house.ask("POST", "/api/create", asked, door="ollama").status == 200
    async with page(house, ann) as here, here.tab() as tab:
        chat = await here.new_chat(model="written", system="Be brief.")
        _, answer = await here.send(chat, "fake tokens=3")
        done = await tab.done(answer)
        assert (done["state"], done["content"]) == ("done", words(8))
        count = await here.told("POST", f"{chat}/count", {"content": "more"})
        assert count["exact"] is True
    completions = [
        json.loads(one["body"])
        for one in house.engine_state("written")["requests"]
        if one["path"] == "/completion"
    ]
    assert [one["prompt"] for one in completions] == [
        "<|system|>Be brief.<|user|>fake tokens=3<|assistant|>"
    ]
