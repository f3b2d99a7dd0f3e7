"""A page of the chat as a browser has it open: it follows its user's feed, and asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import aiohttp

SECONDS = 30.0


class Page:
    """One browser of a user's. An async context manager."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._http = aiohttp.ClientSession(
            url,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        async with self._http.request(method, path, json=body) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await answer.json() if is_json else await answer.text()

    async def told(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer that must be a good one."""
        status, answer = await self.ask(method, path, body)
        assert status < 300, (status, answer)
        return answer

    async def new_chat(self, **settings: Any) -> str:
        """The path of a new chat."""
        chat = await self.told("POST", "/api/chats", {"settings": settings})
        return f"/api/chats/{chat['id']}"

    async def send(self, chat: str, content: str, **more: Any) -> tuple[str, str]:
        """Say something; the ids of the message and its answer."""
        told = await self.told("POST", f"{chat}/messages", {"content": content, **more})
        return told["message"]["id"], told["answer"]["id"]

    async def upload(self, name: str, data: bytes, kind: str) -> str:
        """Attach a file; its id."""
        headers = {"Content-Type": kind}
        async with self._http.post(
            "/api/files", params={"name": name}, data=data, headers=headers
        ) as answer:
            told = await answer.json()
            assert answer.status < 300, told
            return str(told["id"])

    async def message(self, chat: str, message: str) -> Any:
        """A message as the server has it."""
        told = await self.told("GET", chat)
        return next(one for one in told["messages"] if one["id"] == message)

    def tab(self, last: str = "") -> Tab:
        """A tab that follows from now on, or from event `last`."""
        headers = {"Last-Event-ID": last} if last else {}
        return Tab(self._http, headers)


class Tab:
    """One stream of events. An async context manager, open once its first event has come."""

    def __init__(self, http: aiohttp.ClientSession, headers: dict[str, str]) -> None:
        self._http = http
        self._headers = headers
        self._news = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None
        self.events: list[tuple[str, Any]] = []
        self.last = headers.get("Last-Event-ID", "")
        self.texts: dict[str, list[str]] = {}
        """Content and reasoning of answers, as a page would show them."""
        self.is_over = False

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        if not self._headers:
            await self.until("hello")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._reading is not None
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def until(self, name: str, which: Callable[[Any], bool] = lambda _: True) -> Any:
        """The data of the first event of this name for which `which` is true."""
        return await self.wait_for(
            lambda: next((d for n, d in self.events if n == name and which(d)), None)
        )

    async def done(self, message: str) -> Any:
        """A message, once it is done."""
        told = await self.until("done", lambda data: data["message"]["id"] == message)
        return told["message"]

    async def wait_for(self, found: Callable[[], Any]) -> Any:
        """What `found` gives, once that is something."""
        async with self._news, asyncio.timeout(SECONDS):
            await self._news.wait_for(lambda: found() is not None or self.is_over)
        assert found() is not None, f"the stream ended: {self.events[-5:]}"
        return found()

    def named(self, name: str) -> list[Any]:
        """The data of all events of this name so far."""
        return [data for event, data in self.events if event == name]

    def phases(self, message: str) -> list[str]:
        """The phases that were told of a message, in order."""
        told = [data["phase"] for data in self.named("progress") if data["id"] == message]
        return list(dict.fromkeys(told))

    async def _read(self) -> None:
        with suppress(aiohttp.ClientPayloadError):  # the daemon was killed
            await self._follow()
        self.is_over = True
        async with self._news:
            self._news.notify_all()

    async def _follow(self) -> None:
        name, data, number = "", "", ""
        for_ever = aiohttp.ClientTimeout(total=None)
        async with self._http.get("/api/live", headers=self._headers, timeout=for_ever) as answer:
            assert answer.status == 200, await answer.text()
            async for line in answer.content:
                word, _, rest = line.decode().rstrip("\n").partition(": ")
                if word == "event":
                    name = rest
                elif word == "data":
                    data = rest
                elif word == "id":
                    number = rest
                elif not word and data:
                    self.last = number or self.last
                    await self._take(name, json.loads(data))
                    name, data, number = "", "", ""

    async def _take(self, name: str, data: Any) -> None:
        self.events.append((name, data))
        if name in {"answer", "done"}:
            message = data["message"]
            if name == "answer":
                self.texts[message["id"]] = [message["content"], message["reasoning"]]
        elif name == "delta":
            text = self.texts[data["id"]]
            assert data.get("at", len(text[0])) == len(text[0])
            assert data.get("rat", len(text[1])) == len(text[1])
            text[0] += data.get("c", "")
            text[1] += data.get("r", "")
        async with self._news:
            self._news.notify_all()
