"""What others wrote takes nothing over: the corpus in every place where the page shows text.

Every browser fails its test for a dialog, an error, a report of the policy, or a request elsewhere;
these look at what is left in the page as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect
from tests.fakes.browser import Room, visiting
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import House
from tests.fakes.xss import LEFT_IN, NAMES, PAYLOADS

from paddock.storage.users import Role

MODELS = tuple(name for name in NAMES if "/" not in name and "$" not in name)[:12]
GGUF_NAMES = ("<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<script>alert(1)</script>")
EVIL = "<img src=x onerror=alert(1)>"
GROUPS = 8
"""Into so many answers the corpus is divided when an engine says it."""


class Hostile:
    """A house in which everything has a hostile name."""

    def __init__(self, house: House, browser: Browser, ann: Visitor) -> None:
        self.house = house
        self.browser = browser
        self.ann = ann

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ann.ask(method, path, body)
        assert answer.status < 300, answer.text
        return answer.json() if answer.body else None


@pytest.fixture(scope="module")
def hostile(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    house = House(tmp_path_factory.mktemp("hostile"))
    for number, name in enumerate(GGUF_NAMES):
        texts = {f"general.{key}": name for key in ("name", "author", "license", "description")}
        house.add(f"gguf-{number}", metadata=texts)
    with ThreadPoolExecutor(1) as beside:
        named = {"role": Role.ADMIN, "name": EVIL}
        people = beside.submit(visitors, house, ann=named, ben={"name": NAMES[0]}).result()
    models = {f"model {name}": {"cmd": house.command(), "name": name} for name in MODELS}
    house.start(
        house.config(
            listen=CHAT_DOOR,
            models={"plain": {"cmd": house.command()}, **models},
            groups={"all": {"members": ["plain", *models], "swap": False}},
        )
    )
    yield Hostile(house, browser, people["ann"])
    house.stop()


@pytest.fixture
def room(hostile: Hostile) -> Iterator[Room]:
    """The admin's browser."""
    with visiting(hostile.browser, hostile.house.chat_url, hostile.ann) as room:
        yield room


def clean(room: Room) -> None:
    """Nothing that could act is left on the page, and the page is still itself."""
    room.page.wait_for_load_state("networkidle")
    assert room.page.evaluate(f"({LEFT_IN})(document.getElementById('app'))") == []
    assert (
        room.page.evaluate("document.querySelectorAll('base, iframe, object, embed').length") == 0
    )
    assert room.page.url.startswith(room.url)


def exported(chats: dict[str, list[tuple[str, str]]]) -> list[dict[str, object]]:
    """Chats by title, of pairs of a role and its text, as Open WebUI exports them."""
    return [_chat(number, title, said) for number, (title, said) in enumerate(chats.items())]


def _chat(number: int, title: str, said: list[tuple[str, str]]) -> dict[str, object]:
    messages = {
        f"m{at}": {
            "id": f"m{at}",
            "parentId": f"m{at - 1}" if at else None,
            "childrenIds": [f"m{at + 1}"] if at + 1 < len(said) else [],
            "role": role,
            "content": text,
            "model": EVIL,
            "timestamp": 1_700_000_000 + at,
        }
        for at, (role, text) in enumerate(said)
    }
    history = {"messages": messages, "currentId": f"m{len(said) - 1}"}
    return {"id": f"c{number}", "title": title, "chat": {"title": title, "history": history}}


def bring(hostile: Hostile, chats: dict[str, list[tuple[str, str]]]) -> list[str]:
    """Import them; their ids, the newest first."""
    hostile.ask("DELETE", "/api/chats")
    answer = hostile.ask("POST", "/api/import", exported(chats))
    assert answer["imported"] == len(chats), answer["skipped"]
    return [chat["id"] for chat in hostile.ask("GET", "/api/chats?limit=200")["chats"]]


def test_there_is_enough_of_it() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 150


@pytest.mark.parametrize("part", range(4))
def test_as_messages_of_their_own(hostile: Hostile, room: Room, part: int) -> None:
    payloads = PAYLOADS[part::4]
    said = [pair for text in payloads for pair in (("user", text), ("assistant", text))]
    (chat,) = bring(hostile, {"The corpus": said})
    room.open(f"/c/{chat}")
    expect(room.page.locator("article")).to_have_count(len(said))
    expect(room.page.locator(".markdown")).to_have_count(len(payloads))
    clean(room)


