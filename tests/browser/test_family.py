"""A family moves in: from the printed token to two people who chat at once, and the way out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.fakes.browser import PHONE, Room, visiting
from tests.fakes.chat_visitors import CHAT_DOOR
from tests.fakes.house import House

PASSWORD = "four words of mine"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[House]:
    """A house that nobody lives in yet."""
    house = House(tmp_path)
    names = ("brook", "river")
    house.start(
        house.config(
            listen=CHAT_DOOR,
            models={name: {"cmd": house.command("--parallel", "4")} for name in names},
            groups={"all": {"members": list(names), "swap": False}},
        )
    )
    yield house
    house.stop()


@pytest.fixture
def tabs() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def fill_in(room: Room, name: str, action: str) -> None:
    room.page.get_by_label("Name", exact=True).fill(name)
    room.page.get_by_label("Password", exact=True).fill(PASSWORD)
    room.button(action).click()
    expect(room.page.get_by_role("heading", level=1)).to_contain_text(f"Hello, {name}")


def set_up(room: Room, house: House) -> None:
    """The admin's account, with the token that the daemon printed."""
    told = house.until(lambda: re.search(r"token: (\S+)", house.said), "the token is printed")
    room.open("/setup").page.get_by_label("Setup token").fill(told[1])
    fill_in(room, "Ann", "Make the first account")


def invite(room: Room) -> str:
    """A link for somebody, as it is shown to the admin."""
    room.open("/admin/users")
    room.button("Invite").click()
    dialog = room.page.get_by_role("dialog")
    dialog.get_by_label("For whom").fill("Ben")
    dialog.get_by_role("button", name="Invite").click()
    expect(dialog.get_by_role("img", name="The link as a QR code")).to_be_visible()
    return str(dialog.get_by_label("Link").input_value())


def test_two_people_move_in_and_chat_at_once(
    browser: Browser, fresh: House, tabs: ExitStack, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    ann = tabs.enter_context(visiting(browser, fresh.chat_url))
    set_up(ann, fresh)
    link = invite(ann)
    assert "/#/invite/" in link

    ben = tabs.enter_context(visiting(browser, fresh.chat_url, size=PHONE))
    ben.open(link.removeprefix(fresh.chat_url))
    fill_in(ben, "Ben", "Come in")
    assert "invite" not in ben.page.url

    ann.open()
    ann.pick("brook")
    ben.pick("river")
    ann.say(f"fake tokens=30 gate_at=9 gate={gate}")
    ben.say(f"fake tokens=20 gate_at=5 gate={gate}")
    expect(ann.answer).to_contain_text("t7")
    expect(ben.answer).to_contain_text("t3")
    ben.page.wait_for_url("**/c/*")
    ben.page.reload()
    expect(ben.answer).to_contain_text("t3")
    gate.touch()
    for room, count, model in ((ann, 30, "brook"), (ben, 20, "river")):
        expect(room.answer).to_contain_text(" ".join(f"t{n}" for n in range(count)))
        expect(room.answer.locator(".who")).to_have_text(model)
        room.done()

    ben.page.get_by_role("button", name="Show the sidebar").click()
    expect(ben.page.locator("nav.history li.row")).to_have_count(1)


def test_who_leaves_comes_back_and_who_is_removed_does_not(
    browser: Browser, fresh: House, tabs: ExitStack
) -> None:
    ann = tabs.enter_context(visiting(browser, fresh.chat_url))
    set_up(ann, fresh)
    ben = tabs.enter_context(visiting(browser, fresh.chat_url))
    ben.open(invite(ann).removeprefix(fresh.chat_url))
    fill_in(ben, "Ben", "Come in")
    ben.asked("fake tokens=3 my secret")

    ben.page.locator("summary").filter(has_text="Ben").click()
    ben.button("Sign out").click()
    expect(ben.button("Sign in")).to_be_visible()
    assert "secret" not in ben.page.content()

    ben.guard.allowed.append("status of 401")  # a wrong password, and a session that ended
    for password, seen in (("not this one", "alert"), (PASSWORD, "log")):
        ben.page.get_by_label("Login").fill("ben")
        ben.page.get_by_label("Password").fill(password)
        ben.button("Sign in").click()
        if seen == "alert":
            expect(ben.page.get_by_role("alert").first).to_be_visible()
    expect(ben.page.get_by_text("my secret").first).to_be_visible()

    ann.open("/admin/users")
    row = ann.page.get_by_role("row").filter(has_text="Ben")
    row.get_by_role("button", name="Edit").click()
    for title in ("Ben", "Remove Ben?"):
        dialog = ann.page.get_by_role("dialog", name=title, exact=True)
        dialog.get_by_role("button", name="Remove").click()
    expect(ben.button("Sign in")).to_be_visible()
    assert "secret" not in ben.page.content()


def test_an_export_of_open_webui_comes_in(
    browser: Browser, fresh: House, tabs: ExitStack, tmp_path: Path
) -> None:
    ann = tabs.enter_context(visiting(browser, fresh.chat_url))
    set_up(ann, fresh)
    export = tmp_path / "chat-export.json"
    export.write_text(json.dumps([open_webui(number) for number in range(3)]))
    ann.open("/settings/data")
    with ann.page.expect_file_chooser() as chooser:
        ann.button("Choose a file …").click()
    chooser.value.set_files(export)
    expect(ann.page.get_by_text("3 chats with 6 messages imported.")).to_be_visible()
    ann.page.get_by_role("link", name="Old talk 1", exact=True).click()
    expect(ann.answer).to_contain_text("It was number 1.")


def open_webui(number: int) -> dict[str, object]:
    """A chat as Open WebUI exports it."""
    asked, said = f"q{number}", f"a{number}"
    messages = {
        asked: {
            "id": asked,
            "parentId": None,
            "childrenIds": [said],
            "role": "user",
            "content": "Which one was it?",
            "timestamp": 1_700_000_000 + number,
        },
        said: {
            "id": said,
            "parentId": asked,
            "childrenIds": [],
            "role": "assistant",
            "content": f"It was number {number}.",
            "model": "llama3.2:3b",
            "timestamp": 1_700_000_001 + number,
        },
    }
    return {
        "id": f"chat-{number}",
        "title": f"Old talk {number}",
        "created_at": 1_700_000_000 + number,
        "updated_at": 1_700_000_001 + number,
        "chat": {
            "title": f"Old talk {number}",
            "models": ["llama3.2:3b"],
            "history": {"messages": messages, "currentId": said},
            "messages": list(messages.values()),
        },
    }
