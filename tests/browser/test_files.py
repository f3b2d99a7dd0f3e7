"""Pictures and texts that go along with a message: picked, pasted and dropped."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, expect
from tests.fakes.browser import Room, visiting
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import House

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

GIVE = """(how) => {
  const bytes = Uint8Array.from(atob(how.data), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], how.name, { type: how.type }));
  const more = { bubbles: true, cancelable: true };
  const event = how.kind === "paste"
    ? new ClipboardEvent("paste", { ...more, clipboardData: given })
    : new DragEvent("drop", { ...more, dataTransfer: given });
  document.querySelector("form.composer textarea").dispatchEvent(event);
}"""


class Seeing(NamedTuple):
    """A house whose model `eyes` sees pictures."""

    house: House
    ben: Visitor


@pytest.fixture(scope="module")
def seeing(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seeing]:
    house = House(tmp_path_factory.mktemp("seeing"))
    with ThreadPoolExecutor(1) as beside:
        people = beside.submit(visitors, house, ben={}).result()
    models: dict[str, Any] = {
        "eyes": {"cmd": house.command(), "capabilities": {"in": ["text", "image"]}},
        "words": {"cmd": house.command()},
    }
    house.start(
        house.config(
            listen=CHAT_DOOR,
            models=models,
            groups={"all": {"members": list(models), "swap": False}},
        )
    )
    yield Seeing(house, people["ben"])
    house.stop()


@pytest.fixture
def room(browser: Browser, seeing: Seeing) -> Iterator[Room]:
    with visiting(browser, seeing.house.chat_url, seeing.ben) as room:
        room.open()
        expect(room.composer).to_be_visible()
        yield room


def last_parts(seeing: Seeing, model: str) -> Any:
    """What the engine was sent as the last message."""
    return json.loads(seeing.house.last_request(model)["body"])["messages"][-1]["content"]


@pytest.mark.parametrize("how", ["pick", "paste", "drop"])
def test_a_picture_reaches_a_model_that_sees(seeing: Seeing, room: Room, how: str) -> None:
    room.pick("eyes")
    if how == "pick":
        with room.page.expect_file_chooser() as chooser:
            room.button("Attach files").click()
        chooser.value.set_files(
            {"name": "dot.png", "mimeType": "image/png", "buffer": base64.b64decode(PIXEL)}
        )
    else:
        given = {"kind": how, "name": "dot.png", "type": "image/png", "data": PIXEL}
        room.page.evaluate(GIVE, given)
    expect(room.page.locator("form.composer li[aria-busy=false]")).to_have_count(1)
    room.asked("fake tokens=3")
    expect(room.page.locator("article.mine img")).to_have_js_property("naturalWidth", 1)
    kinds = [part["type"] for part in last_parts(seeing, "eyes")]
    assert "image_url" in kinds


def test_a_text_goes_along_whole_and_can_be_taken_off(seeing: Seeing, room: Room) -> None:
    room.pick("words")
    for name, text in (("notes.md", "the llama hums at dawn"), ("other.txt", "not this")):
        data = base64.b64encode(text.encode()).decode()
        given = {"kind": "drop", "name": name, "type": "text/plain", "data": data}
        room.page.evaluate(GIVE, given)
    expect(room.page.locator("form.composer li[aria-busy=false]")).to_have_count(2)
    room.button("Remove other.txt").click()
    expect(room.page.locator("form.composer li")).to_have_count(1)
    room.asked("fake tokens=3 what hums?")
    told = str(last_parts(seeing, "words"))
    assert "the llama hums at dawn" in told
    assert "not this" not in told


def test_who_does_not_see_is_told(room: Room) -> None:
    room.pick("words")
    given = {"kind": "paste", "name": "dot.png", "type": "image/png", "data": PIXEL}
    room.page.evaluate(GIVE, given)
    expect(room.page.get_by_text("words cannot see pictures.")).to_be_visible()


def test_what_cannot_be_read_says_so(room: Room) -> None:
    room.guard.allowed.append("status of 4")
    data = base64.b64encode(bytes(range(256)) * 4).decode()
    given = {"kind": "drop", "name": "a.bin", "type": "application/octet-stream", "data": data}
    room.page.evaluate(GIVE, given)
    expect(room.page.locator("form.composer li.bad")).to_have_count(1)
