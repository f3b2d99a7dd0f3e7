"""A real browser on the chat's page, in which nothing may go wrong unseen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.fakes.chat_visitors import Visitor

import paddock.chat.page

CHROMIUM: Final = Path("/usr/bin/chromium")
BUILT: Final = paddock.chat.page.STATIC / paddock.chat.page.INDEX
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = (1280, 800)
PHONE: Final = (360, 740)
SECONDS: Final = 20.0

expect.set_options(timeout=SECONDS * 1000)

_TELL_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


def lacking() -> str:
    """Why no browser can be driven here; empty where one can."""
    if not CHROMIUM.exists():
        return "Chromium is not installed (scripts/test-packages)"
    return "" if BUILT.exists() else "the chat's page was not built (make page)"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Guard:
    """Writes down what must not happen in a browser's context, and says so at its end."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.faults: list[str] = []
        self.allowed: list[str] = []
        """Regular expressions of what a test means to happen."""
        self._origin = origin
        context.add_init_script(_TELL_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"error: {error.error}"))
        context.on("request", self._request)
        context.on("page", self._page)

    def _page(self, page: Page) -> None:
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} {message.location.get('url', '')}")

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"data", "blob"} or f"{parts.scheme}://{parts.netloc}" == self._origin:
            return
        self.faults.append(f"request: {request.url}")

    def check(self) -> None:
        """Fails when something went wrong that was not meant."""
        wrong = [
            one for one in self.faults if not any(re.search(rule, one) for rule in self.allowed)
        ]
        assert not wrong, "\n".join(wrong)


class Room:
    """The chat's page as somebody has it open, and what they do on it."""

    def __init__(self, page: Page, guard: Guard, url: str) -> None:
        self.page = page
        self.guard = guard
        self.url = url

    def open(self, path: str = "/") -> Room:
        """Go to a place of the page."""
        self.page.goto(self.url + path)
        return self

    @property
    def composer(self) -> Any:
        return self.page.get_by_label("Message", exact=True)

    @property
    def answer(self) -> Any:
        """The last message of a model."""
        return self.page.locator("article:not(.mine)").last

    def say(self, text: str) -> None:
        """Write it, and send it."""
        self.composer.fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def done(self) -> None:
        """Wait until nothing is being written."""
        expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_visible()
        expect(self.page.locator("article[aria-busy=true]")).to_have_count(0)

    def asked(self, text: str) -> None:
        """Say it, and wait for the whole answer."""
        self.say(text)
        expect(self.page.locator("article.mine").last).to_contain_text(text[:20])
        expect(self.answer).to_be_visible()
        self.done()

    def button(self, name: str) -> Any:
        """A button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def pick(self, model: str) -> None:
        """Choose a model."""
        self.page.locator("header").get_by_role("button", name=re.compile("Choose")).click()
        self.page.get_by_role("combobox").fill(model)
        self.page.get_by_role("option").filter(has_text=model).first.click()


@contextmanager
def visiting(
    browser: Browser,
    url: str,
    who: Visitor | None = None,
    size: tuple[int, int] = DESKTOP,
    **context: Any,
) -> Iterator[Room]:
    """A fresh browser of `who`; what must not happen in it fails the test at the end."""
    phone: dict[str, Any] = {"has_touch": True, "is_mobile": True} if size == PHONE else {}
    made = browser.new_context(viewport={"width": size[0], "height": size[1]}, **phone, **context)
    try:
        if who is not None:
            name, _, value = who.cookie.partition("=")
            made.add_cookies([{"name": name, "value": value, "url": url}])
        guard = Guard(made, url)
        page = made.new_page()
        page.set_default_timeout(SECONDS * 1000)
        yield Room(page, guard, url)
        guard.check()
    finally:
        made.close()
