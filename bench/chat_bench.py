"""The chat: 50 people who type while 50 answers stream, a long history, memory, the first page."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psutil
from tests.fakes.browser import chromium, lacking, visiting
from tests.fakes.chat_tabs import Page
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import House

from bench.figure import Figure
from paddock.chat.page import INDEX, STATIC
from paddock.storage.users import Role

PEOPLE = 50
WRITES = 12
"""Of each of them, a second's rest between two."""
CHATS = 10_000
AT_ONCE = 1000
LOOKS = 20


def measure() -> list[Figure]:
    """All of it on one daemon with the fake engine."""
    with TemporaryDirectory(prefix="paddock-bench-") as folder:
        house = House(Path(folder))
        names = [f"person{number}" for number in range(PEOPLE)]
        people = visitors(house, ann=Role.ADMIN, **dict.fromkeys(names, Role.USER))
        wide = {
            "wide": {"cmd": house.command("--parallel", str(PEOPLE)), "concurrencyLimit": PEOPLE}
        }
        house.start(house.config(listen=CHAT_DOOR, models=wide, drainTimeout=1))
        try:
            people["ann"].ask("GET", "/api/chats")
            idle = _memory(house)
            crowd = asyncio.run(_crowd(house, [people[name] for name in names]))
            listed, found = _history(people["ann"])
            return [
                Figure("idle memory with the chat open", idle, "MB", limit=130),
                Figure(f"a write, 99 of 100, {PEOPLE} typing and streaming", crowd, "ms", limit=50),
                Figure(f"the newest of {CHATS:,} chats", listed, "ms", limit=200),
                Figure("… a search in them", found, "ms", limit=200),
                *_page(house, people["ann"]),
            ]
        finally:
            house.stop()


def _memory(house: House) -> float:
    return float(psutil.Process(house.pid).memory_info().rss / 1e6)


async def _crowd(house: House, people: list[Visitor]) -> float:
    """The time that 99 of 100 writes take at most, while everybody's answer streams."""
    all_write = asyncio.Barrier(len(people))
    done = await asyncio.gather(
        *(_person(house, one, number, all_write) for number, one in enumerate(people))
    )
    return quantiles([took for one in done for took in one], n=100)[98]


async def _person(
    house: House, who: Visitor, number: int, all_write: asyncio.Barrier
) -> list[float]:
    """Milliseconds of each write of one of them, from when everybody's answer streams."""
    headers = {"X-Paddock": "1", "Cookie": who.cookie}
    async with Page(house.chat_url, headers) as page, page.tab() as tab:
        chat = await page.new_chat(model="wide")
        _, answer = await page.send(chat, "fake tokens=100000 tps=20")
        await tab.until("delta")
        await all_write.wait()
        await asyncio.sleep(number / PEOPLE)  # people do not type in step
        took = [await _write(page, chat, turn) for turn in range(WRITES)]
        await page.told("POST", f"{chat}/messages/{answer}/stop")
        return took


async def _write(page: Page, chat: str, number: int) -> float:
    """Seconds of one change, as milliseconds; a rest after it."""
    began = time.perf_counter()
    await page.told("PATCH", chat, {"title": f"title {number}"})
    took = (time.perf_counter() - began) * 1000
    await asyncio.sleep(1)
    return took


def _history(ann: Visitor) -> tuple[float, float]:
    """Milliseconds of the first page and of a search, at the worst of a few."""
    for start in range(0, CHATS, AT_ONCE):
        chats = [_exported(number) for number in range(start, start + AT_ONCE)]
        answer = ann.ask("POST", "/api/import", chats)
        if answer.status != 200:
            raise SystemExit(answer.text)
    listed = max(_milliseconds(ann, "/api/chats?limit=50") for _ in range(LOOKS))
    found = max(_milliseconds(ann, f"/api/search?q=zebra+{n}") for n in range(LOOKS))
    return listed, found


def _milliseconds(ann: Visitor, path: str) -> float:
    began = time.perf_counter()
    ann.get(path)
    return (time.perf_counter() - began) * 1000


def _exported(number: int) -> dict[str, object]:
    """A chat of two messages as Open WebUI exports it."""
    texts = (("user", f"What of zebra {number}?"), ("assistant", "It has stripes. " * 12))
    messages = {
        str(at): {
            "id": str(at),
            "parentId": str(at - 1) if at else None,
            "childrenIds": [] if at else ["1"],
            "role": role,
            "content": text,
            "timestamp": 1_700_000_000 + number,
        }
        for at, (role, text) in enumerate(texts)
    }
    history = {"messages": messages, "currentId": "1"}
    return {"id": f"c{number}", "title": f"Chat {number}", "chat": {"history": history}}


def _page(house: House, ann: Visitor) -> list[Figure]:
    index = STATIC / INDEX
    if not index.exists():
        return []
    names = re.findall(r'(?:src|href)="/?(assets/[^"]+\.js)"', index.read_text())
    packed = sum(len(gzip.compress((STATIC / name).read_bytes(), mtime=0)) for name in names)
    size = Figure("JavaScript before the lazy parts, packed", packed / 1000, "KB", limit=80)
    return [size] if lacking() else [size, _first_page(house, ann)]


def _first_page(house: House, ann: Visitor) -> Figure:
    """From nothing in the browser's cache until one can write, the best of three."""
    taken = []
    with chromium() as browser:
        for _ in range(3):
            with visiting(browser, house.chat_url, ann) as room:
                began = time.perf_counter()
                room.open()
                room.composer.wait_for()
                taken.append(time.perf_counter() - began)
    return Figure("the first page, until one can write", min(taken), "s", limit=1)
