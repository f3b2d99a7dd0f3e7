"""Where the bytes of one file come from: its address at the hub, and where that led.

A hub sends us to a content host with an address that is signed for a while. It is kept for the
parts that follow, so that a file of ten thousand parts asks the hub once; when the content host
does not honour it any more, the hub is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, NamedTuple

from paddock.acquire.addresses import origin_of
from paddock.acquire.answers import strong_etag
from paddock.acquire.hub_errors import refusal
from paddock.acquire.pace import Hosts
from paddock.acquire.wanted import Wanted
from paddock.acquire.web import Answer, Web
from paddock.errors import AcquireError

GOOD: Final = frozenset({200, 206})
_NO_MORE: Final = frozenset({400, 401, 403, 404, 410})
"""What content hosts say to a signed address that is too old."""
_MOST_REFUSALS: Final = 2
"""In a row, without one byte between them."""

Headers = Callable[[], Awaitable[Mapping[str, str]]]


class Asked(NamedTuple):
    """An answer, and how it was asked for."""

    answer: Answer
    etag: str
    """What `If-Range` held, or empty."""
    knowledge: int
    """How often the source had been refused before."""


class Source:
    """One file's place, shared by all its connections. One loop only."""

    def __init__(
        self, web: Web, hosts: Hosts, wanted: Wanted, headers: Headers, *, stall: float
    ) -> None:
        """`headers`: asked for what to send with the URL, and again when that was refused."""
        self._web = web
        self._hosts = hosts
        self._wanted = wanted
        self._url = wanted.url
        self._ask_headers = headers
        self._stall = stall
        self._hashed = bool(wanted.hash)
        """The bytes will be compared with it, so other places may give other ETags."""
        self._headers: Mapping[str, str] | None = None
        self._led_to = ""
        self._resolving = asyncio.Lock()
        self._refusals = 0
        self._knowledge = 0
        """Counts what was learnt by being refused."""
        self.etag = ""
        """The strong ETag that the place gives the file; what `If-Range` asks for."""

    @asynccontextmanager
    async def open(self, start: int, end: int) -> AsyncIterator[Asked]:
        """Ask for the bytes `[start, end)`; any status is an answer. Raises what `Web.get` does."""
        async with AsyncExitStack() as stack:
            yield await self._answer(stack, f"bytes={start}-{end - 1}")

    async def _answer(self, stack: AsyncExitStack, span: str) -> Asked:
        if not self._led_to:
            async with self._resolving:
                if not self._led_to:
                    return await self._resolve(stack, span)
        return await self._get(stack, self._led_to, span)

    async def _resolve(self, stack: AsyncExitStack, span: str) -> Asked:
        asked = await self._get(stack, self._url, span)
        if asked.answer.status in GOOD:
            self._led_to = asked.answer.url
            self.etag = self.etag or strong_etag(asked.answer.headers)
        return asked

    async def _get(self, stack: AsyncExitStack, url: str, span: str) -> Asked:
        await stack.enter_async_context(self._hosts.connection(str(origin_of(url))))
        headers = {"Range": span, **await self._own(url)}
        etag, knowledge = self.etag, self._knowledge
        if etag:
            headers["If-Range"] = etag
        auth = headers.pop("Authorization", "")
        asking = self._web.get(url, headers=headers, auth=auth, stall=self._stall)
        return Asked(await stack.enter_async_context(asking), etag, knowledge)

    async def _own(self, url: str) -> Mapping[str, str]:
        """What the caller wants sent; to the origin of the file's own address only."""
        if origin_of(url) != origin_of(self._url):
            return {}
        if self._headers is None:
            self._headers = dict(await self._ask_headers())
        return self._headers

    def moved(self) -> None:
        """Forget where it led and what was known of it there: another file is there now."""
        self._led_to = ""
        self.etag = ""

    def progressed(self) -> None:
        """Bytes came: what was refused before counts no more."""
        self._refusals = 0

    def refused(self, asked: Asked) -> None:
        """Prepare to ask once more after an answer that is neither bytes nor a passing trouble.

        Raises what it means when asking again is no use.
        """
        answer = asked.answer
        if asked.knowledge != self._knowledge:
            return  # another connection was refused before, and we know better since
        self._refusals += 1
        if self._refusals >= _MOST_REFUSALS or answer.status not in _NO_MORE:
            raise self._refusal(answer)
        if origin_of(answer.url) == origin_of(self._url) and answer.status not in {401, 403}:
            raise self._refusal(answer)
        self._knowledge += 1
        self._headers = None
        self._led_to = ""
        if self._hashed:
            self.etag = ""

    def _refusal(self, answer: Answer) -> AcquireError:
        return refusal(
            answer.status,
            answer.headers,
            host=answer.host,
            subject=self._wanted.subject,
            page=self._wanted.page,
            with_token="Authorization" in (self._headers or {}),
        )
