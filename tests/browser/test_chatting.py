"""Talking with models, in a real browser."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from playwright.sync_api import expect
from tests.fakes.browser import PHONE


def words(number: int) -> str:
    return " ".join(f"t{index}" for index in range(number))


def test_an_answer_streams_in(family: Any, visit: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    room = visit("ben")
    room.say(f"fake tokens=9 gate_at=4 gate={gate}")
    expect(room.answer).to_contain_text("t0 t1 t2 t3")
    expect(room.button("Stop")).to_be_visible()
    gate.touch()
    expect(room.answer).to_contain_text(words(9))
    room.done()
    assert "/c/" in room.page.url


def test_stop_frees_the_slot(family: Any, visit: Any, record_property: Any) -> None:
    room = visit("ben")
    room.pick("river")
    room.say("fake tokens=100000 tps=100")
    expect(room.answer).to_contain_text("t5")
    before = family.house.engine_state("river")["aborted"]
    began = perf_counter()
    room.button("Stop").click()
    family.house.until(
        lambda: family.house.engine_state("river")["aborted"] > before, "the engine is left", 5
    )
    milliseconds = (perf_counter() - began) * 1000
    record_property("stop_ms", milliseconds)
    print(f"the slot is free {milliseconds:.0f} ms after the click")
    assert milliseconds < 2000
    expect(room.answer).to_contain_text("Stopped.")


def test_a_stopped_answer_is_continued(visit: Any) -> None:
    room = visit("ben")
    room.say("fake tokens=100000 tps=50")
    expect(room.answer).to_contain_text("t3")
    room.button("Stop").click()
    room.done()
    before = room.answer.locator(".markdown").inner_text().strip()
    room.button("Continue").click()
    expect(room.answer.locator(".markdown")).to_have_text(f"{before} {words(8)}")
    room.done()
    expect(room.answer).not_to_contain_text("Stopped.")


def test_an_edit_is_a_branch_and_both_stay(visit: Any) -> None:
    room = visit("ben")
    room.asked("fake tokens=3")
    mine = room.page.locator("article.mine")
    mine.hover()
    mine.get_by_role("button", name="Edit").click()
    mine.get_by_label("Edit the message").fill("fake tokens=5")
    mine.get_by_role("button", name="Send as a new branch").click()
    expect(room.answer).to_contain_text(words(5))
    room.done()
    expect(mine).to_contain_text("2/2")
    mine.hover()
    mine.get_by_role("button", name="Previous branch").click()
    expect(mine).to_contain_text("fake tokens=3")
    expect(room.answer).not_to_contain_text("t3")
    mine.hover()
    mine.get_by_role("button", name="Next branch").click()
    expect(room.answer).to_contain_text(words(5))


def test_regenerated_with_another_model(visit: Any) -> None:
    room = visit("ben")
    room.pick("brook")
    room.asked("fake tokens=3")
    expect(room.answer.locator(".who")).to_have_text("brook")
    room.answer.get_by_role("button", name="Regenerate with another model").click()
    room.page.get_by_role("option").filter(has_text="ocean").click()
    expect(room.answer.locator(".who")).to_have_text("ocean")
    room.done()
    expect(room.answer).to_contain_text("2/2")


def test_a_reload_in_the_middle_loses_nothing(visit: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    room = visit("ben")
    room.say(f"fake tokens=40 tps=200 gate_at=20 gate={gate}")
    expect(room.answer).to_contain_text("t15")
    room.page.wait_for_url("**/c/*")
    room.page.reload()
    expect(room.answer).to_contain_text("t15")
    gate.touch()
    expect(room.answer).to_contain_text(words(40))
    room.done()


def test_what_is_deleted_on_one_device_is_gone_on_the_other(visit: Any) -> None:
    desk = visit("ben")
    desk.asked("fake tokens=3")
    desk.page.wait_for_url("**/c/*")
    phone = visit("ben", "/c/" + desk.page.url.rpartition("/")[2], PHONE)
    expect(phone.answer).to_contain_text(words(3))
    desk.page.locator("article.mine").hover()
    desk.page.locator("article.mine").get_by_role("button", name="Delete").click()
    desk.page.get_by_role("button", name="Delete, with what follows").click()
    for page in (desk.page, phone.page):
        expect(page.locator("article")).to_have_count(0)


def test_thoughts_are_folded(visit: Any) -> None:
    room = visit("ben")
    room.asked("fake tokens=4 reasoning=3")
    expect(room.answer.locator("details.reasoning")).to_have_count(1)
    expect(room.answer.locator("details.reasoning summary")).to_contain_text("Thought")
    expect(room.answer.locator(".thoughts")).to_be_hidden()


def test_a_search_leads_to_the_message_in_its_branch(visit: Any) -> None:
    room = visit("ann")
    room.asked(f"fake tokens=400 {'more than a title holds ' * 3}about okapis")
    mine = room.page.locator("article.mine")
    mine.hover()
    mine.get_by_role("button", name="Edit").click()
    mine.get_by_label("Edit the message").fill("fake tokens=400 about giraffes")
    mine.get_by_role("button", name="Send as a new branch").click()
    expect(mine).to_contain_text("giraffes")
    room.done()
    room.page.get_by_role("searchbox").fill("okapis")
    room.page.locator("a").filter(has=room.page.locator("mark", has_text="okapis")).last.click()
    expect(mine).to_contain_text("okapis")
    expect(mine).to_be_in_viewport()
    expect(mine).to_be_focused()


def test_history_renames_pins_searches_and_deletes(visit: Any) -> None:
    room = visit("cleo")
    room.asked("fake tokens=2 about zebras")
    row = room.page.locator("nav.history li.row").first
    row.get_by_role("button").click()
    row.get_by_role("button", name="Rename").click()
    row.get_by_label("Rename").fill("Striped horses")
    row.get_by_label("Rename").press("Enter")
    expect(row).to_contain_text("Striped horses")
    search = room.page.get_by_role("searchbox")
    search.fill("zebras")
    expect(room.page.locator("mark").first).to_have_text("zebras")
    search.fill("")
    row.get_by_role("button", name="Options for Striped horses").click()
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete for good").click()
    expect(room.page.locator("nav.history li.row")).to_have_count(0)
    expect(room.page.get_by_role("heading", level=1)).to_be_visible()
