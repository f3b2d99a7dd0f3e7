"""A browser for each file of tests, and a house with people in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser
from tests.fakes.browser import DESKTOP, Room, chromium, lacking, visiting
from tests.fakes.chat_visitors import CHAT_DOOR, Visitor, visitors
from tests.fakes.house import House

from paddock.storage.users import Role


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """It ends with its file: while it is there, no other loop can run in this thread."""
    if why := lacking():
        pytest.skip(why)
    with chromium() as browser:
        yield browser


class Family(NamedTuple):
    """A daemon with three models of the fake engine, and who lives there."""

    house: House
    people: dict[str, Visitor]


@pytest.fixture(scope="module")
def family(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Family]:
    """`ann` is the admin; `ben` and `cleo` are users. All models fit beside each other."""
    house = House(tmp_path_factory.mktemp("family"))
    with ThreadPoolExecutor(1) as beside:  # the browser has this thread's loop
        people = beside.submit(
            visitors, house, ann=Role.ADMIN, ben=Role.USER, cleo=Role.USER
        ).result()
    names = ("brook", "river", "ocean")
    house.start(
        house.config(
            listen=CHAT_DOOR,
            models={name: {"cmd": house.command("--parallel", "8")} for name in names},
            groups={"all": {"members": list(names), "swap": False}},
        )
    )
    yield Family(house, people)
    house.stop()


Visit = Callable[..., Room]


@pytest.fixture
def visit(browser: Browser, family: Family) -> Iterator[Visit]:
    """Open the page as somebody; the test fails when anything goes wrong in that browser."""
    with ExitStack() as stack:

        def open_for(
            login: str | None = None,
            path: str = "/",
            size: tuple[int, int] = DESKTOP,
            **context: Any,
        ) -> Room:
            who = family.people[login] if login else None
            there: AbstractContextManager[Room] = visiting(
                browser, family.house.chat_url, who, size, **context
            )
            return stack.enter_context(there).open(path)

        yield open_for
