"""Phones, the dark, the keyboard, and who does not see: the page is for all of them."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.fakes.browser import PHONE
from tests.fakes.house import House

PLACES = (
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
    "/nowhere",
)

NAMELESS = """() => [...document.querySelectorAll("button, a[href], input, select, textarea")]
  .filter((it) => it.checkVisibility() && !it.closest("[inert], [aria-hidden=true]"))
  .filter((it) => {
    const by = (it.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean)
      .map((id) => document.getElementById(id)?.textContent ?? "").join("");
    const labels = [...(it.labels ?? [])].map((label) => label.textContent).join("");
    const field = /^(input|select|textarea)$/.test(it.localName);
    return !(it.getAttribute("aria-label") || by || labels || (!field && it.textContent)).trim();
  })
  .map((it) => it.outerHTML.slice(0, 160))"""
"""Buttons, links and fields without a name."""

LEVELS = """() => [...document.querySelectorAll("main :is(h1, h2, h3, h4, h5, h6)")]
  .filter((it) => it.checkVisibility()).map((it) => Number(it.localName[1]))"""

COLOURS = """() => {
  const place = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const probe = document.body.appendChild(document.createElement("i"));
  const rgb = (name) => {
    probe.style.color = `var(--${name})`;
    place.fillStyle = getComputedStyle(probe).color;
    place.fillRect(0, 0, 1, 1);
    return [...place.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const names = ["paper", "raised", "sunken", "bubble", "text", "soft", "accent", "on-accent",
    "good", "warn", "bad", "bad-soft"];
  const found = Object.fromEntries(names.map((name) => [name, rgb(name)]));
  probe.remove();
  return found;
}"""
INKS = (
    *((ink, paper) for ink in ("text", "soft") for paper in ("paper", "raised", "sunken")),
    *((ink, paper) for ink in ("accent", "good", "warn", "bad") for paper in ("paper", "raised")),
    ("text", "bubble"),
    ("on-accent", "accent"),
    ("bad", "bad-soft"),
)
"""What is written on what."""


def luminance(colour: list[int]) -> float:
    """As WCAG 2 has it."""
    parts = [part / 255 for part in colour]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: list[int], other: list[int]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def settled(room: Any) -> None:
    """Wait until what the place shows has come."""
    expect(room.page.get_by_role("heading", level=1).first).to_be_visible()
    expect(room.page.get_by_text("Loading …")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_place_is_wider_than_a_phone(visit: Any, scheme: str) -> None:
    room = visit("ann", "/", PHONE, color_scheme=scheme)
    for place in PLACES:
        room.open(place)
        settled(room)
        for what in ("document.scrollingElement", "document.querySelector('main')"):
            assert room.page.evaluate(f"{what}.scrollWidth - {what}.clientWidth") <= 0, place


def test_a_long_answer_fits_a_phone(visit: Any, tmp_path: Path) -> None:
    text = tmp_path / "answer.md"
    wide = "wide" * 60
    table = "|" + " column |" * 12 + "\n|" + "---|" * 12 + "\n|" + " a cell |" * 12
    text.write_text(
        f"{wide}\n\n`{wide}`\n\n```\n{wide}\n```\n\n{table}\n\n$${'x+' * 90}y$$\n\nend\n"
    )
    room = visit("ben", "/", PHONE)
    room.composer.fill(f"fake read={text}")
    room.button("Send").tap()
    expect(room.answer.get_by_text("end", exact=True)).to_be_visible()
    room.done()
    expect(room.page.locator(".katex").first).to_be_attached()
    for what in ("document.scrollingElement", "document.querySelector('[role=log]')"):
        assert room.page.evaluate(f"{what}.scrollWidth - {what}.clientWidth") <= 0


def test_the_look_follows_the_system_and_the_switch(visit: Any) -> None:
    room = visit("cleo", "/settings/general", color_scheme="dark")
    settled(room)
    paper = room.page.locator("html")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    dark = room.page.evaluate(colour)
    room.page.emulate_media(color_scheme="light")
    expect(paper).not_to_have_css("background-color", dark)
    light = room.page.evaluate(colour)
    room.page.get_by_label("Dark").check()
    expect(paper).to_have_css("background-color", dark)
    room.page.reload()
    settled(room)
    expect(paper).to_have_css("background-color", dark)
    room.page.get_by_label("As the system").check()
    expect(paper).to_have_css("background-color", light)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit: Any, scheme: str) -> None:
    room = visit("ben", color_scheme=scheme)
    settled(room)
    colours = room.page.evaluate(COLOURS)
    faint = {
        (ink, paper): round(found, 2)
        for ink, paper in INKS
        if (found := contrast(colours[ink], colours[paper])) < 4.5
    }
    assert not faint


def test_everything_has_a_name_and_headings_are_in_order(visit: Any) -> None:
    room = visit("ann")
    for place in PLACES:
        room.open(place)
        settled(room)
        assert room.page.evaluate(NAMELESS) == [], place
        levels = room.page.evaluate(LEVELS)
        assert levels[0] == 1, place
        assert levels.count(1) == 1, place
        steps = [after - before for before, after in pairwise(levels)]
        assert max(steps, default=0) <= 1, (place, levels)


def test_doors_of_the_house_have_names_too(visit: Any) -> None:
    room = visit(None, "/signin")
    settled_gate = room.page.get_by_role("heading", level=1)
    expect(settled_gate).to_be_visible()
    assert room.page.evaluate(NAMELESS) == []
    assert room.page.get_attribute("html", "lang") == "en"


def test_an_answer_is_told_to_who_does_not_see(visit: Any) -> None:
    room = visit("ben")
    room.asked("fake tokens=4")
    expect(room.page.locator("[aria-live=polite]").first).to_have_text("The answer is complete.")
    expect(room.page.get_by_role("log")).to_have_attribute("aria-live", "off")
    assert room.page.evaluate(NAMELESS) == []


def test_all_of_it_by_keyboard(visit: Any, tmp_path: Path) -> None:
    room = visit("ben")
    settled(room)
    page, keys = room.page, room.page.keyboard
    expect(page.locator("header").get_by_role("button").first).to_contain_text("brook")
    page.locator("body").click(position={"x": 900, "y": 300})

    keys.press("/")
    expect(room.composer).to_be_focused()
    picker = page.locator("header").get_by_role("button").first
    for _ in range(40):
        if picker.evaluate("it => it === document.activeElement"):
            break
        keys.press("Shift+Tab")
    expect(picker).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_role("combobox")).to_be_focused()
    keys.press("ArrowDown")
    chosen = page.locator("#" + page.get_by_role("combobox").get_attribute("aria-activedescendant"))
    name = chosen.locator(".name").inner_text()
    keys.press("Enter")
    expect(picker).to_contain_text(name)
    expect(picker).to_be_focused()

    keys.press("/")
    expect(room.composer).to_be_focused()
    keys.type("fake tokens=100000 tps=50")
    keys.press("Shift+Enter")
    keys.press("Backspace")
    keys.press("Enter")
    expect(room.answer).to_contain_text("t3")
    keys.press("Escape")
    expect(room.answer).to_contain_text("Stopped.")

    keys.press("Control+k")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.press("Control+b")
    expect(page.get_by_role("searchbox")).to_be_hidden()
    keys.press("Control+Shift+o")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Hello")
    keys.press("Tab")
    page.locator("main").focus()
    keys.press("Shift+?")
    expect(page.get_by_role("dialog")).to_contain_text("Search chats")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_it_can_be_installed(visit: Any) -> None:
    room = visit("ben")
    path = room.page.get_attribute("link[rel=manifest]", "href")
    told = room.page.request.get(room.url + path)
    manifest = json.loads(told.text())
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert room.page.request.get(room.url + "/" + icon["src"].lstrip("/")).ok
    assert re.search("viewport", room.page.content())
    assert room.page.evaluate(
        "navigator.serviceWorker.ready.then((found) => found.active !== null)"
    )


def test_a_slow_line_is_told_and_found_again(family: Any, visit: Any) -> None:
    house: House = family.house
    room = visit("ben")
    room.guard.allowed += ["ERR_INTERNET_DISCONNECTED", "ERR_NETWORK"]
    settled(room)
    room.page.context.set_offline(True)
    room.say("fake tokens=3 while away")
    expect(room.page.get_by_role("alert")).to_contain_text("The server does not answer")
    expect(room.composer).to_have_value("fake tokens=3 while away")
    room.page.context.set_offline(False)
    room.button("Send").click()
    expect(room.answer).to_contain_text("t0 t1 t2")
    assert house.chat_url == room.url