@pytest.mark.parametrize("part", range(GROUPS))
def test_as_one_long_answer_that_streams_in(
    hostile: Hostile, room: Room, part: int, tmp_path: Path
) -> None:
    text = tmp_path / "answer.md"
    text.write_text("\n\n".join(PAYLOADS[part::GROUPS]) + "\n\n# The end\n", encoding="utf-8")
    room.open()
    room.pick("plain")
    room.say(f"fake read={text} tps=150")
    for _ in range(3):
        expect(room.page.locator("article[aria-busy=true]")).to_have_count(1)
        assert room.page.evaluate(f"({LEFT_IN})(document.getElementById('app'))") == []
    room.done()
    clean(room)


def test_as_titles_and_what_a_search_finds(hostile: Hostile, room: Room) -> None:
    bring(hostile, {name: [("user", f"zebra {name}"), ("assistant", name)] for name in NAMES})
    room.open()
    rows = room.page.locator("nav.history li.row")
    expect(rows.first).to_be_visible()
    shown = 0
    while shown < len(NAMES):
        expect(rows).not_to_have_count(shown)
        shown = rows.count()
        rows.last.scroll_into_view_if_needed()
    clean(room)
    rows.last.get_by_role("link").click()
    expect(room.page.locator("article").first).to_be_visible()
    clean(room)
    room.page.get_by_role("searchbox").fill("zebra")
    expect(room.page.locator("mark").first).to_be_visible()
    clean(room)


def test_as_names_of_models(room: Room) -> None:
    room.open()
    room.page.locator("header").get_by_role("button").first.click()
    expect(room.page.get_by_role("option")).to_have_count(1 + len(MODELS) + len(GGUF_NAMES))
    clean(room)
    room.page.get_by_role("combobox").fill(MODELS[0][:12])
    room.page.get_by_role("option").first.click()
    room.asked("fake tokens=2")
    clean(room)


def test_as_names_of_files(hostile: Hostile, room: Room, tmp_path: Path) -> None:
    room.open()
    room.pick("plain")
    with room.page.expect_file_chooser() as chooser:
        room.button("Attach files").click()
    names = [name for name in NAMES if "/" not in name][:20]
    files: Any = [
        {"name": f"{n}.txt", "mimeType": "text/plain", "buffer": n.encode()} for n in names
    ]
    chooser.value.set_files(files)
    expect(room.page.locator("form.composer ul li")).to_have_count(len(names))
    expect(room.page.locator("form.composer li[aria-busy=true]")).to_have_count(0)
    clean(room)
    room.asked("fake tokens=2")
    expect(room.page.locator("article.mine ul.files li")).to_have_count(len(names))
    clean(room)


def test_a_file_is_never_a_page_of_ours(hostile: Hostile, room: Room) -> None:
    room.open()
    for kind in ("text/html", "image/svg+xml", "text/plain"):
        told = room.page.evaluate(
            """async (kind) => {
              const body = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
              const headers = { "X-Paddock": "1", "Content-Type": kind };
              const sent = await fetch("/api/files?name=x.html", { method: "POST", headers, body });
              return sent.ok ? (await sent.json()).id : "";
            }""",
            kind,
        )
        if told:
            answer = room.page.request.get(f"{room.url}/api/files/{quote(told)}")
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "html" not in headers["content-type"]
            assert "svg" not in headers["content-type"]
            assert "sandbox" in headers["content-security-policy"]
    room.guard.allowed.append("status of 4")


def test_as_names_of_everything_else(hostile: Hostile, room: Room) -> None:
    for name in NAMES[:20]:
        hostile.ask("POST", "/api/folders", {"name": name})
        hostile.ask("POST", "/api/me/keys", {"name": name})
        hostile.ask("POST", "/api/admin/invites", {"role": "user", "days": 7, "note": name})
        hostile.ask(
            "POST",
            "/api/presets",
            {"name": name, "system": name, "params": {}, "house": True},
        )
    for path in (
        "/",
        "/settings/general",
        "/settings/chats",
        "/settings/security",
        "/settings/keys",
        "/settings/data",
        "/admin/users",
        "/admin/models",
        "/admin/running",
        "/admin/requests",
        "/admin/logs",
        "/admin/presets",
        "/admin/settings",
        "/admin/audit",
    ):
        room.open(path)
        room.page.wait_for_selector("main h1, main h2")
        # Logs and the live line stay open: the network is never idle for long there.
        assert room.page.evaluate(f"({LEFT_IN})(document.getElementById('app'))") == []


@pytest.mark.parametrize("name", [NAMES[0], EVIL, *NAMES[20:24]])
def test_as_what_an_address_has(hostile: Hostile, room: Room, name: str) -> None:
    room.guard.allowed.append("status of 4")
    for path in (f"/c/{quote(name)}", f"/{quote(name)}", f"/?q={quote(name)}", f"/#/{quote(name)}"):
        room.open(path)
        expect(room.page.locator("main")).to_be_visible()
        clean(room)
