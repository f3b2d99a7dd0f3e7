"""What people set for themselves, and the frame around all pages, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.fakes.browser import PHONE, Room, visiting
from tests.fakes.chat_visitors import CHAT_DOOR
from tests.fakes.house import House

PASSWORD = "a word or four"
SECTIONS = ("general", "chats", "security", "keys", "data")


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[House]:
    """A house where one can sign up, and has to be let in."""
    house = House(tmp_path)
    house.start(house.config(listen=CHAT_DOOR, chat={"signUp": "approval"}))
    yield house
    house.stop()


def moved_in(room: Room, house: House) -> Room:
    """The first account, an admin's: `ann`."""
    told = house.until(lambda: house.state.joinpath("chat/setup.token").is_file(), "the token")
    assert told
    token = (house.state / "chat" / "setup.token").read_text()
    room.open().page.get_by_label("Setup token").fill(token)
    signed_up(room, "Ann", "Make the first account")
    expect(room.page.get_by_role("heading", level=1)).to_contain_text("Hello, Ann")
    return room


def signed_up(room: Room, name: str, action: str) -> None:
    room.page.get_by_label("Name", exact=True).fill(name)
    expect(room.page.get_by_label("Login")).to_have_value(name.lower())
    room.page.get_by_label("Password", exact=True).fill(PASSWORD)
    room.button(action).click()


def saved(room: Room) -> None:
    room.button("Save").click()
    expect(room.page.get_by_text("Saved.")).to_be_visible()


def overflow(room: Room) -> Any:
    return room.page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_what_is_set_is_kept(visit: Any) -> None:
    room = visit("cleo", "/settings/general")
    room.page.get_by_label("Dark").check()
    expect(room.page.locator("html")).to_have_attribute("data-theme", "dark")
    room.page.get_by_label("Name", exact=True).fill("Cleo of the house")
    saved(room)

    room.open("/settings/chats")
    room.page.get_by_label("System prompt").fill("Answer like a pirate.")
    room.page.get_by_label("Better titles").check()
    saved(room)

    elsewhere = visit("cleo", "/settings/chats")
    expect(elsewhere.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(elsewhere.page.get_by_label("System prompt")).to_have_value("Answer like a pirate.")
    expect(elsewhere.page.get_by_label("Better titles")).to_be_checked()
    expect(elsewhere.page.get_by_text("Cleo of the house")).to_be_visible()


def test_a_key_is_shown_once_and_revoked(visit: Any) -> None:
    room = visit("ben", "/settings/keys")
    room.page.get_by_role("textbox", name="Name").fill("My <b>editor</b>")
    room.page.get_by_label("OpenAI").check()
    room.button("Make the key").click()
    secret = room.page.get_by_label("Your new key")
    expect(secret).to_be_focused()
    assert len(secret.input_value()) > 30

    room.page.reload()
    revoke = room.button("Revoke the key My <b>editor</b>")
    expect(revoke).to_be_visible()
    expect(secret).to_have_count(0)
    revoke.click()
    room.page.keyboard.press("Escape")
    expect(revoke).to_be_focused()
    revoke.click()
    room.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(revoke).to_have_count(0)


def test_a_password_and_the_devices_it_ends(browser: Browser, open_house: House) -> None:
    with (
        visiting(browser, open_house.chat_url) as one,
        visiting(browser, open_house.chat_url) as two,
    ):
        moved_in(one, open_house)
        two.open().page.get_by_label("Login").fill("ann")
        two.page.get_by_label("Password").fill(PASSWORD)
        two.button("Sign in").click()
        expect(two.composer).to_be_visible()

        one.open("/settings/security")
        one.guard.allowed.append("status of 403")
        devices = one.page.get_by_role("region", name="Devices").get_by_role("listitem")
        expect(devices).to_have_count(2)
        for old, seen in (("not this", "The password is wrong."), (PASSWORD, "is another now")):
            one.page.get_by_label("Password up to now").fill(old)
            one.page.get_by_label("New password").fill("another one of mine")
            one.button("Change the password").click()
            expect(one.page.get_by_text(seen)).to_be_visible()
        expect(devices).to_have_count(1)
        expect(two.button("Sign in")).to_be_visible()


def test_who_signs_up_waits_until_an_admin_says_yes(browser: Browser, open_house: House) -> None:
    with (
        visiting(browser, open_house.chat_url) as ann,
        visiting(browser, open_house.chat_url) as eve,
    ):
        moved_in(ann, open_house)
        eve.open()
        eve.page.get_by_role("link", name="Make an account").click()
        signed_up(eve, "Eve", "Make the account")
        expect(eve.page.get_by_role("heading", name="Almost there")).to_be_visible()

        everybody = ann.page.evaluate("fetch('/api/admin/users').then((answer) => answer.json())")
        (waiting,) = [one for one in everybody["users"] if one["login"] == "eve"]
        ann.page.evaluate(
            "([path, body]) => fetch(path, {method: 'PATCH', body, headers:"
            " {'X-Paddock': '1', 'Content-Type': 'application/json'}})",
            [f"/api/admin/users/{waiting['id']}", json.dumps({"role": "user"})],
        )
        expect(eve.page.get_by_role("heading", level=1)).to_contain_text("Hello, Eve")


def test_chats_go_out_and_all_go(visit: Any) -> None:
    room = visit("ann")
    room.asked("fake tokens=3 for the export")
    room.open("/settings/data")
    with room.page.expect_download() as download:
        room.page.get_by_role("link", name="Export all chats").click()
    assert "for the export" in Path(download.value.path()).read_text()

    row = room.page.get_by_role("link", name="for the export")
    expect(row.first).to_be_visible()
    room.button("Delete all chats").click()
    room.button("Delete them all").click()
    expect(room.page.get_by_text("All chats are deleted.")).to_be_visible()
    expect(row).to_have_count(0)


def test_no_settings_are_wider_than_a_phone(visit: Any) -> None:
    room = visit("ben", size=PHONE)
    for section in SECTIONS:
        room.open(f"/settings/{section}")
        expect(room.page.get_by_role("heading", name="Settings")).to_be_visible()
        assert overflow(room) <= 0, section


def test_the_keyboard_gets_everywhere_and_back(visit: Any) -> None:
    room = visit("ben", size=PHONE)
    opener = room.button("Show the sidebar")
    opener.focus()
    room.page.keyboard.press("Enter")
    expect(room.button("Hide the sidebar")).to_be_focused()
    room.page.keyboard.press("Escape")
    expect(opener).to_be_focused()

    room.page.keyboard.press("Control+b")
    expect(room.button("Hide the sidebar")).to_be_focused()
    menu = room.page.locator("summary").filter(has_text="ben")
    menu.focus()
    room.page.keyboard.press("Enter")
    room.button("Keyboard shortcuts").focus()
    room.page.keyboard.press("Enter")
    dialog = room.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    room.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(menu).to_be_focused()


def test_the_page_opens_without_the_server_and_says_so(visit: Any) -> None:
    room = visit("ben")
    room.guard.allowed.append("ERR_INTERNET_DISCONNECTED")
    room.page.evaluate("navigator.serviceWorker.ready")
    room.page.context.set_offline(True)
    room.page.reload()
    expect(room.page.get_by_role("heading", name="Paddock cannot be reached")).to_be_visible()
    room.page.context.set_offline(False)
    room.button("Try again").click()
    expect(room.composer).to_be_visible()
