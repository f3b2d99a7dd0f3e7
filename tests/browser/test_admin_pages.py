"""What admins see and do, in a real browser, on a desktop and on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.fakes.browser import DESKTOP, PHONE

SECTIONS = ("users", "models", "running", "requests", "logs", "presets", "settings", "audit")


def overflow(room: Any) -> Any:
    return room.page.evaluate(
        "[...document.querySelectorAll('main, html')].map((it) => it.scrollWidth - it.clientWidth)"
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_every_section_is_there_and_fits(visit: Any, size: tuple[int, int]) -> None:
    room = visit("ann", "/admin", size)
    for section in SECTIONS:
        link = room.page.locator(f"nav a[href='/admin/{section}']")
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        expect(link).to_be_in_viewport()
        expect(room.page.get_by_role("heading", level=1)).to_have_text(link.inner_text())
        expect(room.page.get_by_role("alert")).to_have_count(0)
        assert overflow(room) == [0, 0], section


def test_who_is_no_admin_finds_nothing_there(visit: Any) -> None:
    room = visit("ben", "/admin/users")
    expect(room.page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


def test_a_model_is_loaded_seen_running_and_ejected(visit: Any) -> None:
    room = visit("ann", "/admin/models")
    room.button("Load ocean").click()
    row = room.page.locator("tr", has_text="ocean")
    expect(row.get_by_text("loaded", exact=True)).to_be_visible()
    room.page.locator("nav a[href='/admin/running']").click()
    expect(row.get_by_text("ready")).to_be_visible()
    room.button("Eject ocean").click()
    expect(row).to_have_count(0)


def test_limits_of_an_account_are_kept_and_shown(visit: Any) -> None:
    room = visit("ann", "/admin/users")
    row = room.page.locator("tr", has_text="cleo")
    row.get_by_role("button", name="Edit").click()
    dialog = room.page.get_by_role("dialog")
    dialog.get_by_label("Requests at once").fill("3")
    dialog.get_by_label("Quiet from").fill("02:00")
    dialog.get_by_label("Quiet until").fill("02:01")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("3 at once")
    expect(row).to_contain_text(re.compile("quiet 02:00.02:01"))
    room.page.reload()
    expect(row).to_contain_text("3 at once")


def test_what_the_house_sets_and_what_only_its_owner_does(visit: Any) -> None:
    room = visit("ann", "/admin/settings")
    room.page.get_by_label("defaultModel").fill("river")
    room.page.keyboard.press("Tab")
    expect(room.page.get_by_text("defaultModel is set.")).to_be_visible()
    room.page.reload()
    expect(room.page.get_by_label("defaultModel")).to_have_value("river")
    expect(room.page.get_by_label("breakGlass")).to_be_disabled()
    room.open("/admin/audit")
    expect(room.page.get_by_text("It is off here.")).to_be_visible()
    expect(room.page.locator("tr", has_text="changed a setting").first).to_contain_text("river")


def test_a_preset_for_the_house(visit: Any) -> None:
    room = visit("ann", "/admin/presets")
    room.button("New preset").click()
    dialog = room.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Cook")
    dialog.get_by_label("System prompt").fill("You cook.")
    dialog.get_by_role("button", name="Save").click()
    row = room.page.locator("tr", has_text="Cook")
    expect(row).to_contain_text("You cook.")
    row.get_by_role("button", name="Delete").click()
    room.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_the_log_of_a_model_comes_as_it_is_written(visit: Any) -> None:
    room = visit("ann", "/admin/logs")
    log = room.page.get_by_role("log")
    room.page.get_by_label("Log of").select_option("brook")
    room.page.request.post(
        f"{room.url}/api/admin/models/load", data={"model": "brook"}, headers={"X-Paddock": "1"}
    )
    expect(log).to_contain_text("listening")
    room.button("Pause").click()
    expect(room.button("Go on")).to_be_visible()
