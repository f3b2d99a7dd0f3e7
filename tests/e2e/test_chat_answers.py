"""Answers of the chat through a real daemon: they belong to the server, whoever looks on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.chat_tabs import Page
from tests.fakes.chat_visitors import Visitor, visitors
from tests.fakes.house import House

DOORS = {
    "openai": {"host": "127.0.0.1", "port": 0},
    "ollama": None,
    "chat": {"host": "127.0.0.1", "port": 0},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, dict[str, Visitor]]]:
    """A daemon with two users, a model of one slot, and one that loads slowly."""
    house = House(tmp_path_factory.mktemp("home"))
    house.add("llama")
    people = visitors(house, ann={}, bob={}, kim={"limits": {"models": ["other"]}})
    house.start(
        house.config(
            listen=DOORS,
            models={
                "slow": {"cmd": house.command("--fake", "load=1"), "concurrencyLimit": 1},
                "wide": {"cmd": house.command("--parallel", "64")},
            },
            groups={"all": {"members": ["llama", "slow", "wide"], "swap": False}},
        )
    )
    yield house, people
    house.stop()


@pytest.fixture(autouse=True)
async def tidy(home: tuple[House, dict[str, Visitor]]) -> AsyncIterator[None]:
    """After each test nothing is being written."""
    yield
    for login in ("ann", "bob"):
        async with page(home, login) as found:
            assert (await found.ask("DELETE", "/api/chats"))[0] == 204


@pytest.fixture
async def ann(home: tuple[House, dict[str, Visitor]]) -> AsyncIterator[Page]:
    async with page(home, "ann") as found:
        yield found


@pytest.fixture
async def bob(home: tuple[House, dict[str, Visitor]]) -> AsyncIterator[Page]:
    async with page(home, "bob") as found:
        yield found


@asynccontextmanager
async def page(home: tuple[House, dict[str, Visitor]], login: str) -> AsyncIterator[Page]:
    house, people = home
    async with Page(house.chat_url, people[login]._headers) as found:
        yield found


def words(number: int) -> str:
    return "".join(f"t{index} " for index in range(number))


async def test_all_tabs_hear_one_answer_to_one_request(
    home: tuple[House, dict[str, Visitor]], ann: Page
) -> None:
    home[0].ask("POST", "/api/models/unload/llama")
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as one, ann.tab() as two:
        _, answer = await ann.send(chat, "fake tokens=40 reasoning=5 tps=200")
        done = [await tab.done(answer) for tab in (one, two)]
    assert done[0] == done[1] == await ann.message(chat, answer)
    assert done[0]["state"] == "done"
    assert done[0]["content"] == words(40)
    assert done[0]["model"] == "llama"
    assert one.texts[answer] == two.texts[answer] == [done[0]["content"], done[0]["reasoning"]]
    assert done[0]["meta"]["tokens"] == 45
    assert {"prompt_tokens", "tokens_per_second", "reasoning_ms", "finish"} <= done[0][
        "meta"
    ].keys()
    assert one.phases(answer)[-2:] == ["thinking", "writing"]
    asked = [one for one in home[0].engine_state("llama")["requests"] if "chat" in one["path"]]
    assert len(asked) == 1


@pytest.mark.parametrize("knows", [True, False], ids=["by its last event", "by a snapshot"])
async def test_a_reload_in_the_middle_loses_nothing_and_doubles_nothing(
    ann: Page, *, knows: bool
) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as first:
        _, answer = await ann.send(chat, "fake tokens=60 tps=100")
        await first.wait_for(lambda: len(first.named("delta")) > 5 or None)
    async with ann.tab(first.last if knows else "") as second:
        if knows:
            second.texts = first.texts
            await second.done(answer)
            assert not second.named("hello")
        else:
            await second.done(answer)
            assert len(second.named("answer")) == 1
    assert second.texts[answer] == [words(60), ""]


async def test_what_is_being_written_is_shown_as_far_as_it_is(ann: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, f"fake tokens=9 gate_at=5 gate={gate}")
        await tab.wait_for(lambda: tab.texts.get(answer, [""])[0].startswith("t0 t1 t2") or None)
        shown = await ann.message(chat, answer)
        assert shown["state"] == "writing"
        assert shown["content"].startswith("t0 t1 t2")
        gate.touch()
        await tab.done(answer)


async def test_a_stop_frees_the_slot_and_keeps_the_words(
    home: tuple[House, dict[str, Visitor]], ann: Page
) -> None:
    before = home[0].engine_state("llama")["aborted"] if "llama" in home[0].running() else 0
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, "fake tokens=100000 tps=100")
        await tab.until("delta", lambda data: data["id"] == answer)
        stopped = (await ann.told("POST", f"{chat}/messages/{answer}/stop"))["message"]
        home[0].until(lambda: home[0].engine_state("llama")["aborted"] > before, "it is missed", 2)
        assert (await tab.done(answer)) == stopped
    assert stopped["state"] == "stopped"
    assert stopped["content"].startswith("t0 ")
    assert stopped["error"] is None
    again = (await ann.told("POST", f"{chat}/messages/{answer}/stop"))["message"]
    assert again == stopped


async def test_it_goes_on_when_its_user_leaves(
    home: tuple[House, dict[str, Visitor]], ann: Page, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    chat = await ann.new_chat(model="llama")
    async with page(home, "ann") as phone:
        _, answer = await phone.send(chat, f"fake tokens=9 gate={gate}")
    gate.touch()
    async with ann.tab() as tab:
        if (await ann.message(chat, answer))["state"] == "writing":
            await tab.done(answer)
    assert (await ann.message(chat, answer))["content"] == words(9)


async def test_a_dead_engine_is_told_and_what_it_said_stays(ann: Page) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        question, answer = await ann.send(chat, "fake tokens=50 tps=200 crash_after=10")
        failed = await tab.done(answer)
        assert failed["state"] == "failed"
        assert failed["content"] == words(10)
        assert "died" in failed["error"]["message"]
        assert failed["error"]["hint"]
        await ann.told("PATCH", f"{chat}/messages/{question}", {"content": "fake tokens=3"})
        told = await ann.told("POST", f"{chat}/messages/{question}/answer")
        assert (await tab.done(told["answer"]["id"]))["content"] == words(3)


async def test_waits_are_told(
    home: tuple[House, dict[str, Visitor]], ann: Page, bob: Page, tmp_path: Path
) -> None:
    home[0].ask("POST", "/api/models/unload/slow")
    gate = tmp_path / "gate"
    one, two = await ann.new_chat(model="slow"), await bob.new_chat(model="slow")
    async with ann.tab() as anns, bob.tab() as bobs:
        _, first = await ann.send(one, f"fake tokens=5 gate={gate}")
        loading = await anns.until("progress", lambda data: data["phase"] == "loading")
        assert loading["position"] == 1
        await anns.until("delta")
        _, second = await bob.send(two, "fake tokens=5")
        queued = await bobs.until("progress", lambda data: data["phase"] == "queued")
        assert queued["id"] == second
        assert queued["reason"]
        gate.touch()
        assert (await anns.done(first))["meta"]["loading_ms"] > 100
        assert (await bobs.done(second))["state"] == "done"


async def test_who_waits_can_stop(ann: Page, bob: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    one, two = await ann.new_chat(model="slow"), await bob.new_chat(model="slow")
    async with ann.tab() as anns, bob.tab() as bobs:
        _, first = await ann.send(one, f"fake tokens=5 gate={gate}")
        await anns.until("delta")
        _, second = await bob.send(two, "fake tokens=5")
        await bobs.until("progress", lambda data: data["phase"] == "queued")
        stopped = (await bob.told("POST", f"{two}/messages/{second}/stop"))["message"]
        assert (stopped["state"], stopped["content"]) == ("stopped", "")
        gate.touch()
        await anns.done(first)


async def test_branches(ann: Page) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        q1, a1 = await ann.send(chat, "fake tokens=1")
        await tab.done(a1)
        q2, a2 = await ann.send(chat, "fake tokens=2")
        await tab.done(a2)
        q1b, a1b = await ann.send(chat, "fake tokens=3", parent=None)
        await tab.done(a1b)
        a2b = (await ann.told("POST", f"{chat}/messages/{q2}/answer"))["answer"]["id"]
        await tab.done(a2b)
    told = await ann.told("GET", chat)
    parents = {one["id"]: one["parent"] for one in told["messages"]}
    assert parents == {q1: None, a1: q1, q2: a1, a2: q2, q1b: None, a1b: q1b, a2b: q2}
    assert told["chat"]["current"] == a2b
    assert told["chat"]["title"] == "fake tokens=1"
    gone = await ann.told("DELETE", f"{chat}/messages/{a2b}")
    assert gone["current"] == a2
    assert (await ann.told("DELETE", f"{chat}/messages/{q1}"))["current"] == a1b
    left = [one["id"] for one in (await ann.told("GET", chat))["messages"]]
    assert left == [q1b, a1b]
    assert (await ann.told("DELETE", f"{chat}/messages/{q1b}"))["current"] is None


async def test_the_model_is_told_the_branch_and_what_was_set(
    home: tuple[House, dict[str, Visitor]], ann: Page
) -> None:
    chat = await ann.new_chat(
        model="llama", system="Be brief.", params={"temperature": 0.5, "top_k": 20}
    )
    async with ann.tab() as tab:
        _, first = await ann.send(chat, "fake tokens=2 reasoning=2")
        await tab.done(first)
        params = {"temperature": 0, "reasoning": "off"}
        _, second = await ann.send(chat, "fake tokens=3", params=params)
        await tab.done(second)
    body = json.loads(home[0].last_request("llama")["body"])
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "fake tokens=2 reasoning=2"},
        {"role": "assistant", "content": words(2)},
        {"role": "user", "content": "fake tokens=3"},
    ]
    assert (body["temperature"], body["top_k"]) == (0, 20)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["stream"] is True


async def test_an_answer_is_gone_on_with(home: tuple[House, dict[str, Visitor]], ann: Page) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, "fake tokens=9", params={"max_tokens": 4})
        cut = await tab.done(answer)
        assert (cut["content"], cut["meta"]["finish"]) == (words(4), "length")
        tab.events.clear()
        await ann.told("POST", f"{chat}/messages/{answer}/continue")
        whole = await tab.done(answer)
    assert whole["content"] == words(4) + words(8)
    assert tab.texts[answer] == [whole["content"], ""]
    body = json.loads(home[0].last_request("llama")["body"])
    assert body["messages"][-1] == {"role": "assistant", "content": words(4)}
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False


async def test_what_is_being_written_must_be_done_first(ann: Page, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        question, answer = await ann.send(chat, f"fake tokens=5 gate={gate}")
        asked: list[tuple[str, str, Any]] = [
            ("POST", f"{chat}/messages", {"content": "more", "parent": answer}),
            ("POST", f"{chat}/messages/{answer}/continue", None),
            ("PATCH", f"{chat}/messages/{answer}", {"content": "no"}),
            ("DELETE", f"{chat}/messages/{answer}", None),
            ("DELETE", f"{chat}/messages/{question}", None),
        ]
        for method, path, body in asked:
            status, told = await ann.ask(method, path, body)
            assert (status, told["error"]["code"]) == (409, "still_writing"), (method, path)
        gate.touch()
        await tab.done(answer)


async def test_a_chat_that_goes_takes_its_answer_along(ann: Page, tmp_path: Path) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, f"fake tokens=5 gate={tmp_path / 'never'}")
        await tab.until("delta")
        status, _ = await ann.ask("DELETE", chat)
        assert status == 204
        assert (await tab.done(answer))["state"] == "stopped"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"content": "  "}, 400, "empty"),
        ({"content": 3}, 400, "text"),
        ({"content": "x" * 1_000_001}, 400, "characters"),
        ({"content": "x", "parent": 3}, 400, "parent"),
        ({"content": "x", "parent": "nothing"}, 404, "message"),
        ({"content": "x", "files": ["nothing"]}, 404, "file"),
        ({"content": "x", "files": "f"}, 400, "files"),
        ({"content": "x", "model": "lama"}, 404, "'llama'"),
        ({"content": "x", "model": []}, 400, "model"),
        ({"content": "x", "params": {"temprature": 1}}, 400, "temprature"),
        ({"content": "x", "params": {"temperature": "hot"}}, 400, "temperature"),
        ({"content": "x", "params": {"top_p": 2}}, 400, "top_p"),
    ],
)
async def test_what_cannot_be_answered_is_refused_and_not_kept(
    ann: Page, body: Any, status: int, said: str
) -> None:
    chat = await ann.new_chat(model="llama")
    got, told = await ann.ask("POST", f"{chat}/messages", body)
    assert got == status, told
    assert said in told["error"]["message"]
    assert (await ann.told("GET", chat))["messages"] == []


async def test_a_title_comes_from_a_loaded_model_only(
    home: tuple[House, dict[str, Visitor]], ann: Page
) -> None:
    chat = await ann.new_chat(model="llama")
    assert (await ann.ask("POST", f"{chat}/title"))[0] == 400
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, "# fake *words* of a [link](http://x) " + "long " * 20)
        await tab.done(answer)
        title = (await ann.told("GET", chat))["chat"]["title"]
        assert title.startswith("fake words of a link long")
        assert len(title) <= 60
        assert (await ann.told("POST", f"{chat}/title"))["title"] == words(8).strip()
        await tab.until("chat", lambda data: data["chat"]["title"] == words(8).strip())
    body = json.loads(home[0].last_request("llama")["body"])
    assert body["max_tokens"] <= 64
    home[0].ask("POST", "/api/models/unload/llama")
    status, told = await ann.ask("POST", f"{chat}/title")
    assert (status, told["error"]["code"]) == (409, "model_not_ready")
    assert "llama" not in home[0].running()


async def test_a_prompt_is_counted(home: tuple[House, dict[str, Visitor]], ann: Page) -> None:
    chat = await ann.new_chat(model="llama")
    home[0].ask("POST", "/api/models/unload/llama")
    about = await ann.told("POST", f"{chat}/count", {"content": "word " * 72})
    assert about["exact"] is False
    assert 80 < about["tokens"] < 130
    home[0].load("llama")
    exact = await ann.told("POST", f"{chat}/count", {"content": "word " * 72})
    assert exact["exact"] is True
    assert exact["tokens"] >= 72
    assert exact["context"] > 0


async def test_another_users_things_are_not_there(ann: Page, bob: Page) -> None:
    chat, own = await ann.new_chat(model="llama"), await bob.new_chat(model="llama")
    async with ann.tab() as tab:
        question, answer = await ann.send(chat, "fake tokens=2")
        await tab.done(answer)
    before = await ann.told("GET", chat)
    for place in (chat, own):  # another's chat, and another's message in one's own chat
        asked: list[tuple[str, str, Any]] = [
            ("POST", f"{place}/messages", {"content": "x", "parent": answer}),
            ("POST", f"{place}/messages/{question}/answer", {}),
            ("POST", f"{place}/messages/{answer}/continue", {}),
            ("POST", f"{place}/messages/{answer}/stop", {}),
            ("PATCH", f"{place}/messages/{question}", {"content": "mine"}),
            ("DELETE", f"{place}/messages/{question}", None),
            ("POST", f"{place}/count", {"content": "x", "parent": answer}),
        ]
        for method, path, body in asked:
            assert (await bob.ask(method, path, body))[0] == 404, (method, path)
    assert (await bob.ask("POST", f"{chat}/title"))[0] == 404
    assert (await bob.ask("POST", f"{chat}/messages", {"content": "x"}))[0] == 404
    assert await ann.told("GET", chat) == before


async def test_a_model_that_is_not_theirs_is_refused(
    home: tuple[House, dict[str, Visitor]],
) -> None:
    async with page(home, "kim") as kim:
        chat = await kim.new_chat()
        status, _ = await kim.ask("POST", f"{chat}/messages", {"content": "x", "model": "llama"})
        assert status == 403


async def test_only_so_many_at_once(ann: Page, tmp_path: Path) -> None:
    chat = await ann.new_chat(model="wide")
    gate = tmp_path / "gate"
    async with ann.tab() as tab:
        said = f"fake tokens=2 gate={gate}"
        answers = [(await ann.send(chat, said, parent=None))[1] for _ in range(8)]
        status, told = await ann.ask("POST", f"{chat}/messages", {"content": "x", "parent": None})
        assert (status, told["error"]["code"]) == (429, "too_many_answers")
        gate.touch()
        for answer in answers:
            await tab.done(answer)


async def test_an_admin_sees_and_can_end_the_request(
    home: tuple[House, dict[str, Visitor]], ann: Page, tmp_path: Path
) -> None:
    chat = await ann.new_chat(model="llama")
    async with ann.tab() as tab:
        _, answer = await ann.send(chat, f"fake tokens=5 gate={tmp_path / 'never'}")
        await tab.until("delta")
        (running,) = home[0].get("/api/inflight")["requests"]
        assert (running["client"], running["model"]) == ("user:ann", "llama")
        home[0].ask("POST", f"/api/inflight/{running['id']}/cancel")
        assert (await tab.done(answer))["state"] == "stopped"
